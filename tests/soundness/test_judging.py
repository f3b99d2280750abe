"""The comparer, the oracle, the judge and the shrinker, on trees and builders that need no container."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.soundness.commands import Read
from tests.soundness.compare import differences, snapshot
from tests.soundness.context import Node
from tests.soundness.dockerfile import Doc, Line, Stage
from tests.soundness.judge import Case, Fault, Judge, Verdict, layers_of_steps
from tests.soundness.lab import Built, Layer
from tests.soundness.oracle import Oracle, Seen, observe
from tests.soundness.report import Totals
from tests.soundness.shrink import picture, shrink
from tests.soundness.worker import verdict_from, verdict_to
from tests.soundness.world import State, World


def _two(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "a").write_text("1")
        (tmp_path / name / "b").write_text("2")
        (tmp_path / name / "l").symlink_to("b")
        for path in ("sub/a", "b", "l", "sub", ""):
            os.utime(tmp_path / name / path, ns=(0, 0), follow_symlinks=False)
    return tmp_path / "one", tmp_path / "two"


def _link_again(top: Path) -> None:
    (top / "l").unlink()
    (top / "l").symlink_to("sub")
    os.utime(top / "l", ns=(0, 0), follow_symlinks=False)
    os.utime(top, ns=(0, 0))


def _hard(top: Path) -> None:
    (top / "b").unlink()
    os.link(top / "sub" / "a", top / "b")
    for path in ("b", ""):
        os.utime(top / path, ns=(0, 0))


def _attribute(top: Path) -> None:
    os.setxattr(top / "b", "user.x", b"1")


def test_equal_trees_have_no_difference(tmp_path: Path) -> None:
    one, two = _two(tmp_path)
    assert differences(snapshot(str(one)), snapshot(str(two))) == []


@pytest.mark.parametrize(
    ("change", "path", "field"),
    [
        (lambda top: (top / "b").write_text("3"), "b", "content"),
        (lambda top: (top / "b").chmod(0o4755), "b", "mode"),
        (lambda top: (top / "sub").chmod(0o700), "sub", "mode"),
        (lambda top: top.chmod(0o700), "", "mode"),
        (_link_again, "l", "content"),
        (_hard, "b", "group"),
        (_attribute, "b", "attributes"),
        (lambda top: os.utime(top / "b", ns=(0, 5)), "b", "mtime_ns"),
    ],
    ids=["content", "mode", "folder's mode", "root's mode", "link", "hard link", "attribute", "time"],
)
def test_each_field_of_a_file_is_compared(tmp_path: Path, change: object, path: str, field: str) -> None:
    one, two = _two(tmp_path)
    assert callable(change)
    change(two)
    found = differences(snapshot(str(one)), snapshot(str(two)))
    assert path in [each.path for each in found]
    assert any(field in each.what for each in found)


def test_a_file_that_one_tree_lacks_is_a_difference_and_the_side_is_said(tmp_path: Path) -> None:
    one, two = _two(tmp_path)
    (two / "sub" / "a").unlink()
    os.utime(two / "sub", ns=(0, 0))
    found = differences(snapshot(str(one)), snapshot(str(two)))
    assert [(each.path, each.what) for each in found] == [("sub/a", "only in the build with the cache")]


def _sees(top: Path, kind: str, path: str, *, is_root: bool = True) -> object:
    return observe(str(top), [Read(kind, path)], is_root=is_root)


def test_an_observation_changes_with_what_is_read_and_with_nothing_else(tmp_path: Path) -> None:
    top = _two(tmp_path)[0]
    kinds = {
        "file": "/sub/a", "stat": "/sub/a", "lstat": "/l", "list": "/", "tree": "/", "all": "/sub", "absent": "/no/x",
    }  # fmt: skip

    def all_of_them() -> dict[str, object]:
        return {name: _sees(top, "file" if name == "absent" else name, path) for name, path in kinds.items()}

    def changed(act: object) -> set[str]:
        before = all_of_them()
        assert callable(act)
        act()
        after = all_of_them()
        return {name for name in kinds if before[name] != after[name]}

    assert changed(lambda: (top / "b").write_text("another")) == set()
    assert changed(lambda: (top / "sub" / "a").write_text("3")) == {"file", "all"}
    assert changed(lambda: (top / "sub" / "a").write_text("longer")) == {"file", "stat", "all"}
    assert changed(lambda: (top / "sub" / "a").chmod(0o711)) == {"file", "stat", "all"}
    assert changed(lambda: (top / "sub" / "new").write_text("")) == {"tree", "all"}
    assert changed((top / "no").mkdir) == {"list", "tree", "absent"}
    assert changed(functools.partial(_link_again, top)) == {"lstat"}


def test_links_are_followed_inside_the_tree_and_what_they_say_counts(tmp_path: Path) -> None:
    top = _two(tmp_path)[0]
    (top / "abs").symlink_to("/sub/../sub")
    (top / "loop").symlink_to("loop")
    assert _sees(top, "file", "/abs/a") != _sees(top, "file", "/sub/a")
    assert str(_sees(top, "file", "/abs/a")).endswith(str(_sees(top, "file", "/sub/a"))[-70:])
    assert "absent" in str(_sees(top, "file", "/loop"))
    assert "absent" in str(_sees(top, "file", "/b/x"))


def test_modes_of_folders_on_the_way_count_for_those_who_are_not_root(tmp_path: Path) -> None:
    top = _two(tmp_path)[0]
    before = [_sees(top, "file", "/sub/a", is_root=who) for who in (True, False)]
    (top / "sub").chmod(0o711)
    after = [_sees(top, "file", "/sub/a", is_root=who) for who in (True, False)]
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_an_ideal_cache_hits_what_it_has_seen_with_the_same_result() -> None:
    oracle = Oracle()
    oracle.learn(Seen("text", "observed", ("layer",)))
    assert oracle.would_hit(Seen("text", "observed", ("layer",)))
    assert not oracle.would_hit(Seen("text", "observed", ("other",)))
    assert not oracle.would_hit(Seen("text", "changed", ("layer",)))


def test_layers_are_given_to_steps_by_their_history() -> None:
    layers = [Layer(str(number), text) for number, text in enumerate(("", "RUN a", "RUN a", "COPY x", "RUN b"))]
    assert layers_of_steps(layers, 2) == ((1, 3), (4, 5))
    assert layers_of_steps(layers, 3) is None


class Pretended:
    """A builder without containers: the step copies the file `a`. `lies` says from which build on it repeats itself."""

    def __init__(self, folder: Path, lies: int = 99) -> None:
        self.folder, self.lies, self.builds = folder, lies, 0
        self.kept = ""

    def build(self, context: Path, state: State, target: str, *, cache: bool, traced: bool = True) -> Built:
        text = (context / "a").read_text()
        self.builds += 1
        self.kept = self.kept if self.builds > self.lies else text
        layers = (Layer("base", ""), Layer(text, "COPY . /app"), Layer(f"{self.kept}>", "RUN cp"))
        for layer, content in zip(layers, ("base", text, self.kept), strict=True):
            (self.folder / layer.diff_id).mkdir(parents=True, exist_ok=True)
            (self.folder / layer.diff_id / "a").write_text(content)
            os.utime(self.folder / layer.diff_id / "a", ns=(0, 0))
            os.utime(self.folder / layer.diff_id, ns=(0, 0))
        return Built("", layers, "", frozenset({("s0", 1)} if self.builds > 1 else ()), frozenset(), {})

    def prune(self, third: int) -> None: ...

    @contextmanager
    def tree(self, layers: tuple[Layer, ...]) -> Iterator[str]:
        yield str(self.folder / layers[-1].diff_id)


def _world(*texts: str) -> World:
    doc = Doc((), (Stage("s0", "busybox", (Line("copy", "COPY . /app"), Line("run", "RUN cp", "cp"))),), "busybox")
    return World(1, tuple(State({"a": Node("file", data=text.encode()), "b": Node("file")}, doc) for text in texts))


def _verdict(tmp_path: Path, lies: int, *texts: str) -> Verdict:
    cached, anew = Pretended(tmp_path / "1", lies), Pretended(tmp_path / "2")
    return Judge(cached, anew, tmp_path / "context").world(_world(*texts))


def test_a_case_is_a_step_after_an_edit(tmp_path: Path) -> None:
    verdict = _verdict(tmp_path, 99, "one", "two", "three")
    assert not verdict.faults
    assert [case.name for case in verdict.cases] == ["cp", "cp"]


def test_a_wrong_hit_is_found_with_its_step_and_path_and_is_no_case(tmp_path: Path) -> None:
    verdict = _verdict(tmp_path, 1, "one", "two")
    assert [(one.kind, one.state, one.made_by, one.path) for one in verdict.faults] == [("wrong hit", 1, "RUN cp", "a")]
    assert verdict.cases == ()


def test_a_verdict_survives_its_way_between_processes(tmp_path: Path) -> None:
    verdict = _verdict(tmp_path, 1, "one", "two", "one")
    assert verdict_from(verdict_to(verdict)) == verdict


def test_totals_tell_wrong_hits_with_the_command_to_run_again() -> None:
    totals = Totals()
    good = (Case("cat; ls", True, True, "RUN"), Case("cat", False, True, "RUN"), Case("rm", False, None, "RUN"))
    totals.add(4, Verdict(good, ()))
    assert totals.is_sound
    assert "false misses: 1 of 2 cases where an ideal cache would hit (50.0 %)" in list(totals.text(1, 4))
    totals.add(5, Verdict((), (Fault("unsteady", 1, "p1", "RUN x", "a", "size"),)))
    assert totals.is_sound

    wrong = Totals()
    wrong.add(6, Verdict((), (Fault("wrong hit", 1, "p1", "RUN x", "app/a", "size"),)))
    assert not wrong.is_sound
    text = "\n".join(wrong.text(1, 6))
    assert "again: make soundness N=1 SEED=6" in text
    assert "path:  /app/a" in text
    assert "wrong hits:   1" in text
    assert any(line.split() == ["cat", "2", "1", "2", "1"] for line in totals.table())


def test_a_wrong_world_is_made_small_and_stays_wrong() -> None:
    more = Stage("p1", "s0", (Line("run", "RUN more"),))
    other = Stage("p2", "s0", (Line("run", "RUN other"),))
    world = _world("one", "two", "three", "four")
    states = [one._replace(doc=one.doc._replace(stages=(*one.doc.stages, more, other))) for one in world.states]

    def is_wrong(found: World) -> bool:
        text = found.states[-1].doc.text()
        return "RUN more" in text and "a" in found.states[-1].context

    small = shrink(World(1, tuple(states)), Fault("wrong hit", 2, "p1", "", "", ""), is_wrong, 5)
    assert len(small.states) == 2
    assert small.states[-1].doc.text() == "FROM busybox AS s0\nFROM s0 AS p1\nRUN more\n"
    assert list(small.states[-1].context) == ["a"]
    assert "RUN more" in "\n".join(picture(small))
