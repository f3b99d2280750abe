"""JSON as `json` reads and writes it, at a tenth of its import: the C halves of it, without `re` and `enum`.

`loads` and `dumps` answer as json's do, byte for byte, and fail with json's own errors: whatever is not plain goes to
`json` itself. docs/adr/0240-lean-starts.md.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, BinaryIO, TextIO

quote: Any
"""A text in quotes, letters beyond ASCII as they are."""
_quote_ascii: Any
_encoder: Any
_scanner: Any
try:
    from _json import encode_basestring as quote
    from _json import encode_basestring_ascii as _quote_ascii
    from _json import make_encoder as _encoder
    from _json import make_scanner as _scanner
except ImportError:  # an interpreter without them
    from json.encoder import encode_basestring as quote

    _encoder = _scanner = None

__all__ = ["Decoder", "dump", "dumps", "load", "loads", "quote"]

_SPACE = " \t\n\r"
_CONSTANTS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


class Decoder:
    """json.JSONDecoder. `parse_constant` is given NaN, Infinity or -Infinity; a ValueError of its is raised."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int

    def __init__(self, parse_constant: Callable[[str], object]) -> None:
        self.parse_constant = parse_constant
        self.memo: dict[str, str] = {}
        self._scan = _scanner(self) if _scanner else None

    def decode(self, text: str) -> Any:
        """Raises: json.JSONDecodeError (a ValueError), RecursionError."""
        if self._scan and text:
            start = 0 if text[0] not in _SPACE else len(text) - len(text.lstrip(_SPACE))
            try:
                value, end = self._scan(text, start)
            except (StopIteration, ValueError):
                pass
            else:
                if end == len(text) or not text[end:].strip(_SPACE):
                    return value
        import json

        return json.JSONDecoder(parse_constant=self.parse_constant).decode(text)


_PLAIN = Decoder(_CONSTANTS.__getitem__)


def loads(text: str | bytes | bytearray) -> Any:
    """Raises: json.JSONDecodeError (a ValueError), UnicodeDecodeError."""
    if isinstance(text, (bytes, bytearray)):
        head = text[:4]
        if len(head) == 4 and head.isascii() and 0 not in head:
            return _PLAIN.decode(text.decode("utf-8", "surrogatepass"))
    elif isinstance(text, str) and not text.startswith("\ufeff"):
        return _PLAIN.decode(text)
    # A byte order mark, another encoding, no text at all
    import json

    return json.loads(text)


def load(file: BinaryIO | TextIO) -> Any:
    """All of a file. Raises: as `loads`."""
    return loads(file.read())


def dumps(
    value: object,
    *,
    ensure_ascii: bool = True,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
    indent: int | str | None = None,
) -> str:
    """Raises: TypeError, ValueError."""
    if _encoder is None or indent is not None:
        import json

        return json.dumps(
            value, ensure_ascii=ensure_ascii, separators=separators, sort_keys=sort_keys, indent=indent
        )  # fmt: skip
    between, after_key = separators or (", ", ": ")
    quotes = _quote_ascii if ensure_ascii else quote
    return "".join(_encoder({}, _refuse, quotes, None, after_key, between, sort_keys, False, True)(value, 0))


def dump(value: object, file: TextIO) -> None:
    """Raises: as `dumps`, OSError."""
    file.write(dumps(value))


def _refuse(value: object) -> None:
    raise TypeError(f"Object of type {value.__class__.__name__} is not JSON serializable")
