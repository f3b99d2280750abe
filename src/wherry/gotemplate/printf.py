"""Go's Printf: verbs, flags, widths, argument numbers, and what it writes when they do not fit.

Spec: https://pkg.go.dev/fmt@go1.24.4#hdr-Printing
"""

from __future__ import annotations

import re
from math import isfinite

from wherry.gotemplate.functions import FunctionFault
from wherry.gotemplate.lexer import code_point, quoted
from wherry.gotemplate.printing import POINTER, go_float, go_syntax, is_address, shown, sorted_items
from wherry.gotemplate.values import ABSENT, Duration, NilPointer, Struct, Time, kind_of, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["printf"]

_LARGEST = 16 << 20
_WIDEST = 1_000_000  # Go's own limit of a width and a precision


class _Spec(NamedTuple):
    """One verb as it stands there. `width` and `precision` are None when they are not given."""

    verb: str = "v"
    flags: str = ""
    width: int | None = None
    precision: int | None = None

    def has(self, flag: str) -> bool:
        return flag in self.flags


def printf(format: str, values: Sequence[Any]) -> str:
    """Raises: FunctionFault for a text beyond all bounds."""
    run = _Run(format, values)
    return run.text()


class _Run:
    def __init__(self, format: str, values: Sequence[Any]) -> None:
        self.format, self.values = format, values
        self.pos, self.arg = 0, 0
        self.numbered = self.is_bad = self.reordered = False
        self.after_index = False

    def text(self) -> str:
        out: list[str] = []
        size = 0
        while self.pos < len(self.format):
            percent = self.format.find("%", self.pos)
            end = len(self.format) if percent < 0 else percent
            out.append(self.format[self.pos : end])
            self.pos = end
            if percent >= 0:
                self.pos += 1
                out.append(self.one())
            size += len(out[-1])
            if size > _LARGEST:
                raise FunctionFault(f"longer than {_LARGEST} characters")
        if not self.reordered and self.arg < len(self.values):
            out.append(self.extra())
        return "".join(out)

    def extra(self) -> str:
        shown_ones = [
            "<nil>" if one is None or one is ABSENT else f"{type_name(one)}={shown(one)}"
            for one in self.values[self.arg :]
        ]
        return f"%!(EXTRA {', '.join(shown_ones)})"

    def peek(self) -> str:
        return self.format[self.pos : self.pos + 1]

    def one(self) -> str:
        """Behind the percent sign."""
        self.is_bad = False
        flags = ""
        while self.peek() and self.peek() in "#0+- ":
            flags += self.peek()
            self.pos += 1
        self.index()
        out = ""
        width = self.star_or_number()
        if width is _BAD:
            out, width = "%!(BADWIDTH)", None
        if isinstance(width, int) and width < 0:
            flags, width = flags + "-", -width
        precision = self.precision()
        if precision is _BAD:
            out, precision = out + "%!(BADPREC)", None
        if not self.after_index:
            self.index()
        verb = self.peek()
        self.pos += 1
        if not verb:
            return out + "%!(NOVERB)"
        assert not isinstance(width, _Bad)
        assert not isinstance(precision, _Bad)
        return out + self.shown(_Spec(verb, flags, width, precision))

    def precision(self) -> int | _Bad | None:
        if self.peek() != ".":
            return None
        self.pos += 1
        if self.after_index:
            self.is_bad = True
        self.index()
        found = self.star_or_number()
        if isinstance(found, int) and found < 0:
            return _BAD
        return 0 if found is None else found

    def shown(self, spec: _Spec) -> str:
        if spec.verb == "%":
            return "%"
        if self.is_bad:
            return f"%!{spec.verb}(BADINDEX)"
        if self.arg >= len(self.values):
            return f"%!{spec.verb}(MISSING)"
        value = self.values[self.arg]
        self.arg += 1
        return _formatted(spec, value)

    def index(self) -> None:
        """[n]: the number of the argument that comes next."""
        self.after_index = False
        if self.peek() != "[":
            return
        self.reordered = True
        end = self.format.find("]", self.pos)
        if end < 0:
            self.is_bad = True
            self.pos += 1
            return
        text = self.format[self.pos + 1 : end]
        self.pos = end + 1
        number = int(text) if re.fullmatch(r"[0-9]{1,7}", text) else 0
        if 1 <= number <= len(self.values):
            self.arg, self.after_index = number - 1, True
        else:
            self.is_bad = True

    def star_or_number(self) -> int | _Bad | None:
        if self.peek() == "*":
            self.pos += 1
            self.after_index = False
            value = self.values[self.arg] if self.arg < len(self.values) else None
            self.arg += self.arg < len(self.values)
            is_fit = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _WIDEST
            return int(value or 0) if is_fit else _BAD
        match = re.compile(r"[0-9]*").match(self.format, self.pos)
        digits = match[0] if match else ""
        if digits and self.after_index:
            self.is_bad = True
        self.pos += len(digits)
        if not digits:
            return None
        return int(digits) if len(digits) < 8 and int(digits) <= _WIDEST else None


