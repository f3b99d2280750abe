"""wherry builder prune."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.build.evict import Policy
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS]",
    "Remove build cache",
    [
        Flag("all", "Remove all build cache, also of steps whose layers an image has", short="a"),
        Flag(
            "filter",
            "Provide filter values: until (e.g. 24h), type, id, description, inuse, shared",
            kind="list",
            type_name="filter",
        ),
        Flag("force", "Do not prompt for confirmation", short="f"),
        Flag("keep-storage", "The older name of --reserved-space", kind="string", type_name="bytes"),
        Flag("max-used-space", "Remove until the cache takes no more than this", kind="string", type_name="bytes"),
        Flag("min-free-space", "Remove until so much of the disk is free", kind="string", type_name="bytes"),
        Flag("reserved-space", "Keep this much of the cache in any case", kind="string", type_name="bytes"),
        Flag("verbose", "Provide a more verbose output"),
    ],
    most=0,
    examples=["wherry builder prune -f", "wherry builder prune --filter until=48h --reserved-space 5GB"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Asks first, unless --force."""
    import time

    from wherry.cli.builder_du import parse_query, verbose
    from wherry.cli.render import human_size
    from wherry.engine.builder_cache import prune

    query = parse_query(args.all("filter"), time.time_ns())
    policy = _policy(args)._replace(before_ns=query.before_ns)
    warning = "WARNING! This will remove all dangling build cache."
    if policy.everything:
        warning = "WARNING! This will remove all build cache."
    if not args.on("force") and not out.confirm(warning):
        return 0
    pruned = prune(engine, policy, query.takes)
    engine.events.prune("builder", pruned.freed_bytes)
    if pruned.entries and args.on("verbose"):
        verbose(pruned.entries, out)
    elif pruned.entries:
        out.line("Deleted build cache objects:")
        for one in pruned.entries:
            out.line(one.id)
        out.line()
    out.line(f"Total reclaimed space: {human_size(pruned.freed_bytes)}")
    return 0


def _policy(args: Args) -> Policy:
    """Raises: FlagError."""
    from wherry.build.evict import Policy
    from wherry.cli.flags import FlagError
    from wherry.errors import InputError
    from wherry.runtime.parse_values import size_bytes

    def size(name: str) -> int:
        text = args.text(name)
        try:
            return size_bytes(text, step=1000) if text else 0
        except InputError as fault:
            see = "See 'wherry builder prune --help'."
            raise FlagError(f'invalid argument "{text}" for "--{name}" flag: {fault.message}\n{see}') from None

    reserved = size("reserved-space") or size("keep-storage")
    return Policy(args.on("all"), 0, reserved, size("max-used-space"), size("min-free-space"))
