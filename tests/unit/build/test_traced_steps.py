"""The solver with a tracer that plays: which step is looked up by what it read, run, run again, and kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.unit.build.test_solve import FakeExecutor, World, writes
from wherry.build.cache import StepCache
from wherry.build.executor import StepRequest
from wherry.build.filehash import FileHashes
from wherry.build.job import Outcome
from wherry.build.ops.layer import Bench
from wherry.build.solve import Solver
from wherry.build.tree import Tree
from wherry.cancel import Cancel
from wherry.errors import StepFailed
from wherry.host import Overlay
from wherry.oci.digest import DiffID
from wherry.trace.observe import CONTENT, NODE, Look, PathSet
from wherry.trace.session import TraceLost, TraceUnavailable

TEXT = "FROM b\nCOPY . /app\nRUN step\n"
READS_A = PathSet((Look(0, b"app/a", NODE | CONTENT), Look(0, b"app/gone", NODE)))


class FakeSession:
    def __init__(self, root_fd: int, finish: Callable[[], PathSet]) -> None:
        self.root_fd = root_fd
        self.finish = finish
        self.is_open = True

    def close(self) -> None:
        if self.is_open:
            os.close(self.root_fd)
        self.is_open = False


class FakeTracer:
    """`finish` tells what the step looked at, or raises."""

    def __init__(self, world: World, finish: Callable[[], PathSet] = lambda: READS_A) -> None:
        self.world = world
        self.finish = finish
        self.traced: list[tuple[int, ...]] = []
        self.sessions: list[FakeSession] = []

    def start(self, overlay: Overlay, traced: Sequence[int], cancel: Cancel) -> FakeSession:
        self.traced.append(tuple(traced))
        session = FakeSession(self.world.host.overlay(overlay), self.finish)
        self.sessions.append(session)
        return session


class Unavailable:
    def start(self, overlay: Overlay, traced: Sequence[int], cancel: Cancel) -> FakeSession:
        raise TraceUnavailable("no /dev/fuse")


class Workshop:
    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.output = b""
        folder.mkdir()
        (folder / "a").write_text("a")
        (folder / "b").write_text("b")

    def build(
        self,
        tracer: FakeTracer | Unavailable | None,
        executor: FakeExecutor,
        text: str = TEXT,
        *,
        remember: bool = True,
    ) -> Outcome:
        """What became of the last step."""
        world = self.world
        root_fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with world.leases.hold("test") as lease:
                bench = Bench(world.host, world.layers, lease, 0, Cancel(), None, tracer)
                solver = Solver(
                    bench, StepCache(world.db, remember=remember), FileHashes(None), executor, world.events,
                    Tree(root_fd, "context", True), lambda name, what: "/nowhere",
                )  # fmt: skip
                graph = world.plan(text)
                self.layers = solver.solve(graph, jobs=2)
                return solver.outcomes[len(graph.vertices) - 1]
        finally:
            os.close(root_fd)

    def count(self, table: str) -> int:
        found: int = self.world.db.read().execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return found


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    world = World(tmp_path)
    yield Workshop(world, tmp_path / "context")
    world.db.close()


def test_a_step_is_found_when_only_others_changed(shop: Workshop) -> None:
    tracer, executor = FakeTracer(shop.world), FakeExecutor(writes)
    first = shop.build(tracer, executor)
    assert (first.kind, tracer.traced) == ("none", [(1,)])
    made = shop.layers[-1]
    (shop.folder / "b").write_text("other")
    second = shop.build(tracer, executor)
    assert (second.kind, executor.ran, shop.layers[-1]) == ("traced", ["step"], made)
    assert second.trace.paths == READS_A
    assert shop.build(tracer, executor).kind == "ordinary"
    assert all(not session.is_open for session in tracer.sessions)


@pytest.mark.parametrize("name", ["a", "gone"])
def test_a_step_runs_again_when_what_it_looked_at_changed(shop: Workshop, name: str) -> None:
    tracer, executor = FakeTracer(shop.world), FakeExecutor(writes)
    shop.build(tracer, executor)
    (shop.folder / name).write_text("other")
    outcome = shop.build(tracer, executor)
    assert (outcome.kind, executor.ran) == ("none", ["step", "step"])
    assert outcome.trace.earlier is not None
    assert outcome.trace.earlier.values != outcome.trace.now


def test_it_goes_another_way_and_both_ways_are_known(shop: Workshop) -> None:
    executor = FakeExecutor(writes)
    shop.build(FakeTracer(shop.world), executor)
    (shop.folder / "a").write_text("other")
    other = PathSet((Look(0, b"app/a", NODE | CONTENT), Look(0, b"app/b", NODE | CONTENT)))
    shop.build(FakeTracer(shop.world, lambda: other), executor)
    assert shop.count("traced_paths") == 2
    (shop.folder / "more").write_text("")
    assert shop.build(FakeTracer(shop.world), executor).trace.paths == other
    (shop.folder / "a").write_text("a")
    assert shop.build(FakeTracer(shop.world), executor).trace.paths == READS_A
    assert executor.ran == ["step", "step"]


def test_nothing_is_traced_where_nothing_transparent_lies_below(shop: Workshop) -> None:
    tracer, executor = FakeTracer(shop.world), FakeExecutor(writes)
    outcome = shop.build(tracer, executor, "FROM b\nWORKDIR /w\nRUN step\n")
    assert (outcome.kind, tracer.traced, shop.count("traced_paths")) == ("none", [], 0)


def test_without_a_tracer_nothing_is_looked_up_or_kept(shop: Workshop) -> None:
    executor = FakeExecutor(writes)
    shop.build(FakeTracer(shop.world), executor)
    (shop.folder / "b").write_text("other")
    assert shop.build(None, executor).kind == "none"
    assert shop.count("traced_paths") == 1


def test_where_it_cannot_be_traced_it_runs_as_ever_and_it_is_said(shop: Workshop) -> None:
    executor = FakeExecutor(writes)
    outcome = shop.build(Unavailable(), executor)
    assert (outcome.kind, outcome.trace.untraced, executor.ran) == ("none", "no /dev/fuse", ["step"])
    assert shop.build(Unavailable(), executor).kind == "ordinary"
    assert shop.count("traced_paths") == 0


def lost() -> PathSet:
    raise TraceLost("the server was killed")


def test_a_lost_trace_throws_away_what_the_step_gave(shop: Workshop) -> None:
    """The first run saw failed reads: nothing of it may be in the layer, and no failure of it counts."""
    runs: list[str] = []

    def act(request: StepRequest) -> int:
        runs.append(request.upper)
        (Path(request.upper) / f"run{len(runs)}").write_text("")
        return 1 if len(runs) == 1 else 0

    outcome = shop.build(FakeTracer(shop.world, lost), FakeExecutor(act))
    assert (outcome.trace.untraced, len(set(runs))) == ("the server was killed", 2)
    assert os.listdir(shop.world.layers.path(shop.layers[-1])) == ["run2"]
    assert shop.count("traced_paths") == 0


def test_a_step_that_fails_fails_when_its_trace_is_whole(shop: Workshop) -> None:
    executor = FakeExecutor(lambda request: 3)
    with pytest.raises(StepFailed):
        shop.build(FakeTracer(shop.world), executor)
    assert executor.ran == ["step"]
    assert shop.count("traced_paths") == 0


def test_a_set_for_whole_layers_is_not_kept(shop: Workshop) -> None:
    outcome = shop.build(FakeTracer(shop.world, lambda: PathSet(is_whole=True)), FakeExecutor(writes))
    assert outcome.trace.paths == PathSet(is_whole=True)
    assert shop.count("traced_paths") == 0


def test_a_result_whose_layer_is_gone_is_made_again(shop: Workshop) -> None:
    tracer, executor = FakeTracer(shop.world), FakeExecutor(writes)
    shop.build(tracer, executor)
    gone: DiffID = shop.layers[-1]
    os.rename(os.path.dirname(shop.world.layers.path(gone)), shop.world.layers.path(shop.world.base) + "-aside")
    (shop.folder / "b").write_text("other")
    assert shop.build(tracer, executor).kind == "none"
    assert executor.ran == ["step", "step"]


def test_a_build_that_keeps_nothing_leaves_no_trace(shop: Workshop) -> None:
    shop.build(FakeTracer(shop.world), FakeExecutor(writes), remember=False)
    assert (shop.count("step"), shop.count("traced_paths")) == (0, 0)
