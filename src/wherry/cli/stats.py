"""wherry stats."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.cli.flags import Args
    from wherry.cli.formats import Listing, Row
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.containers_stats import Stats

VERB = Verb(
    "[OPTIONS] [CONTAINER...]",
    "Display a live stream of container(s) resource usage statistics",
    [
        Flag("all", "Show all containers (default shows just running)", short="a"),
        Flag("format", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template", kind="string"),
        Flag("no-stream", "Disable streaming stats and only pull the first result"),
        Flag("no-trunc", "Do not truncate output"),
    ],
    least=0,
    most=None,
    examples=("wherry stats --no-stream", "wherry stats --format 'table {{.Name}}\\t{{.MemUsage}}' api"),
)

_HEADERS = {
    "BlockIO": "BLOCK I/O",
    "CPUPerc": "CPU %",
    "Container": "CONTAINER",
    "ID": "CONTAINER ID",
    "MemPerc": "MEM %",
    "MemUsage": "MEM USAGE / LIMIT",
    "Name": "NAME",
    "NetIO": "NET I/O",
    "PIDs": "PIDS",
}
_COLUMNS = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")
_CLEAR, _HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[2J", "\x1b[H", "\x1b[K", "\x1b[J"


def run(engine: Engine, args: Args, out: Output) -> int:
    """Until Ctrl-C, or until none of the named is there any more."""
    return show(engine, args.rest, args, out)


def show(engine: Engine, names: Sequence[str] | None, args: Args, out: Output) -> int:
    """Of these containers; None of none at all."""
    import io

    from wherry.cli.formats import Listing
    from wherry.cli.render import Output
    from wherry.engine import containers_stats
    from wherry.host.linux import require_root

    require_root(engine.settings.uid, "wherry stats")
    kind = Listing("container.statsContext", _HEADERS, _COLUMNS)
    format, whole = args.text("format"), args.on("no-trunc")
    if names is None:
        _show(out, kind, [], format, whole=whole)
        return 0
    if args.on("no-stream"):
        _show(out, kind, containers_stats.take(engine, names, all=args.on("all")), format, whole=whole)
        return 0
    clear = _CLEAR
    for found in containers_stats.follow(engine, names, all=args.on("all")):
        if out.is_terminal:
            page = io.StringIO()
            _show(Output(page, page, {}), kind, found, format, whole=whole)
            # One picture over the last, without flicker
            out.write(clear + _HOME + page.getvalue().replace("\n", _REST_OF_LINE + "\n") + _REST_OF_SCREEN)
            clear = ""
        else:
            # Differs from docker: `stats` writes no escape sequences into a pipe
            _show(out, kind, found, format, whole=whole)
        out.flush()
    return 0


def _show(out: Output, kind: Listing, found: Sequence[Stats], format: str, *, whole: bool) -> None:
    from wherry.cli.formats import listing

    listing(out, kind, [_row(one, whole=whole) for one in found], format)


def _row(one: Stats, *, whole: bool) -> Row:
    from wherry.cli.render import human_size

    id = one.row.id if whole else one.row.short_id
    return {
        "Container": one.asked or one.row.short_id,
        "Name": one.row.name,
        "ID": id,
        "CPUPerc": f"{one.cpu_percent:.2f}%",
        "MemUsage": f"{_binary(one.memory_bytes)} / {_binary(one.memory_limit_bytes)}",
        "MemPerc": f"{one.memory_percent:.2f}%",
        "NetIO": f"{human_size(one.network_in_bytes)} / {human_size(one.network_out_bytes)}",
        "BlockIO": f"{human_size(one.block_read_bytes)} / {human_size(one.block_write_bytes)}",
        "PIDs": str(one.pids),
    }


def _binary(size: int) -> str:
    """1024-based with four digits, as docker shows memory: 23.54GiB."""
    value, units = float(size), ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.4g}{units[0]}"
