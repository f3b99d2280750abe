"""wherry ps."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.cli.flags import Args
    from wherry.cli.formats import Listing, Row
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.containers_list import Summary

VERB = Verb(
    "[OPTIONS]",
    "List containers",
    [
        Flag("all", "Show all containers (default shows just running)", short="a"),
        Flag("filter", "Filter output based on conditions provided", short="f", kind="list", type_name="filter"),
        Flag("format", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template", kind="string"),
        Flag("last", "Show n last created containers (includes all states)", short="n", kind="int", default=-1),
        Flag("latest", "Show the latest created container (includes all states)", short="l"),
        Flag("no-trunc", "Don't truncate output"),
        Flag("quiet", "Only display container IDs", short="q"),
        Flag("size", "Display total file sizes", short="s"),
    ],
    examples=(
        "wherry ps -a",
        "wherry ps --filter status=exited --format json",
        "wherry ps --format 'table {{.Names}}\\t{{.Status}}'",
    ),
)

_QUOTED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


HEADERS = {
    "ID": "CONTAINER ID", "Image": "IMAGE", "Command": "COMMAND", "RunningFor": "CREATED", "Status": "STATUS",
    "Ports": "PORTS", "Names": "NAMES", "Size": "SIZE", "CreatedAt": "CREATED AT", "State": "STATE", "Labels": "LABELS",
    "LocalVolumes": "LOCAL VOLUMES", "Mounts": "MOUNTS", "Networks": "NETWORKS",
}  # fmt: skip
_COLUMNS = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")
_RAW = """container_id: {{.ID}}
image: {{.Image}}
command: {{.Command}}
created_at: {{.CreatedAt}}
state: {{- pad .State 1 0}}
status: {{- pad .Status 1 0}}
names: {{.Names}}
labels: {{- pad .Labels 1 0}}
ports: {{- pad .Ports 1 0}}
"""


def run(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.formats import listing, wants
    from wherry.engine.containers_list import parse_filters

    format, size, kind = args.text("format"), args.on("size"), _listing(size=args.on("size"))
    if format and args.on("quiet"):
        out.error("WARNING: Ignoring custom format, because both --format and --quiet are set.")
        format = ""
    if format not in {"", "table", "json", "raw"}:
        from wherry.cli.formats_template import checked

        checked(kind, format)
        size = size or wants(format, "Size")
    last = args.number("last") or 0
    if args.on("latest") and last == -1:
        last = 1
    found: Sequence[Summary] = engine.containers.list(
        parse_filters(args.all("filter")), all=args.on("all") or last > 0, size=size
    )
    if last > 0:
        found = found[:last]
    whole = args.on("no-trunc")
    listing(out, kind, [row(engine, one, whole=whole) for one in found], format, quiet=args.on("quiet"))
    return 0


def _listing(*, size: bool) -> Listing:
    from wherry.cli.formats import Listing

    columns, raw = (*_COLUMNS, "Size") if size else _COLUMNS, _RAW + ("size: {{.Size}}\n" if size else "")
    return Listing("formatter.ContainerContext", HEADERS, columns, raw=raw)


def row(engine: Engine, one: Summary, *, whole: bool) -> Row:
    """docker's fields of a container in a list, made when they are asked for."""
    from wherry.cli.render import labels_text, moment

    return {
        "Command": lambda: _command(one, whole=whole),
        "CreatedAt": lambda: moment(one.row.created_ns),
        "ID": one.row.id if whole else one.row.short_id,
        "Image": one.image,
        "Label": lambda name: one.row.labels.get(name, ""),
        "Labels": lambda: labels_text(one.row.labels),
        "LocalVolumes": lambda: str(sum(mount.type == "volume" for mount in one.row.options().mounts)),
        "Mounts": lambda: _mounts(engine, one, whole=whole),
        "Names": one.row.name,
        "Networks": lambda: _networks(engine, one),
        "Ports": ", ".join(one.ports),
        "RunningFor": lambda: _created_ago(one),
        "Size": lambda: _size(one),
        "State": one.state.status,
        "Status": lambda: _status(one),
    }


def _networks(engine: Engine, one: Summary) -> str:
    from wherry.engine.containers_list import networks

    return ",".join(networks(engine, one.row, one.state))


def _mounts(engine: Engine, one: Summary, *, whole: bool) -> str:
    """Volumes by name, folders by path."""
    found = engine.containers.inspect(one.row.id)["Mounts"]
    names = [mount.get("Name") or mount["Source"] for mount in found]
    return ",".join(name if whole or len(name) <= 15 else f"{name[:14]}…" for name in names)


def _command(one: Summary, *, whole: bool) -> str:
    # As docker: what needs a shell's quotes has them, but not the program
    first, *rest = one.row.command or ("",)
    text = " ".join([first, *(f"'{word}'" if " " in word else word for word in rest)])
    shown = text if whole or len(text) <= 20 else text[:19] + "…"
    return f'"{shown.translate(_QUOTED)}"'


def _size(one: Summary) -> str:
    from wherry.cli.render import human_size

    if one.size < 0:
        return "0B"
    return human_size(one.size) + (f" (virtual {human_size(one.virtual_size)})" if one.virtual_size else "")


def _created_ago(one: Summary) -> str:
    import time

    from wherry.cli.render import ago

    return f"{ago((time.time_ns() - one.row.created_ns) / 1e9)} ago"


def _status(one: Summary) -> str:
    from wherry.cli.render import ago
    from wherry.engine.containers_list import age_s, status_text

    return status_text(one.state, ago(age_s(one.state)))
