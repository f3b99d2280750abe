"""wherry system df, system prune."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb
from wherry.cli.render import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.prune import Usage

VERB = {
    "system df": Verb(
        "[OPTIONS]",
        "Show disk usage",
        [
            Flag("format", "Format output: 'json', or the default table", kind="string"),
            Flag("verbose", "Show each step of the build cache, too", short="v"),
        ],
        most=0,
        examples=["wherry system df"],
    ),
    "system prune": Verb(
        "[OPTIONS]",
        "Remove unused data",
        [
            Flag("all", "Remove all unused images, not just dangling ones", short="a"),
            Flag("filter", 'Provide filter values (e.g. "until=24h", "label=keep")', kind="list"),
            Flag("force", "Do not prompt for confirmation", short="f"),
            Flag("volumes", "Prune anonymous volumes"),
        ],
        most=0,
        examples=["wherry system prune", "wherry system prune -a --volumes"],
    ),
}


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """Both print docker's lines."""
    return _df(engine, args, out) if name == "system df" else _prune(engine, args, out)


def _reclaimable(one: Usage) -> str:
    share = f" ({one.reclaimable * 100 // one.size}%)" if one.size and one.kind != "Build Cache" else ""
    return human_size(one.reclaimable) + share


def _df(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.images import is_json
    from wherry.engine.builder_cache import entries
    from wherry.engine.prune import usage

    wants_json = is_json(args.text("format"))
    rows = usage(engine)
    if wants_json:
        for one in rows:
            out.json({"Active": str(one.active), "Reclaimable": _reclaimable(one), "Size": human_size(one.size),
                      "TotalCount": str(one.total), "Type": one.kind})  # fmt: skip
        return 0
    cells = [(one.kind, str(one.total), str(one.active), human_size(one.size), _reclaimable(one)) for one in rows]
    out.table(["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"], cells)
    if args.on("verbose"):
        import time

        from wherry.cli.render import ago

        now = time.time_ns()
        out.line(f"\nBuild cache usage: {human_size(rows[-1].size)}\n")
        out.table(
            ["CACHE ID", "STEP", "SIZE", "LAST USED", "SHARED"],
            [
                (one.id[:12], one.what[:60], human_size(one.size), f"{ago((now - one.used_ns) / 1e9)} ago",
                 str(one.is_shared).lower())
                for one in entries(engine)
            ],
        )  # fmt: skip
    return 0


def _warning(args: Args) -> str:
    lines = [
        "WARNING! This will remove:",
        "  - all stopped containers",
        "  - all networks not used by at least one container",
    ]
    if args.on("volumes"):
        lines.append("  - all anonymous volumes not used by at least one container")
    if args.on("all"):
        lines += ["  - all images without at least one container associated to them", "  - all build cache"]
    else:
        lines += ["  - all dangling images", "  - unused build cache"]
    return "\n".join(lines) + "\n"


def _prune(engine: Engine, args: Args, out: Output) -> int:
    from wherry.build.evict import Policy
    from wherry.engine import builder_cache, containers_list
    from wherry.engine.filters import parse_filters

    filters = parse_filters(args.all("filter"), ("until", "label", "label!"))
    if not args.on("force") and not out.confirm(_warning(args)):
        return 0
    containers, freed = engine.containers.prune(containers_list.parse_filters(args.all("filter"), prune=True))
    _section(out, "Deleted Containers:", containers)
    _section(out, "Deleted Networks:", engine.networks.prune())
    if args.on("volumes"):
        volumes, more = engine.volumes.prune()
        _section(out, "Deleted Volumes:", volumes)
        freed += more
    pruned = engine.images.prune(everything=args.on("all"), filters=filters)
    _section(out, "Deleted Images:", pruned.lines)
    cache = builder_cache.prune(engine, Policy(everything=args.on("all")))
    engine.events.prune("builder", cache.freed_bytes)
    _section(out, "Deleted build cache objects:", [one.id for one in cache.entries])
    out.line(f"Total reclaimed space: {human_size(freed + pruned.freed_bytes + cache.freed_bytes)}")
    return 0


def _section(out: Output, heading: str, lines: Sequence[str]) -> None:
    if lines:
        out.line(heading)
        for line in lines:
            out.line(line)
        out.line()
