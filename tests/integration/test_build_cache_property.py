"""A build with the cache equals a build without one, file by file: a short run of the checker (docs/dev/soundness.md).

`SOUNDNESS_SEED` is the first world's seed, `SOUNDNESS_WORLDS` the number of worlds; at length: `make soundness`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.soundness.context import Node
from tests.soundness.dockerfile import Doc, Line, Stage
from tests.soundness.judge import Builder, Judge, Verdict
from tests.soundness.lab import Built, Layer, Root
from tests.soundness.report import Totals, told
from tests.soundness.worker import Settings, Worker
from tests.soundness.world import State, World

SEED = int(os.environ.get("SOUNDNESS_SEED", "1"))
WORLDS = int(os.environ.get("SOUNDNESS_WORLDS", "3"))
BUILDS = pytest.mark.requires("root", "runc", "busybox")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    made = Worker(Settings(edits=3, tools=False))
    yield made
    made.close()


@BUILDS
@pytest.mark.parametrize("seed", range(SEED, SEED + WORLDS))
def test_a_build_with_the_cache_equals_a_build_without(worker: Worker, seed: int) -> None:
    totals = Totals()
    totals.add(seed, worker.judge(Settings(edits=3, tools=False).world(seed)))
    assert totals.is_sound, "\n".join(line for number, fault in totals.faults for line in told(number, fault))


def _world(edited: str) -> World:
    """Two states of one file, and a step that reads it and one that does not."""
    run = (Line("run", "RUN cat /app/a >/out/1"), Line("run", "RUN echo >/out/2"))
    doc = Doc((), (Stage("s0", "busybox", (Line("copy", "COPY . /app"), *run)),), "busybox")
    texts = ("before", edited, "before")
    return World(0, tuple(State({"a": Node("file", data=text.encode())}, doc) for text in texts))


class Forgetful:
    """As a cache that keys a step on its text alone: it always builds the first context that it saw."""

    def __init__(self, root: Builder, folder: Path) -> None:
        self._root, self._kept = root, folder

    def build(self, context: Path, state: State, target: str, *, cache: bool, traced: bool = True) -> Built:
        if not self._kept.exists():
            shutil.copytree(context, self._kept)
        return self._root.build(self._kept, state, target, cache=cache, traced=traced)

    def tree(self, layers: tuple[Layer, ...]) -> AbstractContextManager[str]:
        return self._root.tree(layers)

    def prune(self, third: int) -> None: ...


class Mistaken(Forgetful):
    """As a cache whose rows name a layer of another step: before each build all of them get the same one."""

    def build(self, context: Path, state: State, target: str, *, cache: bool, traced: bool = True) -> Built:
        assert isinstance(self._root, Root)
        with self._root.engine.db.write() as connection:
            connection.execute("UPDATE step_layer SET diff_id = (SELECT min(diff_id) FROM step_layer)")
        return self._root.build(context, state, target, cache=cache, traced=traced)


def _judge(folder: Path, world: World, wrong: type[Forgetful] | None) -> Verdict:
    made = []
    for name in ("cached", "anew"):
        (folder / name).mkdir()
        made.append(Root(folder / name, with_tools=False))
    try:
        cached: Builder = wrong(made[0], folder / "kept") if wrong else made[0]
        return Judge(cached, made[1], folder / "context").world(world)
    finally:
        for root in made:
            root.close()


@BUILDS
@pytest.mark.parametrize("wrong", [Forgetful, Mistaken])
def test_the_checker_finds_a_cache_that_answers_too_much(tmp_path: Path, wrong: type[Forgetful]) -> None:
    faults = _judge(tmp_path, _world("after!"), wrong).faults
    assert faults
    # Of a layer in a place where it does not belong the build itself may complain
    assert {fault.kind for fault in faults} <= {"wrong hit", "other failure"}


@BUILDS
def test_the_checker_is_content_with_the_real_cache_and_sees_its_hits(tmp_path: Path) -> None:
    found = _judge(tmp_path, _world("after!"), None)
    assert not found.faults
    assert [case.is_hit for case in found.cases[2:]] == [True, True]  # back to the first state
