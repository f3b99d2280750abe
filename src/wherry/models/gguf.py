"""The header of a GGUF file: keys and values, and what its tensors are.

Spec: https://github.com/ggml-org/ggml/blob/v0.9.4/docs/gguf.md
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from struct import unpack
from typing import NamedTuple

from wherry.errors import InvalidSpec

__all__ = ["Gguf", "read_gguf"]

_MOST_HEADER_BYTES = 256 << 20
_MOST_ITEMS = 10_000_000
_READ = 1 << 20
_STRING, _ARRAY = 8, 9
_NUMBERS = {0: "B", 1: "b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "?", 10: "<Q", 11: "<q", 12: "<d"}
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K",
    12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
    20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
    29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
}  # fmt: skip
_FILE_TYPES = {
    2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L",
    14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S",
    22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M",
    30: "IQ4_XS", 31: "IQ1_M", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE",
}  # fmt: skip


class Gguf(NamedTuple):
    """`values` are the single ones of the header, no arrays; `dtypes`: how many numbers each type holds."""

    values: Mapping[str, str | int | float | bool]
    tensors: int
    dtypes: Mapping[str, int]

    def text(self, key: str) -> str:
        """A string of the header, "" when it is none."""
        value = self.values.get(key, "")
        return value if isinstance(value, str) else ""

    @property
    def quantization(self) -> str:
        """As llama.cpp calls it: "Q4_K_M"; "" for a model that is not quantised."""
        number = self.values.get("general.file_type")
        return _FILE_TYPES.get(number, "") if isinstance(number, int) else ""


def read_gguf(path: str, size: int, read_at: Callable[[int, int], bytes]) -> Gguf:
    """Raises: InvalidSpec."""
    cursor = _Cursor(path, min(size, _MOST_HEADER_BYTES), read_at)
    cursor.take(4)
    version = cursor.number(4)
    if version not in (2, 3):
        raise InvalidSpec(f"{path}: GGUF version {version} is not known", hint="versions 2 and 3 are")
    tensors, pairs = cursor.number(8), cursor.number(8)
    if tensors > _MOST_ITEMS or pairs > _MOST_ITEMS:
        raise InvalidSpec(f"{path}: a GGUF header of {tensors} tensors and {pairs} values can't be")
    values: dict[str, str | int | float | bool] = {}
    for _ in range(pairs):
        key = cursor.string()
        value = _value(cursor, cursor.number(4))
        if value is not None and len(values) < 10_000:
            values[key] = value
    dtypes: dict[str, int] = {}
    for _ in range(tensors):
        cursor.string()
        ranks = cursor.number(4)
        if ranks > 16:
            raise InvalidSpec(f"{path}: a tensor of {ranks} dimensions can't be")
        count = math.prod(cursor.number(8) for _ in range(ranks))
        kind = cursor.number(4)
        cursor.number(8)
        name = _TYPES.get(kind, f"type {kind}")
        dtypes[name] = dtypes.get(name, 0) + count
    return Gguf(values, tensors, dtypes)


def _value(cursor: _Cursor, kind: int) -> str | int | float | bool | None:
    """None for an array, which is passed over: a vocabulary is of no interest here."""
    if kind == _STRING:
        return cursor.string()
    if kind in _NUMBERS:
        found: int | float | bool = unpack(_NUMBERS[kind], cursor.take(_WIDTHS[kind]))[0]
        return found
    if kind != _ARRAY:
        raise InvalidSpec(f"{cursor.path}: GGUF has no value of the type {kind}")
    inner, count = cursor.number(4), cursor.number(8)
    if inner in _WIDTHS:
        cursor.skip(_WIDTHS[inner] * count)
    elif inner == _STRING and count <= _MOST_ITEMS:
        for _ in range(count):
            cursor.skip(cursor.number(8))
    else:
        raise InvalidSpec(f"{cursor.path}: GGUF has no array of {count} of the type {inner}")
    return None


class _Cursor:
    """Reads on and on, a megabyte at a time. Raises: InvalidSpec at the end of the file, or of what a header may be."""

    def __init__(self, path: str, size: int, read_at: Callable[[int, int], bytes]) -> None:
        self.path, self._size, self._read_at = path, size, read_at
        self._data, self._base, self._at = b"", 0, 0

    def take(self, count: int) -> bytes:
        start = self._at - self._base
        if start < 0 or start + count > len(self._data):
            if self._at + count > self._size:
                raise InvalidSpec(f"{self.path}: its GGUF header is cut off, or too long")
            self._base, start = self._at, 0
            self._data = self._read_at(self._base, max(count, _READ))
            if len(self._data) < count:
                raise InvalidSpec(f"{self.path}: its GGUF header is cut off")
        self._at += count
        return self._data[start : start + count]

    def skip(self, count: int) -> None:
        self._at += count
        if self._at > self._size:
            raise InvalidSpec(f"{self.path}: its GGUF header is cut off, or too long")

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def string(self) -> str:
        length = self.number(8)
        if length > 1 << 20:
            raise InvalidSpec(f"{self.path}: a text of {length} bytes in a GGUF header can't be")
        return self.take(length).decode("utf-8", "replace")
