"""The worlds: made of the seed alone, varied, and written to the disk as they say."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.soundness.commands import TEMPLATES, command, fill
from tests.soundness.context import Context, Node, drop, move, put, sync
from tests.soundness.dockerfile import Doc, Line, Stage, edit_doc, make_doc
from tests.soundness.edits import CONTEXT_EDITS, edit_context, make_context
from tests.soundness.world import TOOLS, make_world
from wherry.dockerfile import parse


def test_the_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    assert make_world(7, TOOLS) == make_world(7, TOOLS)
    assert make_world(7, TOOLS) != make_world(8, TOOLS)


def test_a_world_has_cases_after_each_edit_and_knows_how_many() -> None:
    world = make_world(3)
    assert len(world.states) == 8
    assert world.planned() >= 7 * 8


def test_worlds_that_need_tools_are_made_only_where_there_are_some() -> None:
    assert {make_world(seed).image for seed in range(30)} == {"busybox"}
    assert {make_world(seed, TOOLS).image for seed in range(30)} == {"busybox", "tools"}


@pytest.mark.parametrize("seed", range(8))
def test_every_dockerfile_of_a_world_is_one(seed: int) -> None:
    for state in make_world(seed, TOOLS).states:
        parse(os.fsencode(state.doc.text()))


def test_every_template_is_filled_without_a_place_left_over() -> None:
    rng = random.Random(1)
    for template in TEMPLATES:
        made = fill(rng, template, ("/app",), "/out/1")
        assert not [place for place in "fgdesnorw" if f"{{{place}}}" in made.text], template.name


def test_templates_have_names_of_their_own_and_what_they_read_names_their_places() -> None:
    assert len({one.name for one in TEMPLATES}) == len(TEMPLATES) > 250
    for template in TEMPLATES:
        for word in (template.reads or "").split():
            kind, _, place = word.partition(":")
            assert kind in ("file", "stat", "lstat", "list", "tree", "all"), template.name
            assert f"{{{place}}}" in template.text, template.name


def test_a_step_writes_what_it_says_and_its_status_to_its_own_file() -> None:
    texts = [command(random.Random(seed), ("/app",), "/out/9", frozenset()).text for seed in range(50)]
    assert sum(">/out/9 2>&1" in text for text in texts) > 40


def test_every_kind_of_edit_changes_some_context() -> None:
    changed = set()
    for seed in range(400):
        rng = random.Random(seed)
        before = make_context(rng)
        name, after = edit_context(rng, before)
        changed |= {name} if after != before else set()
    assert changed >= {name for name, _, weight in CONTEXT_EDITS if weight >= 1} - {"touch"}


def test_an_edit_of_a_dockerfile_never_uses_the_number_of_a_step_again() -> None:
    rng = random.Random(5)
    doc = make_doc(rng, "busybox", "5")
    for _ in range(20):
        _, after = edit_doc(rng, doc)
        assert after.serial >= doc.serial
        doc = after


def test_steps_of_a_target_are_those_of_the_stages_below_and_of_their_triggers() -> None:
    below = Stage("s0", "busybox", (Line("run", "RUN one"), Line("set", "ONBUILD RUN two"), Line("set", "USER app")))
    doc = Doc((), (below, Stage("p1", "s0", (Line("run", "RUN three"),))), "busybox")
    steps = doc.steps("p1")
    assert [(step.stage, step.number, step.line.text) for step in steps] == [
        ("s0", 1, "RUN one"), ("p1", 1, "RUN two"), ("p1", 2, "RUN three"),
    ]  # fmt: skip
    assert [step.user for step in steps] == ["", "app", "app"]
    assert doc.targets() == ("p1",)


def test_paths_are_put_moved_and_dropped_with_what_is_below() -> None:
    file = Node("file", data=b"x")
    tree = put(put({}, "a", file), "a/b/c", file)
    assert sorted(tree) == ["a", "a/b", "a/b/c"]
    assert tree["a"].kind == "dir"
    assert sorted(move(tree, "a/b", "z")) == ["a", "z", "z/c"]
    assert move(tree, "a", "a/b/d") == tree
    assert sorted(drop(tree, "a/b")) == ["a"]


def _on_disk(folder: Path) -> dict[str, tuple[str, str]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        kind = "link" if path.is_symlink() else "dir" if path.is_dir() else "file"
        text = os.readlink(path) if kind == "link" else path.read_text() if kind == "file" else ""
        found[str(path.relative_to(folder))] = (kind, text)
    return found


def test_a_folder_follows_the_context_from_state_to_state(tmp_path: Path) -> None:
    first: Context = put(put({}, "sub/c", Node("file", 0o600, b"one")), "l", Node("link", target="sub/c"))
    second = put(put(drop(first, "l"), "sub", Node("file", data=b"now a file")), "h", Node("hard", target="sub"))
    third = put(put(second, "h", Node("link", target="x")), "sub/c", Node("file", data=b"again"))
    before: Context = {}
    for tree in (first, second, third, first):
        sync(tmp_path, before, tree, in_place=True, keep_times=True)
        before = tree
    assert _on_disk(tmp_path) == {"sub": ("dir", ""), "sub/c": ("file", "one"), "l": ("link", "sub/c")}
    assert (tmp_path / "sub" / "c").stat().st_mode & 0o777 == 0o600


def test_what_did_not_change_is_not_touched_and_times_are_kept_when_asked(tmp_path: Path) -> None:
    tree = put(put({}, "a", Node("file", data=b"1")), "b", Node("file", data=b"1"))
    sync(tmp_path, {}, tree)
    before = {name: (tmp_path / name).stat() for name in "ab"}
    sync(tmp_path, tree, {**tree, "b": Node("file", data=b"2")}, in_place=True, keep_times=True)
    after = {name: (tmp_path / name).stat() for name in "ab"}
    assert after["a"].st_ctime_ns == before["a"].st_ctime_ns
    assert after["b"].st_mtime_ns == before["b"].st_mtime_ns
    assert after["b"].st_ino == before["b"].st_ino
    assert (tmp_path / "b").read_text() == "2"


def test_hard_links_share_a_file_and_part_again(tmp_path: Path) -> None:
    tree = put(put({}, "a", Node("file", data=b"1")), "h", Node("hard", target="a"))
    sync(tmp_path, {}, tree)
    assert (tmp_path / "a").samefile(tmp_path / "h")
    sync(tmp_path, tree, {**tree, "a": Node("file", data=b"2")}, in_place=True)
    assert (tmp_path / "h").read_text() == "2"
    sync(tmp_path, {**tree, "a": Node("file", data=b"2")}, drop(tree, "a"))
    assert (tmp_path / "h").read_text() == ""