class _Bad:
    pass


_BAD = _Bad()


def _pad(spec: _Spec, text: str) -> str:
    width = spec.width or 0
    if spec.has("-"):
        return text.ljust(width)
    return text.rjust(width)


def _zeros(spec: _Spec, text: str) -> str:
    """Padded with zeros behind the sign where the 0 flag says so."""
    if not spec.has("0") or spec.has("-") or not spec.width:
        return _pad(spec, text)
    sign = text[0] if text[:1] in ("+", "-", " ") else ""
    return sign + text[len(sign) :].rjust(spec.width - len(sign), "0")


def _formatted(spec: _Spec, value: Any) -> str:
    verb = spec.verb
    if verb == "v" and spec.has("+"):
        spec = spec._replace(flags=spec.flags.replace("+", "n"))  # names of fields, no signs
    if value is None or value is ABSENT:
        return _pad(spec, "<nil>") if verb in "Tv" else f"%!{verb}(<nil>)"
    if verb == "T":
        return _text(spec._replace(verb="s"), type_name(value))
    if verb == "v" and spec.has("#"):
        return _pad(spec, go_syntax(value))
    if isinstance(value, Time | Duration) and verb in "vsxXq":
        return _text(spec, value.__str__())
    kind = kind_of(value)
    if kind in _SIMPLE:
        return _SIMPLE[kind](spec, value)
    return _composite(spec, value)


def _bad(spec: _Spec, value: Any) -> str:
    return f"%!{spec.verb}({type_name(value)}={_formatted(spec._replace(verb='v'), value)})"


def _composite(spec: _Spec, value: Any) -> str:
    """A list's, a map's or a struct's elements, each by the verb."""
    if isinstance(value, NilPointer):
        return _pad(spec, "<nil>") if spec.verb == "v" else f"%!{spec.verb}({type_name(value)}=<nil>)"
    if spec.verb == "p":
        return POINTER
    if isinstance(value, Struct):
        inner = " ".join((f"{name}:" if spec.has("n") else "") + _member(spec, value, name) for name in value.fields)
        return f"{'&' * value.is_pointer}{{{inner}}}"
    if isinstance(value, dict):
        inner = " ".join(f"{_inner(spec, key)}:{_inner(spec, one)}" for key, one in sorted_items(value))
        return f"map[{inner}]"
    return f"[{' '.join(_inner(spec, one) for one in value)}]"


def _member(spec: _Spec, value: Struct, name: str) -> str:
    return POINTER if is_address(value, name) else _inner(spec, value.fields[name])


def _inner(spec: _Spec, value: Any) -> str:
    if isinstance(value, Struct) and value.is_pointer:
        return POINTER
    return "<nil>" if value is None else _formatted(spec, value)


def _bool(spec: _Spec, value: bool) -> str:
    return _pad(spec, "true" if value else "false") if spec.verb in "tv" else _bad(spec, value)


