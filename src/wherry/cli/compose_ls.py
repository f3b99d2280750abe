"""wherry compose ls."""

from __future__ import annotations

from wherry.cli.compose import compose_verb
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.runtime.state import ContainerState

    Members = Sequence[tuple[ContainerRow, ContainerState]]

VERB = compose_verb(
    "[OPTIONS]",
    "List running compose projects",
    [
        Flag("all", "Show all stopped Compose projects", short="a"),
        Flag("filter", "Filter output based on conditions provided (name=NAME)", kind="list", type_name="filter"),
        Flag("format", "Format the output: table or json", kind="string", default="table"),
        Flag("quiet", "Only display project names", short="q"),
    ],
    examples=("wherry compose ls", "wherry compose ls -a --format json"),
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """From labels alone: every project that has containers, in whatever folder its files are."""
    from wherry.cli.compose_lists import check_format, print_list
    from wherry.compose.observe import projects

    check_format(args.text("format"))
    keep = _filter(args.all("filter"))
    rows = []
    for name, members in projects(engine).items():
        if not args.on("all"):
            members = [one for one in members if one[1].is_running]
        if members and keep(name):
            rows.append((name, _status(members), _files(members)))
    if args.on("quiet"):
        for name, _, _ in rows:
            out.line(name)
        return 0
    print_list(out, ("Name", "Status", "ConfigFiles"), ("NAME", "STATUS", "CONFIG FILES"), rows, args.text("format"))
    return 0


def _filter(texts: Sequence[str]) -> Callable[[str], bool]:
    """Raises: InputError for another filter than name."""
    import re

    from wherry.errors import InputError

    patterns = []
    for text in texts:
        key, _, value = text.partition("=")
        if key != "name":
            raise InputError(f"invalid filter '{key}'", hint="name is the one that there is")
        try:
            patterns.append(re.compile(value))
        except re.error as fault:
            raise InputError(f"invalid filter name={value}: {fault}") from None
    return lambda name: all(one.search(name) for one in patterns)


def _status(members: Members) -> str:
    """exited(1), running(3)"""
    found = [state.status for _, state in members]
    return ", ".join(f"{status}({found.count(status)})" for status in sorted(set(found)))


def _files(members: Members) -> str:
    """Of all its containers, in the order in which they name them."""
    label = "com.docker.compose.project.config_files"
    named = (path for row, _ in reversed(members) for path in row.labels.get(label, "").split(","))
    return ",".join(dict.fromkeys(path for path in named if path)) or "N/A"
