"""One record of comma-separated fields, as docker's flags read it (RFC 4180). Pure.

Python's own csv module reads what docker refuses (`src=/a"b`) and says other things.
"""

from __future__ import annotations

from wherry.errors import InputError

__all__ = ["record"]


def record(text: str) -> list[str]:
    """The fields of one line; quotes around a field are taken off. Raises: InputError in docker's words."""
    if not text:
        raise InputError("EOF")
    found, at = [], 0
    while True:
        if text.startswith('"', at):
            field, at = _quoted(text, at)
        else:
            end = text.find(",", at)
            field = text[at:] if end < 0 else text[at:end]
            if '"' in field:
                raise _fault(text, at + field.index('"'), 'bare " in non-quoted-field')
            at += len(field)
        found.append(field)
        if at == len(text):
            return found
        at += 1


def _quoted(text: str, start: int) -> tuple[str, int]:
    """(the field, where it ends: at a comma or the end)."""
    parts, at = [], start + 1
    while (end := text.find('"', at)) >= 0:
        parts.append(text[at:end])
        if text.startswith('""', end):
            parts.append('"')
            at = end + 2
            continue
        if end + 1 < len(text) and text[end + 1] != ",":
            raise _fault(text, end, 'extraneous or missing " in quoted-field')
        return "".join(parts), end + 1
    raise _fault(text, len(text), 'extraneous or missing " in quoted-field')


def _fault(text: str, at: int, what: str) -> InputError:
    """Columns count bytes from 1, as docker's do."""
    column = len(text[:at].encode("utf-8", "surrogateescape")) + 1
    return InputError(f"parse error on line 1, column {column}: {what}")
