"""Plain values to YAML, byte for byte as go-yaml writes them: block style, an indent of two, sequences indented.

Mappings are written in their own order: who wants them sorted sorts them.
"""

from __future__ import annotations

import re
from math import isfinite

from wherry.compose.go_values import format_float
from wherry.compose.scalars import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["emit", "scalar"]

_SAFE = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@%+=,;~^()*$<>|!?&-]*(?: [A-Za-z0-9_./@%+=,;~^()*$<>|!?&-]+)*", re.ASCII)
"""Text that is plain wherever it stands, unless it is one of _WORDS."""
_WORDS = frozenset({
    "true", "True", "TRUE", "false", "False", "FALSE", "null", "Null", "NULL", "y", "Y", "yes", "Yes", "YES",
    "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF",
})  # fmt: skip
_SPECIAL = frozenset({
    "~", ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF",
})  # fmt: skip
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_INT = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|[1-9][0-9]*|0)", re.ASCII)
_BASE60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", re.ASCII)
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:(?:[Tt]| )([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})([.,][0-9]+)?"
    r"(Z|[-+][0-9]{2}:[0-9]{2})?)?",
    re.ASCII,
)
_SHORT = {
    "\0": "0", "\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r", "\x1b": "e",
    '"': '"', "\\": "\\", "\x85": "N", "\xa0": "_", "\u2028": "L", "\u2029": "P",
}  # fmt: skip
_BREAK = re.compile("[\u2028\u2029]+")
_SPACED_BREAK = re.compile(" [\u2028\u2029]|[\u2028\u2029] ")
_FIRST = frozenset("#,[]{}&*!|>'\"%@`")


def emit(value: Mapping[str, Any]) -> str:
    """Give a document: a mapping of plain values (dict, list, str, int, float, bool, None)."""
    if not value:
        return "{}\n"
    lines: list[str] = []
    _mapping(value, "", lines, "")
    return "\n".join(lines) + "\n"


def _mapping(value: Mapping[str, Any], indent: str, lines: list[str], lead: str) -> None:
    """Write entries at `indent`; the first one behind `lead` (a dash) instead of the indent."""
    for key, entry in value.items():
        start = lead or indent
        lead = ""
        kind = type(entry)
        name = _key(key, indent)
        if kind is str:
            lines.append(f"{start}{name} {scalar(entry, indent)}")
        elif isinstance(entry, dict):
            if entry:
                lines.append(f"{start}{name}")
                _mapping(entry, f"{indent}  ", lines, "")
            else:
                lines.append(f"{start}{name} {{}}")
        elif isinstance(entry, list | tuple):
            if entry:
                lines.append(f"{start}{name}")
                _sequence(entry, f"{indent}  ", lines, "")
            else:
                lines.append(f"{start}{name} []")
        else:
            lines.append(f"{start}{name} {scalar(entry, indent)}")


def _sequence(value: Sequence[Any], indent: str, lines: list[str], lead: str) -> None:
    for entry in value:
        start = f"{lead or indent}- "
        lead = ""
        if isinstance(entry, dict) and entry:
            _mapping(entry, f"{indent}  ", lines, start)
        elif isinstance(entry, list | tuple) and entry:
            _sequence(entry, f"{indent}  ", lines, start)
        elif isinstance(entry, dict):
            lines.append(f"{start}{{}}")
        elif isinstance(entry, list | tuple):
            lines.append(f"{start}[]")
        else:
            lines.append(f"{start}{scalar(entry, indent)}")


def _key(key: str, indent: str) -> str:
    if _SAFE.fullmatch(key) and key not in _WORDS and len(key) <= 128:
        return f"{key}:"
    text = _text(key, indent, is_key=True)
    # A long key is no "simple key": YAML wants it marked
    return f"? {text}\n{indent}:" if len(key.encode()) > 128 else f"{text}:"


def scalar(value: Any, indent: str = "") -> str:
    """Give a scalar as it stands behind `key: ` or `- ` at `indent` (block text goes on below it)."""
    if isinstance(value, str):
        if isinstance(value, Timestamp):
            return value
        if _SAFE.fullmatch(value) and value not in _WORDS:
            return value
        return _text(value, indent)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return _float(value)


