"""Rows and objects through a Go template: what cli.formats loads when there is one."""

from __future__ import annotations

from wherry.cli.formats import _value
from wherry.errors import UsageError
from wherry.gotemplate import Template, TemplateError
from wherry.gotemplate.functions import Function
from wherry.gotemplate.values import STRING, Struct, Type, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from wherry.cli.formats import Listing, Row
    from wherry.cli.render import Output

__all__ = ["TemplateSyntaxError", "checked", "context", "inspected", "parsed", "rendering", "syntax_error", "templated"]

_HEADINGS = Type("map", "formatter.SubHeaderContext", STRING)


class TemplateSyntaxError(UsageError):
    """A template of inspect, info or version that is none; docker exits with 64 for it."""

    code = "template"
    exit_code = 64


def _own(fault: TemplateError, lead: str = "template parsing error: ") -> TemplateError:
    return TemplateError(lead + fault.message, hint=fault.hint)


# Lists


def templated(out: Output, kind: Listing, rows: Iterable[Row], format: str, *, quiet: bool = False) -> None:
    """All rows, or nothing when one of them fails. Raises: TemplateError."""
    is_table = format.startswith("table")
    try:
        template = Template.parse(_prepared(kind, format, quiet=quiet))
        lines = [_finished(template.execute(context(kind, row), show=_show(out))) for row in rows]
    except TemplateError as fault:
        raise _own(fault) from None
    if not is_table:
        out.write("".join(f"{line}\n" for line in lines))
        return
    from wherry.cli.tabwriter import aligned

    out.write(aligned("".join(f"{line}\n" for line in [_heading(template, kind), *lines])))


def _prepared(kind: Listing, format: str, *, quiet: bool) -> str:
    """The template behind "table", "raw" and docker's own escapes."""
    if format == "raw" and kind.raw:
        format = kind.raw
        if quiet:
            format = next(line for line in format.splitlines() if f"{{{{.{kind.quiet}}}}}" in line)
    text = format.removeprefix("table") if format.startswith("table") else format
    return text.strip(" ").replace(r"\t", "\t").replace(r"\n", "\n")


def _heading(template: Template, kind: Listing) -> str:
    from wherry.gotemplate.dockerfuncs import HEADING

    headings = Struct(
        _HEADINGS, kind.headers, methods={"Label": Function(_label_heading, (STRING,))}, given=kind.headers
    )
    # As docker: a heading that fails in the middle is left as far as it came
    return "".join(template.execute_parts(headings, functions=HEADING, keep=True)[0])


def _label_heading(name: str) -> str:
    """com.example.my-label: "my label"."""
    return name.rpartition(".")[2].replace("-", " ").replace("_", " ")


class _Cells(dict):  # type: ignore[type-arg]
    """A row's fields, made when they are looked at."""

    def items(self) -> Any:
        return [(name, _value(cell)) for name, cell in super().items()]

    def __getitem__(self, name: str) -> Any:
        return _value(super().__getitem__(name))


def context(kind: Listing, row: Row) -> Struct:
    """A row as a template sees it: docker's fields are methods."""
    methods = {name: Function(lambda name=name: _value(row[name])) for name in kind.headers}
    if "Label" in row:
        methods["Label"] = Function(row["Label"], (STRING,))  # type: ignore[arg-type]
    cells = _Cells({name: row[name] for name in sorted(kind.headers)})
    return Struct(Type("struct", kind.context), cells, methods=methods, is_pointer=True, escapes=True)


def checked(kind: Listing, format: str) -> None:
    """What `docker ps` does before it looks for containers: run the template on an empty one. Raises: TemplateError."""
    row: dict[str, Any] = dict.fromkeys(kind.headers, "") | {"Label": lambda name: ""}
    try:
        template = Template.parse(format)
    except TemplateError as fault:
        raise _own(fault, "failed to parse template: ") from None
    try:
        template.execute(context(kind, row))
    except TemplateError as fault:
        raise _own(fault, "failed to execute template: ") from None


# Objects


_SYNTAX = "template parsing error: "


def parsed(format: str, *, name: str = "", syntax: str = _SYNTAX) -> Template:
    """Raises: TemplateSyntaxError."""
    try:
        return Template.parse(format, name=name)
    except TemplateError as fault:
        raise syntax_error(fault, syntax) from None


def syntax_error(fault: TemplateError, lead: str) -> TemplateSyntaxError:
    return TemplateSyntaxError(lead + fault.message, hint=fault.hint)


def inspected(out: Output, template: Template, document: Mapping[str, Any], kind: str) -> tuple[bool, str]:
    """Whether the template can be run on it, and the text or what is wrong.

    As docker, the template sees Go's fields first, and the JSON as it is when those do not fit: `.ID` and `.Id` work.
    """
    try:
        return True, _finished(_inspected(template, document, kind, out))
    except TemplateError as fault:
        hint = f"\nhint: {fault.hint}" if fault.hint else ""
        return False, f"template parsing error: {fault.message}{hint}"


def _inspected(template: Template, one: Mapping[str, Any], kind: str, out: Output) -> str:
    from wherry.cli.gotypes import as_docker, as_read

    try:
        if kind:
            return template.execute(as_docker(one, kind.removesuffix("!")), show=_show(out))
    except TemplateError:
        if kind.endswith("!"):
            raise
    return template.execute(as_read(one), strict=True, show=_show(out))


def rendering(
    out: Output, format: str, type: str, *, name: str = "", lead: str = "", syntax: str = _SYNTAX
) -> Callable[[Any], str]:
    """What makes the text of one document after another (`version`, `info`, events). It raises TemplateError.

    `type` is the Go type of docker's document, `name` of the template; `lead` stands before a message, `syntax` before
    one about a template that is none.
    Raises: TemplateSyntaxError.
    """
    template = parsed(format, name=name, syntax=syntax)

    def render(value: Mapping[str, Any]) -> str:
        try:
            return _finished(_rendered(template, value, type, out))
        except TemplateError as fault:
            raise _own(fault, lead) from None

    return render


def _rendered(template: Template, value: Mapping[str, Any], type: str, out: Output) -> str:
    from wherry.cli.gotypes import known

    as_struct = known(value, type)
    if as_struct is None:
        return template.execute(record(value, type), show=_show(out))
    try:
        return template.execute(as_struct, show=_show(out))
    except TemplateError as fault:
        try:
            # What docker's types have not: keys of our own, and the names as JSON has them
            return template.execute(record(value, type), strict=True, show=_show(out))
        except TemplateError:
            raise fault from None


# What reaches a terminal


def _show(out: Output) -> Any:
    """A name or a label from an image must not steer a terminal; the template's own text may."""
    if not out.is_terminal:
        return None
    from wherry.cli.render import plain

    return lambda text: "\n".join(map(plain, text.split("\n")))


def _finished(text: str) -> str:
    """Bytes that are no UTF-8, cut in half by a template, are shown as docker's terminal would show them."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
