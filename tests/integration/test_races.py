"""Two commands that meet at the worst moment, which the test itself brings about."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import pytest

from tests.integration.container_lab import Wherry, eventually, traces
from wherry.engine import Engine, containers_commit, containers_create, containers_rows, containers_tree
from wherry.engine.containers_lock import held
from wherry.engine.containers_rows import ContainerRow
from wherry.errors import Conflict, Locked, NotFound
from wherry.fs.lock import locked
from wherry.runtime.options import RunOptions

pytestmark = pytest.mark.requires("root", "runc", "busybox")
ALONE = ("--network", "none")


def test_a_container_that_is_being_made_can_not_be_removed_under_its_maker(
    wherry: Wherry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is there before its folder: a removal in between left a folder that no row knew."""
    with wherry.engine() as engine, wherry.engine() as other:
        made = engine.containers.bundle
        refused: list[Locked] = []

        def bundle(id: str) -> str:
            if not refused:
                with pytest.raises(Locked) as caught, held(other, containers_rows.find(other.db, "box"), timeout_s=0):
                    pass
                refused.append(caught.value)
            return made(id)

        monkeypatch.setattr(engine.containers, "bundle", bundle)
        row = engine.containers.create("busybox", RunOptions(name="box", network="none"))
        assert refused
        with pytest.raises(Conflict):
            engine.containers.create("busybox", RunOptions(name="box", network="none"))
    wherry("rm", "box")
    assert not Path(wherry.paths.containers, row.id).exists()
    assert os.listdir(f"{wherry.paths.run}/locks") == []


def test_who_comes_after_a_removal_leaves_no_lock_behind(wherry: Wherry) -> None:
    """It found the row, then the container went, then it made the lock's file again."""
    with wherry.engine() as engine:
        row = engine.containers.create("busybox", RunOptions(name="box", network="none"))
        wherry("rm", "box")
        with pytest.raises(NotFound), held(engine, row):
            engine.containers.find(row.id)
    assert os.listdir(f"{wherry.paths.run}/locks") == []


def test_who_mounts_a_container_that_has_gone_makes_nothing_of_it_again(wherry: Wherry) -> None:
    """cp, export and commit find the row, wait for the lock, and the container is removed meanwhile."""
    with wherry.engine() as engine:
        row = engine.containers.create("busybox", RunOptions(name="box", network="none"))
        wherry("rm", "box")
        for enter in (
            lambda: containers_rows.root_fd(engine, row), lambda: containers_tree.own_root(engine, row),
        ):  # fmt: skip
            with pytest.raises(NotFound), enter():
                pass
        with pytest.raises(NotFound):
            containers_commit.commit(engine, row, containers_commit.CommitRequest())
    assert not Path(wherry.paths.containers, row.id).exists()
    assert os.listdir(f"{wherry.paths.run}/locks") == []


@pytest.mark.parametrize("remove", [False, True], ids=["kept", "rm"])
def test_a_container_that_is_removed_before_its_run_begins_does_not_run(
    wherry: Wherry, monkeypatch: pytest.MonkeyPatch, *, remove: bool
) -> None:
    """Its row is there and nobody holds its lock yet: then it would have run with no row, for ever."""
    with wherry.engine() as engine:
        store = containers_create.store

        def then_removed(engine_: Engine, row: ContainerRow) -> None:
            store(engine_, row)
            wherry("rm", row.name)

        monkeypatch.setattr(containers_create, "store", then_removed)
        options = RunOptions(name="box", network="none", remove=remove, command=("sleep", "1000"))
        with pytest.raises(NotFound, match="No such container"):
            engine.containers.run("busybox", options)
    assert traces(wherry.paths) == []


@pytest.mark.requires("nft", "ip")
@pytest.mark.parametrize("remove", ["remove", "prune"])
def test_a_network_that_is_removed_while_its_last_container_goes_leaves_no_bridge(
    wherry: Wherry, monkeypatch: pytest.MonkeyPatch, remove: str
) -> None:
    """The container has no address any more, and its bridge is still to be looked for in the networks' rows."""
    wherry("network", "create", "net")
    wherry("run", "-d", "--network", "net", "--name", "box", "busybox", "sleep", "1000")
    with wherry.engine() as engine, wherry.engine() as other:
        kernel = engine.networks.kernel
        drop, gone = kernel.drop, []
        verb = (lambda: other.networks.remove("net")) if remove == "remove" else other.networks.prune
        thread = Thread(target=lambda: gone.append(verb()))

        def with_another(links: Sequence[str], lock_fd: int) -> None:
            thread.start()
            inode = f":{os.fstat(lock_fd).st_ino} "
            locks = Path("/proc/locks")
            eventually(
                lambda: any(" -> " in one and inode in one for one in locks.read_text().splitlines()), "it waits"
            )
            assert not gone
            drop(links, lock_fd)

        monkeypatch.setattr(kernel, "drop", with_another)
        engine.containers.remove("box", force=True)
        thread.join(60)
        assert gone
        assert "net" not in [one.name for one in other.networks.all()]
    eventually(lambda: not traces(wherry.paths), "nothing is left")


def test_a_prune_takes_the_lock_that_a_killed_command_left_of_nobody(wherry: Wherry) -> None:
    left, used = (Path(wherry.paths.run) / "locks" / (digit * 64) for digit in "ab")
    wherry("run", "--rm", *ALONE, "busybox", "true")
    left.touch()
    with locked(str(used)):
        wherry("container", "prune", "-f")
        assert (left.exists(), used.exists()) == (False, True)
    wherry("container", "prune", "-f")
    assert not used.exists()


def test_who_waited_for_the_lock_of_a_removed_container_holds_the_next_ones(wherry: Wherry) -> None:
    path = Path(wherry.paths.run) / "locks" / wherry("create", *ALONE, "--name", "waited", "busybox").stdout.strip()
    with locked(str(path)):
        waits = wherry.spawn("start", "waited")
        eventually(lambda: f":{path.stat().st_ino} " in Path("/proc/locks").read_text().partition("->")[2], "it waits")
        path.unlink()
        path.touch()
        other = os.open(path, os.O_RDWR)
        fcntl.flock(other, fcntl.LOCK_EX)
    time.sleep(0.2)
    assert waits.poll() is None
    os.close(other)
    waits.communicate(timeout=20)
    assert waits.returncode == 0
    wherry("rm", "-f", "waited")
