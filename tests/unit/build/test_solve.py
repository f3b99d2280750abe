from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wherry.build.cache import StepCache
from wherry.build.executor import StepRequest
from wherry.build.filehash import FileHashes
from wherry.build.graph import Graph, Run
from wherry.build.ops.layer import Bench
from wherry.build.options import Base, BuildOptions
from wherry.build.plan import plan
from wherry.build.progress import Quiet
from wherry.build.solve import Solver
from wherry.build.underway import Underway
from wherry.cancel import Cancel
from wherry.dockerfile import parse
from wherry.errors import Cancelled, RuntimeFailure, StepFailed, WherryError
from wherry.host.fake import FakeHost
from wherry.oci.config import ImageConfig
from wherry.oci.digest import DiffID
from wherry.oci.platform import Platform
from wherry.settings import Paths
from wherry.store.blobs import BlobStore
from wherry.store.db import Database
from wherry.store.layers import LayerStore
from wherry.store.lease import Leases
from wherry.store.scratch import Scratch

Act = Callable[[StepRequest], int]


class FakeExecutor:
    """Plays each step by a function of the request, and counts them by their command."""

    def __init__(self, act: Act) -> None:
        self.act = act
        self.ran: list[str] = []

    def mountpoints(self, run: Run) -> tuple[str, ...]:
        return ()

    def run(self, request: StepRequest) -> int:
        self.ran.append(request.run.argv[-1])
        return self.act(request)


