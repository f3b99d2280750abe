"""What --format and --quiet make of rows and objects, in one place for all commands.

A command says once what its rows are made of, and hands over the rows:

    LISTING = Listing("formatter.volumeContext", {"Driver": "DRIVER", "Name": "VOLUME NAME"}, ("Driver", "Name"))
    formats.listing(out, LISTING, [{"Driver": "local", "Name": "data"}], args.text("format"), quiet=args.on("quiet"))

`inspect` of any kind: names, and what finds the document (docker's JSON shape) of one:

    return formats.inspect(out, args.rest, engine.volumes.inspect, args.text("format"), "volume")

The template language (wherry.gotemplate) is loaded only for a template.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, NamedTuple

    from wherry.cli.render import Output

    # A value, or what makes it when it is asked for. "Label" takes the label's key
    Cell = str | bool | Callable[..., str]
    Row = Mapping[str, Cell]
else:
    from wherry.lean import NamedTuple

__all__ = ["Listing", "inspect", "listing", "wants"]


class Listing(NamedTuple):
    """What the rows of one command are made of. `context` is docker's type, for messages.

    `headers` name every field that a template may ask for (without "Label"), with its heading; `columns` are those of
    the default table, `quiet` the one that --quiet prints. `raw` is the template behind --format raw, "" where docker
    has none.
    """

    context: str
    headers: Mapping[str, str]
    columns: Sequence[str]
    quiet: str = "ID"
    raw: str = ""


def wants(format: str, *fields: str) -> bool:
    """Whether a template may ask for one of these fields: for those that cost something to find out."""
    return format == "json" or "json" in format or any(f".{name}" in format for name in fields)


def listing(out: Output, kind: Listing, rows: Iterable[Row], format: str, *, quiet: bool = False) -> None:
    """Print rows as docker's lists do: the table, `json`, `table TEMPLATE` or a template; --quiet wins over a template.

    Raises: TemplateError.
    """
    if quiet:
        for row in rows:
            out.line(_text(row[kind.quiet]))
    elif format in {"", "table"}:
        out.table([kind.headers[name] for name in kind.columns], [_cells(row, kind.columns) for row in rows])
    elif format == "json":
        for row in rows:
            out.json({name: _value(row[name]) for name in sorted(kind.headers)})
    else:
        from wherry.cli.formats_template import templated

        templated(out, kind, rows, format)


def _value(cell: Cell) -> Any:
    return cell() if callable(cell) else cell


def _text(cell: Cell) -> str:
    value = _value(cell)
    return ("false", "true")[value] if isinstance(value, bool) else str(value)


def _cells(row: Row, columns: Sequence[str]) -> list[str]:
    return [_text(row[name]) for name in columns]


def inspect(
    out: Output, names: Sequence[str], find: Callable[[str], Mapping[str, Any]], format: str, kind: str = ""
) -> int:
    """Print the document of each name: one JSON list, a line of JSON for each (`json`), or a template's text.

    `kind` ("container", "image", "network", "volume") tells the template the Go types of docker's. What is not found,
    or what a template can't be run on, is told at the end. Returns 1 then, else 0. Raises: TemplateError.
    """
    from wherry.errors import NotFound

    found, lost = [], []
    for name in names:
        try:
            found.append(find(name))
        except NotFound as fault:
            lost.append(f"Error: {fault}" + (f"\nhint: {fault.hint}" if fault.hint else ""))
    if not format:
        out.json(found, indent=4)
    elif format == "json":
        for one in found:
            out.json(one)
    else:
        from wherry.cli.formats_template import inspected

        lost += inspected(out, found, format, kind)
    for message in lost:
        out.error(message)
    return 1 if lost else 0
