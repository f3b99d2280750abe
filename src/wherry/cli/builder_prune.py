"""wherry builder prune."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS]",
    "Remove build cache",
    [
        Flag("all", "Remove all build cache, also of steps whose layers an image has", short="a"),
        Flag("filter", 'Provide filter values (e.g. "until=24h": not used for so long)', kind="list"),
        Flag("force", "Do not prompt for confirmation", short="f"),
        Flag("keep-storage", "Amount of disk space to keep for cache (as 500MB, 2GB)", kind="string"),
    ],
    most=0,
    examples=["wherry builder prune -f", "wherry builder prune --keep-storage 5GB"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Asks first, unless --force."""
    import time

    from wherry.cli.render import human_size
    from wherry.engine.filters import parse_filters, parse_moment
    from wherry.engine.prune import builder_prune
    from wherry.runtime.parse_values import size_bytes

    now = time.time_ns()
    since = 0
    for one in parse_filters(args.all("filter"), ("until",)):
        since = max(since, now - parse_moment(one.value, now))
    keep = size_bytes(args.text("keep-storage"), step=1000) if args.text("keep-storage") else 0
    everything = args.on("all")
    warning = "WARNING! This will remove all dangling build cache."
    if everything:
        warning = "WARNING! This will remove all build cache."
    if not args.on("force") and not out.confirm(warning):
        return 0
    gone, freed = builder_prune(engine, everything=everything, unused_for_ns=since, keep_bytes=keep)
    if gone:
        out.line("Deleted build cache objects:")
        for key in gone:
            out.line(key[:25])
        out.line()
    out.line(f"Total reclaimed space: {human_size(freed)}")
    return 0
