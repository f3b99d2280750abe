"""How Go prints values: fmt's %v for a print, the verbs of Printf, and JSON as encoding/json writes it.

Spec: https://pkg.go.dev/fmt@go1.24.4
"""

from __future__ import annotations

from math import isfinite, isnan

from wherry.gotemplate.lexer import quoted
from wherry.gotemplate.values import (
    ABSENT,
    Duration,
    List,
    Map,
    NilPointer,
    Number,
    Struct,
    Time,
    kind_of,
    type_name,
    type_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

__all__ = ["POINTER", "go_float", "shown", "shown_all", "shown_lines", "sorted_items", "to_json"]

# Differs from docker: an address in a printed value is always this one; docker prints where it lies in its memory
POINTER = "0xc000000000"


def shown(value: Any, *, depth: int = 0, names: bool = False) -> str:
    """%v; `names` is %+v."""
    if value is None or value is ABSENT or isinstance(value, NilPointer):
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Time | Duration):
        return value.__str__()
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return go_float(value)
    if isinstance(value, Struct):
        return _struct(value, depth, names)
    if isinstance(value, dict):
        inner = (f"{key}:{shown(one, depth=depth + 1, names=names)}" for key, one in sorted_items(value))
        return f"map[{' '.join(inner)}]"
    if isinstance(value, list | tuple):
        return f"[{' '.join(shown(one, depth=depth + 1, names=names) for one in value)}]"
    return str(value)


def _struct(value: Struct, depth: int, names: bool) -> str:
    if value.is_pointer and depth:
        return POINTER
    inner = " ".join(
        f"{name}:{text}" if names else text
        for name, text in ((name, element(value, name, depth + 1, names)) for name in value.fields)
    )
    return f"{'&' * value.is_pointer}{{{inner}}}"


def element(value: Struct, name: str, depth: int = 1, names: bool = False) -> str:
    """A field's text where the struct is printed whole: what is behind a pointer is not followed."""
    one = value.fields[name]
    return POINTER if is_address(value, name) else shown(one, depth=depth, names=names)


def is_address(value: Struct, name: str) -> bool:
    """Whether a field is a pointer to something else than a struct, which is no value of its own here."""
    one = value.fields[name]
    if isinstance(one, Struct | NilPointer):
        return False
    return any(member.name == name and member.type.kind == "pointer" for member in value.type.members())


def go_float(value: float, *, largest: int = 6, smallest: int = -4) -> str:
    """The shortest text that means the same number; with an exponent from 1e+06 on and below 1e-04, as %v and %g."""
    if isnan(value):
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if str(value)[0] == "-" else "0"
    digits, exponent = _decimal(value)
    sign = "-" if value < 0 else ""
    if not smallest <= exponent < largest:
        point = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
        return f"{sign}{point}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    digits = digits.ljust(exponent + 1, "0")
    rest = digits[exponent + 1 :]
    return f"{sign}{digits[: exponent + 1]}{'.' * bool(rest)}{rest}"


def _decimal(value: float) -> tuple[str, int]:
    """The fewest digits that mean it, and the power of ten of the first one."""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, rest = mantissa.partition(".")
    rest = "" if rest == "0" else rest
    digits = whole + rest
    power = len(whole) - 1 + int(exponent or 0)
    stripped = digits.lstrip("0")
    power -= len(digits) - len(stripped)
    return stripped.rstrip("0") or "0", power


def sorted_items(value: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(value.items(), key=lambda item: str(item[0]).encode("utf-8", "surrogateescape"))


def shown_all(values: Sequence[Any]) -> str:
    """Sprint: a space between two operands of which neither is a string."""
    out: list[str] = []
    for i, one in enumerate(values):
        if i and not _is_string(one) and not _is_string(values[i - 1]):
            out.append(" ")
        out.append(shown(one))
    return "".join(out)


def _is_string(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Time)


def shown_lines(values: Iterable[Any]) -> str:
    """Sprintln."""
    return " ".join(map(shown, values)) + "\n"


# What JSON leaves as it is, and a terminal obeys or a Go encoder escapes
_CONTROLS = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}
_HTML = {ord(char): f"\\u{ord(char):04x}" for char in "<>&"}


def to_json(value: Any, *, html: bool = False) -> str:
    """As Go's encoder: maps by sorted keys, structs in their order; `html` escapes <, > and &, as it does unasked."""
    if value is None or value is ABSENT or isinstance(value, NilPointer):
        return "null"
    if isinstance(value, Struct):
        html = html or value.escapes
        return (
            f"{{{','.join(f'{_json_text(key, html)}:{to_json(one, html=html)}' for key, one in value.given.items())}}}"
        )
    if isinstance(value, List | Map) and value.is_nil:
        return "null"
    if isinstance(value, dict):
        inner = (f"{_json_text(str(key), html)}:{to_json(one, html=html)}" for key, one in sorted_items(value))
        return f"{{{','.join(inner)}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(to_json(one, html=html) for one in value)}]"
    if isinstance(value, Number):
        return str.__str__(value)
    if isinstance(value, str):
        return _json_text(str.__str__(value), html)
    if isinstance(value, bool):
        return "true" if value else "false"
    return _json_float(value) if isinstance(value, float) else str(int(value))


def _json_text(text: str, html: bool) -> str:
    import json  # not for those who only print names

    text = json.dumps(text, ensure_ascii=False).encode("utf-8", "replace").decode().translate(_CONTROLS)
    return text.translate(_HTML) if html else text


def _json_float(value: float) -> str:
    """Raises: ValueError for what JSON can't say."""
    if not isfinite(value):
        raise ValueError(f"json: unsupported value: {go_float(value)}")
    text = go_float(value, largest=21, smallest=-6)
    return text.replace("e-0", "e-")


def go_syntax(value: Any) -> str:
    """%#v of an element."""
    if value is None or value is ABSENT:
        return "interface {}(nil)"
    if isinstance(value, NilPointer):
        return f"({type_name(value)})(nil)"
    kind = kind_of(value)
    if kind == "string":
        return quoted(value)
    if kind == "map":
        inner = ", ".join(f"{quoted(str(key))}:{go_syntax(one)}" for key, one in sorted_items(value))
        return f"{type_of(value).name}{{{inner}}}"
    if kind == "slice":
        return f"{type_of(value).name}{{{', '.join(map(go_syntax, value))}}}"
    if isinstance(value, Struct):
        inner = ", ".join(f"{name}:{go_syntax(one)}" for name, one in value.fields.items())
        return f"{'&' * value.is_pointer}{value.type.name}{{{inner}}}"
    return str(int(value)) if isinstance(value, Duration) else shown(value)
