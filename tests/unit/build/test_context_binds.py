"""RUN --mount=type=bind of the build context: what is mounted is what the step's key was made of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.build.test_solve import FakeExecutor, World, writes
from wherry.build.cache import StepCache
from wherry.build.filehash import FileHashes
from wherry.build.ops.layer import Bench
from wherry.build.solve import Solver
from wherry.build.tree import Tree
from wherry.cancel import Cancel
from wherry.errors import BuildError

STEP = "FROM b\nRUN --mount=type=cache,id=l,sharing=locked,target=/c --mount=type=bind,source=a,target=/a read\n"
# Long enough to be looked at before it is copied: then the test needs no right to give files away
LENGTH = 100_000


class EditingFolders:
    """Changes the file while the step takes its cache: after its key was made, before its binds are mounted."""

    def __init__(self, cache: Path, file: Path) -> None:
        self.cache, self.file = cache, file
        cache.mkdir()

    def __call__(self, name: str, what: str) -> str:
        self.file.write_text("2" * LENGTH)
        return str(self.cache)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.db.close()


def test_a_bind_that_changed_while_its_step_waited_is_refused(world: World, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "a").write_text("1" * LENGTH)
    root_fd = os.open(context, os.O_RDONLY | os.O_DIRECTORY)
    executor = FakeExecutor(writes)
    folders = EditingFolders(tmp_path / "cache", context / "a")
    try:
        with world.leases.hold("test") as lease:
            bench = Bench(world.host, world.layers, lease, 0, Cancel())
            tree = Tree(root_fd, "the build context", True)
            solver = Solver(
                bench, StepCache(world.db), FileHashes(world.db), executor, world.events, tree, folders
            )  # fmt: skip
            with pytest.raises(BuildError, match='"/a" in the build context changed while it was copied'):
                solver.solve(world.plan(STEP))
    finally:
        os.close(root_fd)
    assert executor.ran == []
