from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InvalidSpec
from wherry.trace.observe import ALL_KINDS, CONTENT, MAX_LAYERS, MAX_LOOKS, MAX_PATH_BYTES, NODE, Look, PathSet

names = st.binary(min_size=1, max_size=12).filter(lambda name: name not in (b".", b"..") and not set(name) & {0, 0x2F})
paths = st.lists(names, max_size=4).map(b"/".join)
sets = st.dictionaries(st.tuples(st.integers(0, 3), paths), st.integers(1, ALL_KINDS), max_size=20).map(
    lambda seen: PathSet.of((layer, path, kinds) for (layer, path), kinds in seen.items())
)


@given(sets)
def test_a_path_set_comes_back_as_it_was(paths: PathSet) -> None:
    assert PathSet.unpack(paths.pack()) == paths


@given(sets, sets)
def test_two_sets_are_packed_alike_only_when_they_are_one(a: PathSet, b: PathSet) -> None:
    assert (a.pack() == b.pack()) == (a == b)


@given(st.binary(max_size=60), sets)
def test_bytes_from_elsewhere_are_read_as_what_they_are_or_refused(data: bytes, paths: PathSet) -> None:
    for candidate in (data, b"\x01\x00" + data, paths.pack() + data, paths.pack()[:-1]):
        try:
            found = PathSet.unpack(candidate)
        except InvalidSpec:
            continue
        assert found.pack() == candidate


@given(sets, st.data())
def test_a_changed_byte_is_another_set_or_none(paths: PathSet, data: st.DataObject) -> None:
    packed = bytearray(paths.pack())
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= data.draw(st.integers(1, 255))
    try:
        assert PathSet.unpack(bytes(packed)) != paths
    except InvalidSpec:
        pass


def test_a_step_that_looks_at_too_much_is_known_by_its_layers_alone() -> None:
    found = PathSet.of((0, b"%d" % number, NODE) for number in range(MAX_LOOKS + 1))
    assert found == PathSet(is_whole=True)
    assert PathSet.unpack(found.pack()) == found


def test_so_is_one_that_goes_too_deep() -> None:
    assert PathSet.of([(0, b"d/" * (MAX_PATH_BYTES // 2) + b"x", NODE)]).is_whole
    assert not PathSet.of([(0, b"x" * 200 + b"/" + b"y" * 200, NODE)]).is_whole


@pytest.mark.parametrize("path", [b"/etc", b"..", b"a/../../b", b".", b"a/./b", b"a//b", b"a/", b"n\0l", b"x" * 256])
def test_a_path_that_leads_out_of_its_layer_is_refused(path: bytes) -> None:
    with pytest.raises(InvalidSpec):
        PathSet.unpack(PathSet((Look(0, path, CONTENT),)).pack())


@pytest.mark.parametrize(
    "looks",
    [
        (Look(1, b"a", NODE), Look(0, b"a", NODE)),
        (Look(0, b"b", NODE), Look(0, b"a", NODE)),
        (Look(0, b"a", NODE), Look(0, b"a", CONTENT)),
        (Look(0, b"a", 0),),
        (Look(0, b"a", ALL_KINDS + 1),),
        (Look(MAX_LAYERS, b"a", NODE),),
    ],
)
def test_looks_out_of_order_twice_or_of_no_known_kind_are_refused(looks: tuple[Look, ...]) -> None:
    with pytest.raises(InvalidSpec):
        PathSet.unpack(PathSet(looks).pack())


def test_a_number_without_end_is_refused() -> None:
    with pytest.raises(InvalidSpec):
        PathSet.unpack(b"\x01\x00" + b"\xff" * 1000)
