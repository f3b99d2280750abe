"""Plain values to JSON, byte for byte as Go's encoder writes them. Mappings are written in their own order."""

from __future__ import annotations

from wherry.compose.go_values import format_float
from wherry.lean_json import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["compact", "indented"]

_HTML = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def compact(value: Any) -> str:
    """Give the document on one line, as it is hashed."""
    parts: list[str] = []
    _write(value, parts, None)
    return _escaped("".join(parts))


def indented(value: Any) -> str:
    """Give the document with an indent of two, without a newline at the end."""
    parts: list[str] = []
    _write(value, parts, "\n")
    return _escaped("".join(parts))


def _escaped(text: str) -> str:
    """HTML's characters stand in strings only."""
    return text.translate(_HTML) if any(each in text for each in "<>&\u2028\u2029") else text


def _write(value: Any, parts: list[str], line: str | None) -> None:
    if isinstance(value, str):
        parts.append(quote(value))
    elif isinstance(value, dict):
        _write_items(value.items(), parts, line, "{}")
    elif isinstance(value, list | tuple):
        _write_items([(None, entry) for entry in value], parts, line, "[]")
    else:
        parts.append(_number(value))


def _write_items(items: Any, parts: list[str], line: str | None, brackets: str) -> None:
    if not items:
        parts.append(brackets)
        return
    inner = None if line is None else f"{line}  "
    lead = brackets[0] + (inner or "")
    colon = ":" if line is None else ": "
    for key, entry in items:
        parts.append(lead if key is None else f"{lead}{quote(key)}{colon}")
        _write(entry, parts, inner)
        lead = f",{inner or ''}"
    parts.append((line or "") + brackets[1])


def _number(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = format_float(value, small=-6, large=21)
    return text.replace("e-0", "e-")
