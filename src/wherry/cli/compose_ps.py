"""wherry compose ps."""

from __future__ import annotations

from wherry.cli.compose import ComposeContext, check_services, compose_verb
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from wherry.cli.flags import Args
    from wherry.cli.formats import Listing, Row
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.containers_list import Summary

VERB = compose_verb(
    "[OPTIONS] [SERVICE...]",
    "List containers",
    [
        Flag("all", "Show all stopped containers (including those created by the run command)", short="a"),
        Flag("filter", "Filter services by a property (supported filters: status)", kind="list", type_name="string"),
        Flag("format", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template", kind="string",
             default="table"),
        Flag("no-trunc", "Don't truncate output"),
        Flag("orphans", "Include orphaned services (not declared by project)", default=1),
        Flag("quiet", "Only display IDs", short="q"),
        Flag("services", "Display services"),
        Flag("status", "Filter services by status: paused, restarting, removing, running, dead, created, exited",
             kind="list", type_name="stringArray"),
    ],
    most=None,
    examples=("wherry compose ps", "wherry compose ps -a --format json", "wherry compose ps -q web"),
)  # fmt: skip

_COLUMNS = ("Name", "Image", "Command", "Service", "RunningFor", "Status", "Ports")
_PROJECT, _SERVICE = "com.docker.compose.project", "com.docker.compose.service"


def run(engine: Engine, args: Args, out: Output) -> int:
    from wherry.engine.containers_list import labelled

    context = ComposeContext(engine, args, out)
    statuses = [*args.all("status"), *_filtered(args.all("filter"))]
    wanted: Sequence[str] = args.rest
    project, name = None, ""
    if args.rest or not args.on("orphans"):
        project, name = context.project_or_name(args.rest)
    if project:
        check_services(project, args.rest)
        if not args.rest and not args.on("orphans"):
            wanted = tuple(project.services)
    name = name or context.name()
    found = labelled(engine, _PROJECT, name)
    all_of_them = args.on("all")
    shown = [
        one for one in found
        if _SERVICE in one.row.labels and (not wanted or one.row.labels[_SERVICE] in wanted)
        and (all_of_them or one.row.labels.get("com.docker.compose.oneoff") != "True" or statuses)
        and (one.state.status in statuses if statuses else all_of_them or one.state.is_running)
    ]  # fmt: skip
    shown.sort(key=lambda one: one.row.name)
    _print(engine, args, out, shown)
    return 0


def _filtered(texts: Sequence[str]) -> list[str]:
    """The statuses of --filter. Raises: InputError in docker-compose's words."""
    from wherry.errors import InputError

    found = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError("arguments to --filter should be in form KEY=VAL")
        if key != "status":
            raise InputError(f"unknown filter {key}")
        found.append(value)
    return found


def _print(engine: Engine, args: Args, out: Output, shown: Sequence[Summary]) -> None:
    from wherry.cli.formats import listing

    if args.on("quiet"):
        for one in shown:
            out.line(one.row.id)
    elif args.on("services"):
        for name in dict.fromkeys(one.row.labels[_SERVICE] for one in shown):
            out.line(name)
    else:
        format = args.text("format")
        is_template = format not in {"", "table", "json"}
        rows = [_row(engine, one, whole=args.on("no-trunc"), is_template=is_template) for one in shown]
        listing(out, _listing(), rows, format)


def _listing() -> Listing:
    from wherry.cli.formats import Listing
    from wherry.cli.ps import HEADERS

    own = {"Name": "NAME", "Service": "SERVICE", "ExitCode": "EXIT CODE", "Health": "HEALTH", "Project": "PROJECT",
           "Publishers": "PUBLISHERS"}  # fmt: skip
    return Listing("formatter.ContainerContext", {**HEADERS, **own}, _COLUMNS)


def _row(engine: Engine, one: Summary, *, whole: bool, is_template: bool) -> Row:
    from wherry.cli import ps

    labels = one.row.labels
    return {
        **ps.row(engine, one, whole=whole),
        "ExitCode": lambda: _number(one.state.exit_code),
        "Health": (one.state.health or {}).get("Status", ""),
        "Name": one.row.name,
        "Project": labels[_PROJECT],
        "Publishers": lambda: (_as_go if is_template else _as_json)(_publishers(engine, one)),
        "Service": labels[_SERVICE],
    }


def _number(value: int) -> Any:
    return value


def _publishers(engine: Engine, one: Summary) -> list[dict[str, Any]]:
    """docker-compose's list of ports, by what is published now; the others have port 0."""
    from wherry.engine.containers_list import published_places

    return [
        {"URL": ip.strip("[]"), "TargetPort": port, "PublishedPort": host_port, "Protocol": protocol}
        for port, protocol, ip, host_port in published_places(engine, one)
    ]


def _as_json(found: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    return found or None


def _as_go(found: list[dict[str, Any]]) -> Any:
    """As a template prints it: [{0.0.0.0 80 8080 tcp}]."""
    from wherry.gotemplate.values import List, Struct, Type

    kind = Type("struct", "api.PortPublisher")
    return List(Type("slice", "api.PortPublishers", kind), [Struct(kind, one) for one in found], is_nil=not found)
