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

    # A string or a bool, or what makes it when it is asked for; "Label" takes the key of a label
    Cell = object
    Row = Mapping[str, Cell]
else:
    from wherry.lean import NamedTuple

__all__ = ["Listing", "document", "inspect", "listing", "wants"]


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
    return "json" in format or any(f".{name}" in format for name in fields)


def listing(out: Output, kind: Listing, rows: Iterable[Row], format: str, *, quiet: bool = False) -> None:
    """Print rows as docker's lists do: the table, `json`, `table TEMPLATE`, `raw` or a template. As docker, a template
    wins over --quiet.

    Raises: TemplateError; nothing is printed then.
    """
    if format in {"", "table"} and quiet:
        for row in rows:
            out.line(_text(row[kind.quiet]))
    elif format in {"", "table"}:
        out.table([kind.headers[name] for name in kind.columns], [_cells(row, kind.columns) for row in rows])
    elif format == "json":
        for row in rows:
            out.json({name: _value(row[name]) for name in sorted(kind.headers)}, html=True)
    else:
        from wherry.cli.formats_template import templated

        templated(out, kind, rows, format, quiet=quiet)


def document(
    out: Output, value: Mapping[str, Any], format: str, type: str = "document", *, name: str = "", lead: str = ""
) -> None:
    """One document: a line of JSON (`json`), or a template's text. `type`, `name` (of the template) and `lead` are
    docker's words in messages.

    Raises: TemplateSyntaxError (exit 64), TemplateError.
    """
    if format == "json":
        out.json(value)
    else:
        from wherry.cli.formats_template import rendering

        out.line(rendering(out, format, type, name=name, lead=lead)(value))


def _value(cell: Cell) -> Any:
    return cell() if callable(cell) else cell


def _text(cell: Cell) -> str:
    value = _value(cell)
    return ("false", "true")[value] if isinstance(value, bool) else str(value)


def _cells(row: Row, columns: Sequence[str]) -> list[str]:
    return [_text(row[name]) for name in columns]


def inspect(
    out: Output, names: Sequence[str], find: Callable[[str], Mapping[str, Any]], format: str,
    kind: str | Mapping[str, str] = "",
) -> int:  # fmt: skip
    """Print the document of each name: one JSON list, a line of JSON for each (`json`), or a template's text.

    `kind` is "container", "image", "network" or "volume", whose Go types a template sees first, with a "!" behind it
    nothing else; "" for plain JSON; or a map of it by name, which `find` may fill. What is not found, or what a
    template can't be run on, is told at the end. Returns 1 then, else 0.

    Raises: TemplateSyntaxError (exit 64), before anything is looked for.
    """
    from wherry.errors import NotFound

    template = None
    if format not in {"", "json"}:
        from wherry.cli.formats_template import inspected, parsed

        template = parsed(format)
    found: list[Any] = []
    lost: list[str] = []
    for name in names:
        try:
            document = find(name)
        except NotFound as fault:
            lost.append(f"Error: {fault}" + (f"\nhint: {fault.hint}" if fault.hint else ""))
            continue
        if template is None:
            found.append(document)
            continue
        is_fit, text = inspected(out, template, document, kind if isinstance(kind, str) else kind.get(name, ""))
        (found if is_fit else lost).append(text)
    if template:
        out.write("".join(f"{line}\n" for line in found) or "\n")
    elif format and found:
        for one in found:
            out.json(one)
    else:
        out.json(found, indent=4)
    for message in lost:
        out.error(message)
    return 1 if lost else 0
