"""wherry image prune."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS]",
    "Remove unused images",
    [
        Flag("all", "Remove all unused images, not just dangling ones", short="a"),
        Flag(
            "filter",
            'Provide filter values (e.g. "until=24h", "label=keep", "label!=keep")',
            kind="list",
            type_name="filter",
        ),
        Flag("force", "Do not prompt for confirmation", short="f"),
    ],
    most=0,
    examples=["wherry image prune", "wherry image prune -a --filter until=240h"],
)
_KEYS = ("until", "label", "label!", "dangling")


def run(engine: Engine, args: Args, out: Output) -> int:
    """Asks first, unless --force."""
    from wherry.cli.render import human_size
    from wherry.engine.filters import parse_filters

    filters = parse_filters(args.all("filter"), _KEYS)
    everything = args.on("all") or any(one.key == "dangling" and one.value.lower() in "0false" for one in filters)
    filters = tuple(one for one in filters if one.key != "dangling")
    warning = "WARNING! This will remove all dangling images."
    if everything:
        warning = "WARNING! This will remove all images without at least one container associated to them."
    if not args.on("force") and not out.confirm(warning):
        return 0
    pruned = engine.images.prune(everything=everything, filters=filters)
    if pruned.lines:
        out.line("Deleted Images:")
        for line in pruned.lines:
            out.line(line)
        out.line()
    out.line(f"Total reclaimed space: {human_size(pruned.freed_bytes)}")
    return 0
