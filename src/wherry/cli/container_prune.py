"""wherry container prune."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS]",
    "Remove all stopped containers",
    [
        Flag("filter", 'Provide filter values (e.g. "until=<timestamp>")', kind="list", type_name="filter"),
        Flag("force", "Do not prompt for confirmation", short="f"),
    ],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.render import human_size
    from wherry.engine.containers_list import parse_filters

    filters = parse_filters(args.all("filter"), prune=True)
    if not args.on("force") and not out.confirm("WARNING! This will remove all stopped containers."):
        return 0
    removed, freed = engine.containers.prune(filters)
    if removed:
        out.line("Deleted Containers:")
        for id in removed:
            out.line(id)
        out.line()
    out.line(f"Total reclaimed space: {human_size(freed)}")
    return 0
