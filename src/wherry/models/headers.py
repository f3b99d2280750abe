"""What the headers of weights say: tensors, parameters, precision. Only the header is read, however large the file.

Spec: https://github.com/huggingface/safetensors/blob/v0.6.2/README.md#format and
https://github.com/ggml-org/ggml/blob/v0.9.4/docs/gguf.md. A header is somebody's file: every length in it is checked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeGuard

from wherry.errors import InvalidSpec
from wherry.models.gguf import read_gguf

__all__ = ["Facts", "count_text", "merged", "read_facts"]

ReadAt = Callable[[int, int], bytes]
"""`read_at(offset, count)`: up to `count` bytes from there on."""

_MOST_HEADER_BYTES = 100_000_000  # safetensors' own limit
_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6,
    "F6_E3M2": 6, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8,
    "C64": 64,
}  # fmt: skip
_PRECISIONS = {"F64": "fp64", "F32": "fp32", "F16": "fp16", "BF16": "bf16", "I8": "int8", "U8": "uint8", "F4": "fp4"}


class Facts(NamedTuple):
    """Of one file, or of all of a model. `dtypes`: how many parameters each type holds, as the format names it."""

    format: str
    tensors: int = 0
    parameters: int = 0
    dtypes: Mapping[str, int] = {}
    name: str = ""
    family: str = ""
    license: str = ""
    quantization: str = ""

    @property
    def precision(self) -> str:
        """As ModelPack writes it: "bf16", "mixed" when no type holds nine tenths; "" when nothing is known."""
        if not self.parameters or not self.dtypes:
            return ""
        most = max(self.dtypes, key=lambda name: (self.dtypes[name], name))
        if self.dtypes[most] * 10 < self.parameters * 9:
            return "mixed"
        return _PRECISIONS.get(most, "fp8" if most.startswith("F8") else most.lower())


def read_facts(path: str, size: int, read_at: ReadAt) -> Facts | None:
    """None for a format without such a header. `path` is for messages. Raises: InvalidSpec for a broken header."""
    start = read_at(0, 16)
    if start[:4] == b"GGUF":
        found = read_gguf(path, size, read_at)
        return Facts(
            "gguf", found.tensors, sum(found.dtypes.values()), found.dtypes, found.text("general.name"),
            found.text("general.architecture"), found.text("general.license"), found.quantization,
        )  # fmt: skip
    if path.lower().endswith(".safetensors"):
        return _safetensors(path, size, start, read_at)
    return None


def _safetensors(path: str, size: int, start: bytes, read_at: ReadAt) -> Facts:
    length = int.from_bytes(start[:8], "little")
    if len(start) < 9 or length > min(size - 8, _MOST_HEADER_BYTES):
        raise InvalidSpec(f"{path}: not safetensors: its header would be {length} bytes of {size}")
    try:
        header = json.loads(read_at(8, length))
    except (ValueError, RecursionError) as fault:
        raise InvalidSpec(f"{path}: its safetensors header is not JSON: {fault}") from None
    if not isinstance(header, dict):
        raise InvalidSpec(f"{path}: its safetensors header is no object")
    more = header.pop("__metadata__", None)
    dtypes: dict[str, int] = {}
    for name, tensor in header.items():
        dtype, count = _tensor(path, name, tensor, size - 8 - length)
        dtypes[dtype] = dtypes.get(dtype, 0) + count
    said = more if isinstance(more, dict) else {}
    license = said.get("license")
    return Facts(
        "safetensors", len(header), sum(dtypes.values()), dtypes, license=license if isinstance(license, str) else ""
    )


def _tensor(path: str, name: str, tensor: object, room: int) -> tuple[str, int]:
    """(type, how many numbers). Raises: InvalidSpec, also when the file is cut off before the tensor's end."""
    at = f"{path}: tensor {name[:80]!r}"
    if not isinstance(tensor, dict):
        raise InvalidSpec(f"{at} is no object")
    dtype, shape, offsets = tensor.get("dtype"), tensor.get("shape"), tensor.get("data_offsets")
    if not isinstance(dtype, str) or not _naturals(shape) or not _naturals(offsets) or len(offsets) != 2:
        raise InvalidSpec(f"{at} has no dtype, shape and data_offsets")
    count = math.prod(shape)
    if offsets[0] > offsets[1] or (dtype in _BITS and (count * _BITS[dtype] + 7) // 8 != offsets[1] - offsets[0]):
        raise InvalidSpec(f"{at}: its bytes do not fit its shape")
    if offsets[1] > room:
        raise InvalidSpec(f"{at} ends behind the end of the file", hint="the download was cut off: fetch it again")
    return dtype, count


def _naturals(value: object) -> TypeGuard[list[int]]:
    return (
        isinstance(value, list) and len(value) <= 16 and all(type(one) is int and 0 <= one < 1 << 62 for one in value)
    )


def merged(parts: list[Facts]) -> Facts | None:
    """What the files of one model say together; the first that says a word counts. None of none."""
    if not parts:
        return None
    dtypes: dict[str, int] = {}
    for part in parts:
        for name, count in part.dtypes.items():
            dtypes[name] = dtypes.get(name, 0) + count
    formats = {part.format for part in parts}

    def first(field: str) -> str:
        return next((text for part in parts if (text := getattr(part, field))), "")

    return Facts(
        formats.pop() if len(formats) == 1 else "", sum(part.tensors for part in parts),
        sum(part.parameters for part in parts), dtypes, first("name"), first("family"), first("license"),
        first("quantization"),
    )  # fmt: skip


def count_text(count: int) -> str:
    """A number of parameters as ModelPack's paramSize writes it: "1.5B", "135M"; "" for none."""
    for prefix, scale in (("Q", 10**15), ("T", 10**12), ("B", 10**9), ("M", 10**6), ("K", 10**3)):
        if count >= scale or (prefix == "K" and count >= 100):
            text = f"{count / scale:.1f}"
            return text.removesuffix(".0") + prefix
    return ""
