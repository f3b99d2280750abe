"""The lock of a project: two holders in one process are two open files, as in two processes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from wherry.cancel import Cancel
from wherry.compose.lock import ProjectLock
from wherry.errors import Cancelled


def _lock(
    folder: Path, project: str = "demo", said: list[str] | None = None, cancel: Cancel | None = None
) -> ProjectLock:
    return ProjectLock(
        str(folder / "compose"), project, "up", say=(said if said is not None else []).append, cancel=cancel or Cancel()
    )


def test_the_second_waits_says_for_whom_and_goes_on_when_the_first_is_done(tmp_path: Path) -> None:
    said: list[str] = []
    first, order = _lock(tmp_path), []
    has_said = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        has_said.set()

    def second() -> None:
        with ProjectLock(str(tmp_path / "compose"), "demo", "down", say=say, cancel=Cancel()):
            order.append("second")

    first.acquire()
    thread = threading.Thread(target=second)
    thread.start()
    assert has_said.wait(10)
    order.append("first")
    first.release()
    thread.join(10)
    assert order == ["first", "second"]
    assert said == [f"Waiting for wherry compose up (process {os.getpid()}), which works on project demo"]


def test_projects_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with _lock(tmp_path, "demo"), _lock(tmp_path, "other"):
        pass


def test_nothing_is_left_of_a_lock_that_nobody_holds(tmp_path: Path) -> None:
    lock = _lock(tmp_path)
    with lock:
        assert lock.is_held
        lock.acquire()
        lock.release()
        lock.acquire()
    assert os.listdir(tmp_path / "compose") == []


def test_who_waited_for_a_file_that_is_removed_takes_the_new_one(tmp_path: Path) -> None:
    """Many in turn: each must have been alone, whichever file it waited for."""
    inside: list[int] = []
    faults: list[str] = []

    def work() -> None:
        for _ in range(20):
            with _lock(tmp_path, cancel=Cancel(60)):
                inside.append(1)
                if len(inside) != 1:
                    faults.append("two at once")
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert not faults


def test_waiting_can_be_cancelled(tmp_path: Path) -> None:
    cancel = Cancel()
    cancel.set("interrupted")
    with _lock(tmp_path), pytest.raises(Cancelled, match="interrupted"):
        _lock(tmp_path, cancel=cancel).acquire()


@pytest.mark.parametrize("name", ["x" * 300, "../../etc", "a/b", "", "=", "\udcff"])
def test_whatever_a_project_is_called_it_has_a_lock_in_the_folder(tmp_path: Path, name: str) -> None:
    with _lock(tmp_path, name):
        assert len(os.listdir(tmp_path / "compose")) == 1
