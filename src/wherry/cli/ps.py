"""wherry ps."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.containers_list import Summary

VERB = Verb(
    "[OPTIONS]",
    "List containers",
    [
        Flag("all", "Show all containers (default shows just running)", short="a"),
        Flag("filter", "Filter output based on conditions provided", short="f", kind="list", type_name="filter"),
        Flag("format", "Format output: 'table' or 'json'", kind="string"),
        Flag("last", "Show n last created containers (includes all states)", short="n", kind="int", default=-1),
        Flag("latest", "Show the latest created container (includes all states)", short="l"),
        Flag("no-trunc", "Don't truncate output"),
        Flag("quiet", "Only display container IDs", short="q"),
        Flag("size", "Display total file sizes", short="s"),
    ],
    examples=("wherry ps -a", "wherry ps --filter status=exited --format json"),
)

_QUOTED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def run(engine: Engine, args: Args, out: Output) -> int:
    from wherry.engine.containers_list import parse_filters
    from wherry.errors import Unsupported

    shape = args.text("format")
    if shape not in ("", "table", "json"):
        raise Unsupported(f"--format {shape!r} is not supported yet", hint="use --format json")
    last = 1 if args.on("latest") else args.number("last") or -1
    found: Sequence[Summary] = engine.containers.list(
        parse_filters(args.all("filter")), all=args.on("all") or last > 0, size=args.on("size")
    )
    if last > 0:
        found = found[:last]
    whole = args.on("no-trunc")
    if args.on("quiet"):
        for one in found:
            out.line(one.row.id if whole else one.row.short_id)
    elif shape == "json":
        for one in found:
            out.json(_json(one, whole=whole))
    else:
        headers = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
        out.table(headers + ["SIZE"] * args.on("size"), [_cells(one, whole=whole) for one in found])
    return 0


def _command(one: Summary, *, whole: bool) -> str:
    # As docker: what needs a shell's quotes has them, but not the program
    first, *rest = one.row.command or ("",)
    text = " ".join([first, *(f"'{word}'" if " " in word else word for word in rest)])
    shown = text if whole or len(text) <= 20 else text[:19] + "…"
    return f'"{shown.translate(_QUOTED)}"'


def _size(one: Summary) -> str:
    from wherry.cli.render import human_size

    return f"{human_size(one.size)} (virtual {human_size(one.virtual_size)})"


def _created_ago(one: Summary) -> str:
    import time

    from wherry.cli.render import ago

    return f"{ago((time.time_ns() - one.row.created_ns) / 1e9)} ago"


def _status(one: Summary) -> str:
    from wherry.cli.render import ago
    from wherry.engine.containers_list import age_s, status_text

    return status_text(one.state, ago(age_s(one.state)))


def _cells(one: Summary, *, whole: bool) -> list[str]:
    cells = [
        one.row.id if whole else one.row.short_id, one.image, _command(one, whole=whole), _created_ago(one),
        _status(one), ", ".join(one.ports), one.row.name,
    ]  # fmt: skip
    return cells if one.size < 0 else [*cells, _size(one)]


def _json(one: Summary, *, whole: bool) -> dict[str, str]:
    """docker's `ps --format json`: every value a string, keys by name."""
    import time

    options = one.row.options()
    mounts = [mount.source or mount.target for mount in options.mounts if mount.type != "tmpfs"]
    volumes = [mount for mount in options.mounts if mount.type == "volume"]
    created = time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(one.row.created_ns / 1e9))
    return {
        "Command": _command(one, whole=whole),
        "CreatedAt": created,
        "ID": one.row.id if whole else one.row.short_id,
        "Image": one.image,
        "Labels": ",".join(f"{name}={value}" for name, value in sorted(one.row.labels.items())),
        "LocalVolumes": str(len(volumes)),
        "Mounts": ",".join(mounts),
        "Names": one.row.name,
        "Networks": ",".join(one.networks),
        "Ports": ", ".join(one.ports),
        "RunningFor": _created_ago(one),
        "Size": _size(one) if one.size >= 0 else "0B",
        "State": one.state.status,
        "Status": _status(one),
    }