def _text(spec: _Spec, value: str) -> str:
    text = str(value)
    if spec.precision is not None and spec.verb != "q" and spec.verb not in "xX":
        text = text[: spec.precision]
    if spec.verb in "vs":
        return _zero_text(spec, text)
    if spec.verb in "xX":
        data = text.encode("utf-8", "surrogateescape")[: spec.precision]
        separator = " " if spec.has(" ") else ""
        lead = "0x" if spec.has("#") else ""
        joined = separator.join(lead + f"{byte:02x}" if separator or not i else f"{byte:02x}"
                                for i, byte in enumerate(data))  # fmt: skip
        return _pad(spec, joined.upper() if spec.verb == "X" else joined)
    if spec.verb == "q":
        text = text if spec.precision is None else text[: spec.precision]
        if spec.has("#") and "`" not in text and text.replace("\t", "").isprintable():
            return _pad(spec, f"`{text}`")
        shown_text = quoted(text)
        if spec.has("+"):
            shown_text = "".join(
                char if ord(char) < 128 else (f"\\u{ord(char):04x}" if ord(char) < 65536 else f"\\U{ord(char):08x}")
                for char in shown_text
            )
        return _pad(spec, shown_text)
    return _bad(spec, value)


def _zero_text(spec: _Spec, text: str) -> str:
    if spec.has("0") and not spec.has("-") and spec.width:
        return text.rjust(spec.width, "0")
    return _pad(spec, text)


_BASES = {"d": "d", "v": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}
_LEADS = {"b": "0b", "o": "0", "x": "0x", "X": "0X"}


def _integer(spec: _Spec, value: int) -> str:
    value, verb = int(value), spec.verb
    if verb in _BASES:
        digits = format(abs(value), _BASES[verb])
        if spec.precision is not None:
            digits = "" if spec.precision == 0 and value == 0 else digits.rjust(spec.precision, "0")
        lead = "0o" if verb == "O" else _LEADS.get(verb, "") if spec.has("#") else ""
        sign = "-" if value < 0 else "+" if spec.has("+") else " " if spec.has(" ") else ""
        if spec.has("0") and not spec.has("-") and spec.width and spec.precision is None:
            digits = digits.rjust(spec.width - len(sign), "0")
        return _pad(spec, sign + lead + digits)
    if verb in "cqU":
        return _character(spec, value)
    return _bad(spec, value)


def _character(spec: _Spec, value: int) -> str:
    is_valid = 0 <= value <= 0x10FFFF and not 0xD800 <= value < 0xE000
    char = chr(value) if is_valid else "\ufffd"
    if spec.verb == "c":
        return _pad(spec, char)
    if spec.verb == "q":
        inner = "\\'" if char == "'" else '"' if char == '"' else quoted(char)[1:-1]
        return _pad(spec, f"'{inner}'")
    if not is_valid:
        return _pad(spec, f"U+{value & 0xFFFFFFFFFFFFFFFF:04X}")
    return _pad(spec, code_point(char) if spec.has("#") else f"U+{value:04X}")


def _float(spec: _Spec, value: float) -> str:
    verb = spec.verb
    if verb not in "vgGeEfFxX":
        return _bad(spec, value)
    if not isfinite(value):
        text = go_float(value).removeprefix("+")
        spec = spec._replace(flags=spec.flags.replace("0", ""))
    elif verb in "xX":
        text = _hexadecimal(value) if verb == "x" else _hexadecimal(value).upper()
    elif verb in "vg" and spec.precision is None:
        text = go_float(value)
    elif verb == "G" and spec.precision is None:
        text = go_float(value).upper()
    else:
        text = format(value, f".{6 if spec.precision is None else spec.precision}{'g' if verb == 'v' else verb}")
    if text[0] != "-" and (spec.has("+") or spec.has(" ")):
        text = ("+" if spec.has("+") else " ") + text
    return _zeros(spec, text)


def _hexadecimal(value: float) -> str:
    mantissa, _, exponent = value.hex().partition("p")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}p{exponent[0]}{exponent[1:]:0>2}"


_SIMPLE: dict[str, Callable[[_Spec, Any], str]] = {
    "bool": _bool, "string": _text, "int": _integer, "float": _float,
}  # fmt: skip
