"""wherry system prune."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb
from wherry.cli.render import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS]",
    "Remove unused data",
    [
        Flag("all", "Remove all unused images, not just dangling ones", short="a"),
        Flag("filter", 'Provide filter values (e.g. "until=24h", "label=keep")', kind="list", type_name="filter"),
        Flag("force", "Do not prompt for confirmation", short="f"),
        Flag("volumes", "Prune anonymous volumes"),
    ],
    most=0,
    examples=["wherry system prune", "wherry system prune -a --volumes"],
)


def _warning(args: Args, *, has_models: bool) -> str:
    lines = [
        "WARNING! This will remove:",
        "  - all stopped containers",
        "  - all networks not used by at least one container",
    ]
    if args.on("volumes"):
        lines.append("  - all anonymous volumes not used by at least one container")
    if args.on("all"):
        lines += [
            "  - all images without at least one container associated to them",
            *(["  - all models that no container mounts"] if has_models else []),
            "  - all build cache",
        ]
    else:
        lines += ["  - all dangling images", "  - unused build cache"]
    return "\n".join(lines) + "\n"


def run(engine: Engine, args: Args, out: Output) -> int:
    """docker's lines."""
    from wherry.build.evict import Policy
    from wherry.engine import builder_cache, containers_list
    from wherry.engine.filters import parse_filters
    from wherry.engine.partial import sweep_partial

    filters = parse_filters(args.all("filter"), ("until", "label", "label!"))
    if not args.on("force") and not out.confirm(_warning(args, has_models=bool(engine.models.list()))):
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
    # Differs from docker: models without a name go with the dangling images, those that nobody mounts with the unused
    models, gone = engine.models.prune(everything=args.on("all"))
    _section(out, "Deleted Models:", models)
    freed += gone.freed_bytes + sweep_partial(f"{engine.runs.home}/.partial")
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
