"""Headers of weights: what they say, and what a broken one gets."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InvalidSpec
from wherry.models.headers import Facts, ReadAt, count_text, merged, read_facts
from wherry.models.kinds import is_pickle, kind_of


def safetensors(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(version: int = 3, tensors: int = 1) -> bytes:
    pairs = [
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        text("general.file_type") + struct.pack("<II", 4, 15),
        text("tokenizer.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("bc"),
        text("scores") + struct.pack("<IIQ", 9, 6, 2) + bytes(8),
    ]
    found = b"GGUF" + struct.pack("<IQQ", version, tensors, len(pairs)) + b"".join(pairs)
    return found + text("w") + struct.pack("<IQQIQ", 2, 4, 8, 12, 0)


def reading(data: bytes) -> ReadAt:
    return lambda offset, count: data[offset : offset + count]


def facts(name: str, data: bytes) -> Facts | None:
    return read_facts(name, len(data), reading(data))


def test_safetensors_say_tensors_and_types() -> None:
    tensors = {
        "a": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]},
        "b": {"dtype": "F32", "shape": [], "data_offsets": [12, 16]},
    }
    found = facts("m.safetensors", safetensors({"__metadata__": {"format": "pt"}, **tensors}, bytes(16)))
    assert found == Facts("safetensors", 2, 7, {"F16": 6, "F32": 1})
    assert found.precision == "mixed"
    assert found._replace(dtypes={"F16": 70, "F32": 1}, parameters=71).precision == "fp16"


def test_gguf_says_family_and_quantization() -> None:
    found = facts("m.gguf", gguf())
    assert found == Facts("gguf", 1, 32, {"Q4_K": 32}, family="llama", quantization="Q4_K_M")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not safetensors"),
        (struct.pack("<Q", 1 << 60) + b"{}", "its header would be"),
        (safetensors([]), "is no object"),
        (struct.pack("<Q", 3) + b"{{{", "is not JSON"),
        (safetensors({"a": 3}), "is no object"),
        (safetensors({"a": {"dtype": "F16", "shape": [-1], "data_offsets": [0, 1]}}), "has no dtype"),
        (safetensors({"a": {"dtype": "F16", "shape": [4], "data_offsets": [0, 9]}}, bytes(9)), "do not fit its shape"),
        (safetensors({"a": {"dtype": "F16", "shape": [4], "data_offsets": [0, 8]}}, bytes(7)), "ends behind the end"),
    ],
)
def test_broken_safetensors_are_refused(data: bytes, why: str) -> None:
    with pytest.raises(InvalidSpec, match=why):
        facts("m.safetensors", data)


def test_broken_gguf_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="version 9"):
        facts("m.gguf", gguf(9))
    with pytest.raises(InvalidSpec, match="cut off"):
        facts("m.gguf", gguf(tensors=2))
    with pytest.raises(InvalidSpec, match="can't be"):
        facts("m.gguf", gguf(tensors=1 << 60))


@given(st.binary(max_size=300), st.sampled_from([b"", b"GGUF\3\0\0\0", gguf()[:60]]))
def test_any_bytes_are_read_or_refused(data: bytes, start: bytes) -> None:
    try:
        facts("m.safetensors", start + data)
    except InvalidSpec:
        pass


def test_parts_are_counted_together() -> None:
    parts = [Facts("gguf", 1, 5, {"F32": 5}, family="llama"), Facts("gguf", 2, 6, {"F16": 6})]
    assert merged(parts) == Facts("gguf", 3, 11, {"F32": 5, "F16": 6}, family="llama")
    assert merged([]) is None


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, ""), (99, ""), (150, "0.1K"), (135_000_000, "135M"), (6_700_000_000, "6.7B"), (10**12, "1T")],
)
def test_parameters_as_the_specification_writes_them(count: int, shown: str) -> None:
    assert count_text(count) == shown


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("model.safetensors", "weight"), ("a/tokenizer.json", "weight.config"), ("README.md", "doc"),
        ("LICENSE.txt", "doc"), ("requirements.txt", "code"), ("merges.txt", "weight.config"), ("notes.txt", "doc"),
        ("train.py", "code"), ("iris.csv", "dataset"), ("MODEL.GGUF", "weight"),
    ],
)  # fmt: skip
def test_names_say_what_a_file_is_for(path: str, kind: str) -> None:
    assert kind_of(path, 10) == (kind, True)


def test_of_strange_names_the_size_decides() -> None:
    assert kind_of("blob", 10) == ("code", False)
    assert kind_of("blob", 10 << 20) == ("weight", False)


@pytest.mark.parametrize(
    ("path", "start", "expected"),
    [
        ("m.pkl", b"\x80\x04\x95", True), ("m.bin", b"\x80\x02}", True), ("m.safetensors", b"\x80\x03x", True),
        ("m.pt", b"PK\3\4....archive/data.pkl", True), ("m.npz", b"PK\3\4....a.npy", False),
        ("m.joblib", b"x\x9c", True), ("m.bin", b"\0\0", False), ("m.onnx", b"\x08\x07", False), ("e", b"", False),
    ],
)  # fmt: skip
def test_a_pickle_is_known_by_its_bytes(path: str, start: bytes, expected: bool) -> None:
    assert is_pickle(path, start) is expected
