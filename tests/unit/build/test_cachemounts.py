"""Cache mounts: which ones are the same, who waits for whom, and what they begin as."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.unit.build.test_solve import World
from wherry.build.graph import RunMount
from wherry.build.ops.cachemounts import CacheMounts, cache_name
from wherry.build.ops.layer import Bench
from wherry.cancel import Cancel
from wherry.errors import Cancelled
from wherry.oci.digest import DiffID

SEED = (DiffID.of(b"seed"),)
ONE = RunMount("cache", "/c", id="k")


def test_a_cache_is_known_by_its_id_and_what_it_began_as() -> None:
    others = [
        ONE._replace(id="j"), ONE._replace(mode=0o755), ONE._replace(mode=0o700), ONE._replace(mode=0o755, uid=1),
        ONE._replace(mode=0o755, gid=1),
    ]  # fmt: skip
    names = [cache_name(one, ()) for one in (ONE, *others)]
    names += [cache_name(ONE, SEED), cache_name(ONE._replace(source="/x"), SEED)]
    assert len(set(names)) == len(names)
    same = ONE._replace(target="/elsewhere", readonly=True, sharing="locked", required=True)
    assert cache_name(same, ()) == names[0]


class Shelf:
    """One folder of caches, and steps that use it."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.folder = folder / "mounts"
        self.folder.mkdir()
        self.used: list[tuple[str, str]] = []

    def __call__(self, name: str, what: str) -> str:
        self.used.append((name, what))
        return str(self.folder / name)

    def step(self, stack: ExitStack, cancel: Cancel | None = None) -> CacheMounts:
        lease = stack.enter_context(self.world.leases.hold("test"))
        bench = Bench(self.world.host, self.world.layers, lease, 0, cancel or Cancel())
        return CacheMounts(bench, self, stack)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path)
    yield shelf
    shelf.world.db.close()


def test_the_folder_is_made_once_and_kept(shelf: Shelf) -> None:
    for _ in range(2):
        with ExitStack() as stack:
            path = Path(shelf.step(stack).folder(ONE, ()))
            (path / "f").write_text("x")
    assert shelf.used == [(cache_name(ONE, ()), "k")] * 2
    assert path.stat().st_mode & 0o777 == 0o755


def test_shared_steps_use_one_folder_at_the_same_time(shelf: Shelf) -> None:
    with ExitStack() as stack, ExitStack() as other:
        assert shelf.step(stack).folder(ONE, ()) == shelf.step(other).folder(ONE, ())


def test_a_private_one_in_use_gives_the_next_one_which_lasts_too(shelf: Shelf) -> None:
    private = ONE._replace(sharing="private")
    for _ in range(2):
        with ExitStack() as stack, ExitStack() as other:
            first, second = shelf.step(stack).folder(private, ()), shelf.step(other).folder(private, ())
            assert second == f"{first}-1"
            if _:
                assert (Path(second) / "kept").exists()
            (Path(second) / "kept").touch()


def test_a_locked_one_in_use_is_waited_for_until_the_build_ends(shelf: Shelf) -> None:
    locked = ONE._replace(sharing="locked")
    cancel = Cancel()
    cancel.set("enough")
    with ExitStack() as stack, ExitStack() as other:
        first = shelf.step(stack).folder(locked, ())
        with pytest.raises(Cancelled):
            shelf.step(other, cancel).folder(locked, ())
        stack.close()
        assert shelf.step(other).folder(locked, ()) == first


def test_a_step_does_not_wait_for_itself(shelf: Shelf) -> None:
    locked, cancel = ONE._replace(sharing="locked"), Cancel()
    with ExitStack() as stack:
        step = shelf.step(stack, cancel)
        first = step.folder(locked, ())
        cancel.set("whoever waits now would wait for ever")
        assert step.folder(locked._replace(target="/d"), ()) == first


@pytest.mark.requires("root")
def test_owner_and_mode_are_those_that_the_mount_names(shelf: Shelf) -> None:
    with ExitStack() as stack:
        found = os.stat(shelf.step(stack).folder(ONE._replace(mode=0o2770, uid=3, gid=4), ()))
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o2770, 3, 4)
