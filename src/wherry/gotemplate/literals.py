"""Go's literals as they stand in a template: strings, characters, numbers.

Spec: https://go.dev/ref/spec#Lexical_elements
"""

from __future__ import annotations

from math import isfinite

from wherry.gotemplate.lexer import quoted

__all__ = ["number", "unquote"]

_ESCAPE = r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.?))"
_PLAIN = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_INT = r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)"
_DECIMAL = r"[0-9](?:_?[0-9])*"
_FLOAT = rf"[+-]?(?:{_DECIMAL}\.?(?:{_DECIMAL})?|\.{_DECIMAL})(?:[eE][+-]?{_DECIMAL})?"
_HEX_FLOAT = r"[+-]?0[xX][0-9a-fA-F_]*\.?[0-9a-fA-F_]*[pP][+-]?[0-9]+"


def unquote(text: str) -> str:
    """Of a whole literal in double or back quotes. Raises: ValueError."""
    if text[0] == "`":
        return text[1:-1].replace("\r", "")
    return _unescaped(text[1:-1], text[0])


def _unescaped(body: str, quote: str) -> str:
    if "\\" not in body:
        return body
    import re  # costs more than most templates: only for those that need it

    out = bytearray()
    at = 0
    for match in re.finditer(_ESCAPE, body, re.DOTALL):
        out += body[at : match.start()].encode("utf-8", "surrogateescape")
        at = match.end()
        plain, byte, short, long, octal, _ = match.groups()
        if plain and plain in "'\"" and plain != quote:
            raise ValueError("invalid syntax")
        if plain:
            out += _PLAIN.get(plain, plain).encode()
        elif byte or octal:
            code = int(byte, 16) if byte else int(octal, 8)
            if code > 255:
                raise ValueError("invalid syntax")
            out.append(code)
        elif short or long:
            code = int(short or long, 16)
            if code > 0x10FFFF or 0xD800 <= code < 0xE000:
                raise ValueError("invalid syntax")
            out += chr(code).encode()
        else:
            raise ValueError("invalid syntax")
    out += body[at:].encode("utf-8", "surrogateescape")
    return out.decode("utf-8", "surrogateescape")


def number(text: str) -> int | float:
    """Of an integer, a float or a character in single quotes. Raises: ValueError with Go's words."""
    if text[0] == "'":
        try:
            value = _unescaped(text[1:-1], "'")
        except ValueError:
            value = ""
        if not value:
            raise ValueError("invalid syntax")
        if len(value) != 1:
            raise ValueError(f"malformed character constant: {text}")
        return ord(value)
    if text == "0" or (text.isdecimal() and text.isascii() and text[0] != "0"):
        return _integer(text)
    import re

    if re.fullmatch(_INT, text):
        return _integer(text)
    if re.fullmatch(_HEX_FLOAT, text):
        try:
            return float.fromhex(text.replace("_", ""))
        except (ValueError, OverflowError):
            raise ValueError(f"illegal number syntax: {quoted(text)}") from None
    if re.fullmatch(_FLOAT, text):
        if not set(text) & set(".eE"):
            raise ValueError(f"integer overflow: {quoted(text)}")
        if isfinite(found := float(text.replace("_", ""))):
            return found
    # Differs from docker: complex numbers are refused; no field of docker's is one
    raise ValueError(f"illegal number syntax: {quoted(text)}")


def _integer(text: str) -> int:
    digits = text.replace("_", "").lstrip("+-")
    if len(digits) > 80:
        raise ValueError(f"integer overflow: {quoted(text)}")
    octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    value = int(digits, 8 if octal else 0) * (-1 if text[0] == "-" else 1)
    if not -(1 << 63) <= value < 1 << 64:
        raise ValueError(f"integer overflow: {quoted(text)}")
    return value
