from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wherry.build.collapse import collapse
from wherry.trace.observe import CONTENT, LIST, NODE, TREE, Look, PathSet


def paths(*names: str, layer: int = 0) -> list[Look]:
    return [Look(layer, name.encode(), NODE | CONTENT) for name in sorted(names)]


def test_a_small_set_stays_as_it_is() -> None:
    small = PathSet(tuple(paths("a", "b/c")))
    assert collapse(small, 2) == small
    assert collapse(PathSet(is_whole=True)) == PathSet(is_whole=True)


def test_the_folder_with_most_looks_stands_for_them() -> None:
    looks = [*paths("a/x", "b", "b/1", "b/2", "b/3", "b-", "b0"), *paths("a/x", layer=1)]
    assert collapse(PathSet(tuple(looks)), 5).looks == (
        Look(0, b"a/x", NODE | CONTENT), Look(0, b"b", NODE | CONTENT | TREE), Look(0, b"b-", NODE | CONTENT),
        Look(0, b"b0", NODE | CONTENT), Look(1, b"a/x", NODE | CONTENT),
    )  # fmt: skip


def test_what_lies_deeper_goes_with_it() -> None:
    looks = paths("d/1", "d/2", "d/3", "d/e/f/g", "z")
    assert collapse(PathSet(tuple(looks)), 2).looks == (Look(0, b"d", NODE | TREE), Look(0, b"z", NODE | CONTENT))


def test_many_small_folders_are_folded_into_the_one_above() -> None:
    looks = paths(*(f"top/{number}/file" for number in range(50)), "z")
    assert collapse(PathSet(tuple(looks)), 10).looks == (Look(0, b"top", NODE | TREE), Look(0, b"z", NODE | CONTENT))


def test_when_only_whole_layers_would_be_left_it_is_whole() -> None:
    assert collapse(PathSet(tuple(paths("a", "b", "c"))), 1) == PathSet(is_whole=True)
    many = [look for layer in range(9) for look in paths("a", layer=layer)]
    assert collapse(PathSet(tuple(many)), 3) == PathSet(is_whole=True)


names = st.lists(st.sampled_from([b"a", b"b", b"a-", b"a0", b"\x01"]), max_size=4).map(b"/".join)
sets = st.dictionaries(st.tuples(st.integers(0, 2), names), st.sampled_from([NODE, NODE | LIST, CONTENT]), max_size=40)


@given(sets, st.integers(1, 12))
def test_each_look_is_kept_or_stands_below_a_folder_that_counts_whole(
    looks: dict[tuple[int, bytes], int], most: int
) -> None:
    paths = PathSet.of((layer, path, kinds) for (layer, path), kinds in looks.items())
    found = collapse(paths, most)
    assert PathSet.unpack(found.pack()) == found
    if found.is_whole:
        return
    assert len(found.looks) <= most or found == paths
    kept = {(layer, path): kinds for layer, path, kinds in found.looks}
    for layer, path, kinds in paths.looks:
        above = [b"/".join(path.split(b"/")[:count]) for count in range(path.count(b"/") + 1)]
        covered = any(kept.get((layer, folder), 0) & TREE for folder in above if folder != path)
        assert covered or kept[layer, path] & kinds == kinds
