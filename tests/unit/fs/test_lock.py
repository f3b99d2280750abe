"""Who waits for a lock stands in the kernel's queue, and leaves nothing in it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from wherry.errors import Locked
from wherry.fs.lock import locked

PATIENCE_S = 20.0


def waiters(path: Path) -> int:
    """How many the kernel has in the queue for that file."""
    inode = f":{path.stat().st_ino} "
    lines = Path("/proc/locks").read_text().splitlines()
    return sum(" -> " in line and inode in line for line in lines)


def eventually(condition: object, *args: object) -> None:
    tick = threading.Event()
    for _ in range(2000):
        if condition(*args):  # type: ignore[operator]
            return
        tick.wait(0.01)
    raise AssertionError("not within 20 s")


def test_one_attempt_is_made_without_patience(tmp_path: Path) -> None:
    path, refused = str(tmp_path / "lock"), pytest.raises(Locked, match="the thing is in use")
    with locked(path), refused, locked(path, timeout_s=0, what="the thing"):
        raise AssertionError("had it twice")


def test_who_waits_has_it_when_it_is_free(tmp_path: Path) -> None:
    path, order = tmp_path / "lock", []

    def wait(name: str) -> None:
        with locked(str(path), timeout_s=PATIENCE_S):
            order.append(name)

    threads = [threading.Thread(target=wait, args=(name,)) for name in "abc"]
    with locked(str(path)):
        for number, thread in enumerate(threads):
            thread.start()
            eventually(lambda number=number: waiters(path) == number + 1)
        order.append("holder")
    for thread in threads:
        thread.join(PATIENCE_S)
    assert order[0] == "holder"
    assert sorted(order[1:]) == ["a", "b", "c"]


def test_who_has_waited_in_vain_does_not_have_it_later(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(str(path)):
        with pytest.raises(Locked), locked(str(path), timeout_s=0.05):
            raise AssertionError("had it twice")
        assert waiters(path) == 1, "it stands in the queue still"
    with locked(str(path), timeout_s=PATIENCE_S):
        eventually(lambda: waiters(path) == 0)


def test_readers_share_and_a_writer_waits_for_them(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    two = locked(path, shared=True), locked(path, shared=True, timeout_s=0)
    with two[0], two[1], pytest.raises(Locked), locked(path, timeout_s=0):
        raise AssertionError("had it beside readers")
    with locked(path, timeout_s=0):
        pass