class Events(Quiet):
    """What the progress was told, in order."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def cached(self, key: str) -> None:
        self.seen.append(f"{key} cached")

    def done(self, key: str) -> None:
        self.seen.append(f"{key} done")

    def failed(self, key: str, message: str) -> None:
        self.seen.append(f"{key} failed")

    def cancelled(self, key: str) -> None:
        self.seen.append(f"{key} cancelled")


class World:
    """A store in a temporary folder, with one base image."""

    def __init__(self, folder: Path) -> None:
        paths = Paths(str(folder / "root"), str(folder / "run"))
        host = FakeHost()
        self.host = host
        self.db = Database(paths.database)
        scratch = Scratch(paths, host)
        self.layers = LayerStore(paths, self.db, scratch, BlobStore(paths, scratch))
        self.leases = Leases(self.db, host)
        self.base = DiffID.of(b"base")
        with self.layers.workdir() as work:
            (Path(work) / "fs").mkdir()
            self.layers.commit(work, self.base, 1024, None)
        self.events = Events()

    def find(self, name: str, platform: Platform | None) -> Base:
        return Base(name, ImageConfig(Platform("linux", "amd64")), (self.base,))

    def plan(self, text: str) -> Graph:
        return plan(parse(text.encode()), BuildOptions(), self.find)

    def solve(
        self, text: str, executor: FakeExecutor, cancel: Cancel | None = None, underway: Underway | None = None
    ) -> tuple[DiffID, ...]:
        self.events = Events()
        with self.leases.hold("test") as lease:
            bench = Bench(self.host, self.layers, lease, 0, cancel or Cancel(), underway=underway)
            hashes = FileHashes(self.db)
            solver = Solver(bench, StepCache(self.db), hashes, executor, self.events, None, lambda *_: "/nowhere")
            return solver.solve(self.plan(text), jobs=4)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.db.close()


def writes(request: StepRequest) -> int:
    (Path(request.upper) / "made").write_text(request.run.argv[-1])
    return 0


def test_a_step_runs_once_and_its_diff_is_found_the_next_time(world: World) -> None:
    executor = FakeExecutor(writes)
    layers = world.solve("FROM b\nRUN one\nRUN two\n", executor)
    assert executor.ran == ["one", "two"]
    assert world.events.seen == ["0 cached", "1 done", "2 done"]
    assert layers[0] == world.base
    assert (Path(world.layers.path(layers[2])) / "made").read_text() == "two"
    assert world.solve("FROM b\nRUN one\nRUN two\n", executor) == layers
    assert executor.ran == ["one", "two"]
    assert world.events.seen == ["0 cached", "1 cached", "2 cached"]


def test_a_changed_step_runs_again_with_all_behind_it(world: World) -> None:
    executor = FakeExecutor(writes)
    world.solve("FROM b\nRUN one\nRUN two\nRUN three\n", executor)
    world.solve("FROM b\nRUN one\nRUN other\nRUN three\n", executor)
    assert executor.ran[3:] == ["other", "three"]


def test_a_step_whose_layer_is_gone_is_made_again(world: World) -> None:
    executor = FakeExecutor(writes)
    layers = world.solve("FROM b\nRUN one\n", executor)
    os.rename(os.path.dirname(world.layers.path(layers[1])), f"{world.layers.path(world.base)}-aside")
    assert world.solve("FROM b\nRUN one\n", executor) == layers
    assert executor.ran == ["one", "one"]


def test_a_failed_step_names_its_place_and_is_not_remembered(world: World) -> None:
    executor = FakeExecutor(lambda request: request.write(b"out\n") or 3)
    for _ in range(2):
        with pytest.raises(StepFailed) as caught:
            world.solve("FROM b\nRUN one\n", executor)
    assert caught.value.status == 3
    assert caught.value.output == ("out",)
    assert caught.value.where == "Dockerfile:2"
    assert ">>> RUN one" in caught.value.source
    assert len(executor.ran) == 2
    assert os.listdir(f"{os.path.dirname(world.db.path)}/tmp") == []


def test_the_failure_is_told_and_not_the_stop_that_it_caused(world: World) -> None:
    waiting = threading.Event()

    def act(request: StepRequest) -> int:
        if request.run.argv[-1] == "fails":
            waiting.wait(20)
            raise RuntimeFailure("no such program")
        waiting.set()
        assert request.cancel.wait(20)
        raise Cancelled("stopped")

    text = "FROM b AS a\nRUN waits\nFROM b AS c\nRUN fails\nFROM b\nCOPY --from=a / /\nCOPY --from=c / /\n"
    with pytest.raises(WherryError, match="no such program"):
        world.solve(text, FakeExecutor(act))
    assert sorted(world.events.seen)[-2:] == ["1 cancelled", "3 failed"]


class HeldBack(Cancel):
    """Who sets it first goes on when another has set it too: so the stopped step is heard of before the failed one."""

    def __init__(self) -> None:
        super().__init__()
        self._again = threading.Event()

    def set(self, reason: str = "cancelled") -> None:
        is_first = not self.is_set()
        super().set(reason)
        if is_first:
            assert self._again.wait(20)
        self._again.set()


def test_the_failure_is_told_also_when_the_stop_is_heard_of_first(world: World) -> None:
    together = threading.Barrier(2)

    def act(request: StepRequest) -> int:
        together.wait(20)
        if request.run.argv[-1] == "fails":
            raise RuntimeFailure("no such program")
        assert request.cancel.wait(20)
        raise Cancelled("stopped")

    text = "FROM b AS a\nRUN waits\nFROM b AS c\nRUN fails\nFROM b\nCOPY --from=a / /\nCOPY --from=c / /\n"
    with pytest.raises(WherryError, match="no such program"):
        world.solve(text, FakeExecutor(act), HeldBack())


def test_independent_stages_run_at_the_same_time(world: World) -> None:
    both = threading.Barrier(2, timeout=20)

    def act(request: StepRequest) -> int:
        both.wait()
        return writes(request)

    text = "FROM b AS a\nRUN one\nFROM b AS c\nRUN two\nFROM a\nRUN --mount=from=c,target=/c three\n"
    executor = FakeExecutor(lambda request: writes(request) if request.run.argv[-1] == "three" else act(request))
    world.solve(text, executor)
    assert sorted(executor.ran) == ["one", "three", "two"]


def test_of_two_builds_at_once_that_want_the_same_step_one_makes_it(world: World) -> None:
    underway, is_made = Underway(), threading.Event()
    second: list[tuple[DiffID, ...]] = []
    other = threading.Thread(
        target=lambda: second.append(world.solve("FROM b\nRUN same\n", executor, underway=underway))
    )

    def slowly(request: StepRequest) -> int:
        if not other.is_alive():
            other.start()  # while this one is being made
        is_made.wait(0.5)
        return writes(request)

    executor = FakeExecutor(slowly)
    first = world.solve("FROM b\nRUN same\n", executor, underway=underway)
    other.join(20)
    assert executor.ran == ["same"]
    assert second == [first]


def test_a_build_that_waits_for_anothers_step_makes_it_when_that_failed_and_can_be_cancelled() -> None:
    underway, cancel = Underway(), Cancel()
    with underway.alone("key", cancel) as has_waited:
        assert not has_waited
        cancel.set()
        with pytest.raises(Cancelled), underway.alone("key", cancel):
            pytest.fail("two at once")
        with underway.alone("another key", cancel) as has_waited:
            assert not has_waited
    with underway.alone("key", cancel) as has_waited:
        assert not has_waited, "the other one is over"