def _float(value: float) -> str:
    text = format_float(value)
    return {"NaN": ".nan", "+Inf": ".inf", "-Inf": "-.inf"}.get(text, text)


def _text(value: str, indent: str, *, is_key: bool = False) -> str:
    if "\n" in value and not is_key:
        return _literal(value, indent) if _can_be_block(value) else _double(value)
    if "\n" in value or _means_something(value):
        return _double(value)
    if not value:
        return '""'
    if not _is_clean(value):
        return _double(value)
    if _BREAK.search(value):
        return _broken(value, indent)
    return value if _can_be_plain(value) else "'" + value.replace("'", "''") + "'"


def _broken(value: str, indent: str) -> str:
    """Unicode's line breaks end a line: what comes behind them is indented."""
    text = _BREAK.sub(lambda match: match[0] + f"{indent}  " * (match.end() < len(value)), value)
    return "'" + text.replace("'", "''") + "'"


def _means_something(value: str) -> bool:
    """Whether a reader would take plain `value` for something else than text."""
    if value in _WORDS or value in _SPECIAL or not value:
        return True
    first = value[0]
    if first == ".":
        return _is_float(value)
    if first not in "+-0123456789":
        return False
    plain = value.replace("_", "")
    if _is_float(plain) or (_INT.fullmatch(plain) and _fits(plain)) or _BASE60.fullmatch(value):
        return True
    return _is_time(value)


def _is_float(plain: str) -> bool:
    return bool(_FLOAT.fullmatch(plain)) and isfinite(float(plain))


def _fits(plain: str) -> bool:
    """Whether digits of base 2, 8 or 16 are a number of 64 bits; others are a float at least, and came before."""
    digits = plain.lstrip("+-").lower()
    base = {"0x": 16, "0b": 2}.get(digits[:2], 8 if digits[0] == "0" else 10)
    value = int(digits.removeprefix("0x").removeprefix("0b").removeprefix("0o"), base)
    return value <= (1 << 63) if plain[0] == "-" else value < (1 << 64)


def _is_time(value: str) -> bool:
    match = _TIME.fullmatch(value)
    if not match or (match[8] is None and match[4] is not None and " " not in value):
        return False
    if " " in value and match[8] is not None:
        return False
    from calendar import monthrange

    year, month, day = int(match[1]), int(match[2]), int(match[3])
    if not 1 <= month <= 12 or not 1 <= day <= (monthrange(year, month)[1] if year else 31):
        return False
    return match[4] is None or (int(match[4]) < 24 and int(match[5]) < 60 and int(match[6]) < 60)


def _is_printable(character: str) -> bool:
    code = ord(character)
    return 0x20 <= code <= 0x7E or code == 0x0A or (0xA0 <= code <= 0xFFFD and code != 0xFEFF)


def _is_clean(value: str) -> bool:
    """Whether single quotes may hold it: printable, no tabs or breaks."""
    if value.isascii():
        return value.isprintable()
    return all(map(_is_printable, value)) and not _SPACED_BREAK.search(value)


def _can_be_plain(value: str) -> bool:
    first = value[0]
    if first == " " or value[-1] == " " or first in _FIRST or value.startswith(("---", "...")):
        return False
    if first in "?:-" and (len(value) == 1 or value[1] in " \t"):
        return False
    return ": " not in value and " #" not in value and not value.endswith(":")


def _can_be_block(value: str) -> bool:
    if value[-1] == " " or " \n" in value:
        return False
    return all(_is_printable(character) or character == "\t" for character in value)


def _literal(value: str, indent: str) -> str:
    hint = "2" if value[0] in " \n" else ""
    chomp = "-"
    if value.endswith("\n"):
        chomp = "+" if value == "\n" or value.endswith("\n\n") else ""
    body = value.removesuffix("\n") if chomp != "-" else value
    inner = f"{indent}  "
    text = "\n".join(f"{inner}{line}" if line else "" for line in body.split("\n"))
    # go-yaml takes a line break at the start for the one behind the bar
    return f"|{hint}{chomp}{'' if value[0] == chr(10) else chr(10)}{text}"


def _double(value: str) -> str:
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(character: str) -> str:
    if character in _SHORT:
        return f"\\{_SHORT[character]}"
    if _is_printable(character):
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
