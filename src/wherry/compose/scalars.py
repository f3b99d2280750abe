"""What a YAML scalar means: YAML 1.2's core schema with the 1.1 forms that docker-compose's parser keeps.

`yes`, `on`, `12:30` are text; `0o17`, `017`, `0b11` and `1_000` are numbers; `~` and nothing are null.
"""

from __future__ import annotations

from math import isfinite, isnan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Timestamp", "go_text", "resolve", "tagged"]


class Timestamp(str):
    """A date or time that stood without quotes. Text as RFC 3339 writes it; `spoken` is how docker-compose prints it
    where it makes text of values (environment, labels, arguments).
    """

    __slots__ = ("spoken",)
    spoken: str


def go_text(value: Any) -> str:
    """A scalar as docker-compose makes text of it: `true`, `1e+06`, `2024-01-01 00:00:00 +0000 UTC`; null is ""."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    return value.spoken if isinstance(value, Timestamp) else str(value)


def _float_text(value: float) -> str:
    """Go's %v: the shortest digits that give the number back, with an exponent below 1e-4 and from 1e6 on."""
    if not isfinite(value):
        return "NaN" if isnan(value) else "+Inf" if value > 0 else "-Inf"
    digits, _, exponent = f"{value!r}".partition("e")
    sign, digits = ("-", digits[1:]) if digits[0] == "-" else ("", digits)
    whole, _, fraction = digits.partition(".")
    fraction = "" if fraction == "0" else fraction
    figures = (whole + fraction).lstrip("0")
    if not figures:
        return sign + "0"
    power = int(exponent or 0) + (len(whole.lstrip("0")) - 1 if whole.strip("0") else -_leading(fraction) - 1)
    if -4 <= power < 6:
        plain = format(abs(value), "f") if exponent else digits
        return sign + (plain.rstrip("0").rstrip(".") if "." in plain else plain)
    figures = figures.rstrip("0")
    mantissa = figures[0] + (f".{figures[1:]}" if len(figures) > 1 else "")
    return f"{sign}{mantissa}e{'-' if power < 0 else '+'}{abs(power):02}"


def _leading(fraction: str) -> int:
    return len(fraction) - len(fraction.lstrip("0"))


_KNOWN: dict[str, Any] = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    ".nan": float("nan"), ".NaN": float("nan"), ".NAN": float("nan"),
    ".inf": float("inf"), ".Inf": float("inf"), ".INF": float("inf"),
    "+.inf": float("inf"), "+.Inf": float("inf"), "+.INF": float("inf"),
    "-.inf": float("-inf"), "-.Inf": float("-inf"), "-.INF": float("-inf"),
}  # fmt: skip
_NUMERIC = frozenset("0123456789+-.")
_IN_NUMBERS = "0123456789+-._abcdefABCDEFxXoOtTzZ: "
"""All characters of all forms of numbers, dates and times."""


def resolve(text: str) -> Any:
    """The value of a plain scalar."""
    if text[:1] not in _NUMERIC:
        return _KNOWN.get(text, text)
    if text.isascii() and text.isdigit() and len(text) < 19 and (text[0] != "0" or text == "0"):
        return int(text)  # most numbers that there are
    if text in _KNOWN:
        return _KNOWN[text]
    whole, _, fraction = text.partition(".")
    if whole.isdigit() and fraction.isdigit() and text.isascii() and len(text) < 40:
        return float(text)
    # Most texts that are none: ./folder, -c, 8080:80
    if text.strip(_IN_NUMBERS) or not any(map(text.__contains__, "0123456789")) or (":" in text and text[4:5] != "-"):
        return text
    from wherry.compose.scalar_forms import number_or_moment

    return number_or_moment(text)


def tagged(tag: str, text: str, is_plain: bool) -> Any:
    """The value of a scalar with an explicit YAML tag, as "!!int".

    Raises:
        ValueError: the text is not of that type, in docker-compose's words.
    """
    if tag == "!!str" or not tag.startswith("!!"):
        return resolve(text) if tag == "!" and is_plain else text
    if tag == "!!binary":
        return _binary(text)
    value = resolve(text)
    kind = _kind(value)
    if tag == kind:
        return value
    if tag == "!!float" and kind == "!!int":
        return float(value)
    raise ValueError(f"cannot decode {kind} `{text}` as a {tag}")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "!!bool"
    names = {int: "!!int", float: "!!float", str: "!!str", type(None): "!!null", Timestamp: "!!timestamp"}
    return names[type(value)]


def _binary(text: str) -> str:
    from base64 import b64decode

    try:
        return b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
    except ValueError:
        raise ValueError("!!binary value contains invalid base64 data") from None
