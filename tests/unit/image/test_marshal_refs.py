"""The .pyc of the same code is the same, and loads as the same code."""

from __future__ import annotations

import importlib.util
import marshal
import struct
import sys
import types
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.image.marshal_refs import HEADER_BYTES, settled

CASES = Path(__file__).parents[2] / "cases" / "bytecode"
VERSIONS = sorted(path.name.removesuffix("-a.bytecode") for path in CASES.glob("*-a.bytecode"))
HEADER = importlib.util.MAGIC_NUMBER + struct.pack("<I", 1) + b"12345678"


@pytest.mark.parametrize("version", VERSIONS)
def test_two_compilers_with_another_past_agree(version: str) -> None:
    """Each pair is one source, compiled by a fresh interpreter and by one that had seen other code."""
    first, second = ((CASES / f"{version}-{side}.bytecode").read_bytes() for side in "ab")
    assert first != second
    result = settled(first)
    assert result is not None
    assert settled(second) in (result, None)
    assert (settled(second) or second) == result
    assert result[:HEADER_BYTES] == first[:HEADER_BYTES]
    assert len(result) <= min(len(first), len(second))


@pytest.mark.parametrize("version", VERSIONS)
def test_doing_it_twice_changes_nothing(version: str) -> None:
    result = settled((CASES / f"{version}-a.bytecode").read_bytes())
    assert result is not None
    assert settled(result) is None


def is_same(one: Any, other: Any) -> bool:
    """Deeper than ==: the kinds of numbers too, and all of a code object."""
    if type(one) is not type(other):
        return False
    if isinstance(one, types.CodeType):
        fields = [name for name in dir(one) if name.startswith("co_") and name not in ("co_lnotab",)]
        return all(
            is_same(getattr(one, name), getattr(other, name)) for name in fields if not callable(getattr(one, name))
        ) and list(one.co_positions()) == list(other.co_positions())
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, frozenset):
        return len(one) == len(other) and all(any(is_same(left, right) for right in other) for left in one)
    return one == other and repr(one) == repr(other)


def modules() -> list[Path]:
    """Some of the standard library, the largest of which are known for odd constants."""
    names = ("ast", "argparse", "decimal", "ftplib", "enum", "inspect", "typing", "dis", "tokenize", "html/entities")
    root = Path(types.__file__).parent
    return [path for name in names if (path := root / f"{name}.py").exists()]


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.stem)
def test_what_is_loaded_is_the_same_code(path: Path) -> None:
    data = HEADER + marshal.dumps(compile(path.read_bytes(), path.name, "exec", dont_inherit=True))
    result = settled(data)
    assert result is not None
    assert is_same(marshal.loads(result[HEADER_BYTES:]), marshal.loads(data[HEADER_BYTES:]))


atoms = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-3, 3), st.floats(allow_nan=False), st.text(max_size=3),
    st.binary(max_size=3), st.sampled_from(["{", "}", "a", "Ä", "name", "name", "", "€"]), st.just(...),
    st.complex_numbers(allow_nan=False),
)  # fmt: skip
constants = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(tuple), st.frozensets(inner, max_size=4), st.lists(inner, max_size=2).map(tuple)
    ),
    max_leaves=25,
)


@given(constants)
def test_any_constant_comes_back(value: Any) -> None:
    data = HEADER + marshal.dumps((value, value, sys.intern("name"), ("name", "{")))
    result = settled(data) or data
    assert is_same(marshal.loads(result[HEADER_BYTES:]), marshal.loads(data[HEADER_BYTES:]))
    assert settled(result) is None


@given(st.lists(st.one_of(st.none(), st.integers(0, 9), st.text(max_size=2)), unique=True, max_size=6), st.randoms())
def test_the_order_of_a_set_is_the_same_whatever_order_it_had(items: list[Any], chance: Random) -> None:
    def stream(order: list[Any]) -> bytes:
        body = b"".join(marshal.dumps(one, 2) for one in order)
        return HEADER + b"(" + struct.pack("<I", 2) + b">" + struct.pack("<I", len(order)) + body + b"N"

    shuffled = list(items)
    chance.shuffle(shuffled)
    first, second = stream(items), stream(shuffled)
    assert (settled(first) or first) == (settled(second) or second)


@given(st.frozensets(st.sampled_from(["one", "two", "three", "{", 4, None, b"x", (5, 6)]), min_size=1))
def test_equal_sets_become_one_also_when_the_compiler_copied_it(value: frozenset[Any]) -> None:
    copied = frozenset(sorted(value, key=repr, reverse=True))
    shared = HEADER + marshal.dumps((value, ("one", value), value, "two"))
    apart = HEADER + marshal.dumps((value, ("one", copied), frozenset([*copied]), "two"))
    assert (settled(shared) or shared) == (settled(apart) or apart)
    assert is_same(marshal.loads((settled(apart) or apart)[HEADER_BYTES:]), marshal.loads(shared[HEADER_BYTES:]))


def test_a_set_that_holds_what_others_refer_to_stays() -> None:
    """The second set brings the text that stands behind it."""
    first = b">" + struct.pack("<I", 1) + b"z\x01a"
    second = b">" + struct.pack("<I", 1) + b"\xfa\x01a"
    data = HEADER + b")\x03" + first + second + b"r" + struct.pack("<I", 0)
    result = settled(data) or data
    assert marshal.loads(result[HEADER_BYTES:]) == (frozenset("a"), frozenset("a"), "a")


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(data: bytes) -> None:
    settled(data)
    settled(HEADER + data)


@given(st.data())
def test_damaged_files_are_left_or_get_no_longer(data: st.DataObject) -> None:
    whole = bytearray((CASES / f"{data.draw(st.sampled_from(VERSIONS))}-a.bytecode").read_bytes())
    at = data.draw(st.integers(HEADER_BYTES, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    result = settled(bytes(whole))
    assert result is None or len(result) <= len(whole)


def test_a_version_that_is_not_known_is_left_alone() -> None:
    data = bytearray((CASES / "3.10-a.bytecode").read_bytes())
    data[:2] = (2999).to_bytes(2, "little")
    assert settled(bytes(data)) is None
    assert settled(b"") is settled(b"\0" * 16) is settled(bytes(data[:16])) is None


def test_a_set_that_refers_to_itself_many_times_over_is_left_alone() -> None:
    """Each tuple twice in the next: 2 ** 40 of them when they are written out."""
    nest = b"\xa9\x01N"
    for number in range(40):
        nest = b"\xa9\x02" + nest + b"r" + struct.pack("<I", 40 - number)
    body = b"(" + struct.pack("<I", 2) + nest + b">" + struct.pack("<I", 2) + b"N" + b"r" + struct.pack("<I", 0)
    settled(HEADER + body)
    # A table of many sets keeps its order, and its marks go
    many = b"\xbe" + struct.pack("<I", 1) + b"N"
    count = 20_000
    result = settled(HEADER + b"(" + struct.pack("<I", count) + many * count)
    assert result is not None
    assert b"\xbe" not in result[HEADER_BYTES:]
