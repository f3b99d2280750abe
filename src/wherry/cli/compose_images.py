"""wherry compose images."""

from __future__ import annotations

from wherry.cli.compose import ComposeContext, compose_verb
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = compose_verb(
    "[OPTIONS] [SERVICE...]",
    "List images used by the created containers",
    [
        Flag("format", "Format the output: table or json", kind="string", default="table"),
        Flag("quiet", "Only display IDs", short="q"),
    ],
    most=None,
)


def run(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.compose_lists import check_format, print_list
    from wherry.cli.render import human_size
    from wherry.compose.choose import containers
    from wherry.compose.images import used
    from wherry.compose.observe import observe

    check_format(args.text("format"))
    name = ComposeContext(engine, args, out).name()
    found = containers(observe(engine, name), args.rest, all=True)
    rows = used(engine, sorted(found, key=lambda one: one.name))
    if args.on("quiet"):
        for id in dict.fromkeys(row.id for row in rows):
            out.line(id.partition(":")[2])
        return 0
    shown = [(row.container, row.repository, row.tag, row.id.partition(":")[2][:12],
              human_size(row.size)) for row in rows]  # fmt: skip
    keys = ("ID", "ContainerName", "Repository", "Tag", "Size")
    headings = ("CONTAINER", "REPOSITORY", "TAG", "IMAGE ID", "SIZE")
    json_rows = [(row.id, row.container, row.repository, row.tag, row.size) for row in rows]
    print_list(out, keys, headings, shown, args.text("format"), json_rows)
    return 0
