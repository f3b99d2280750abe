"""OOM kills are counted and told, whichever cgroup version counts them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wherry.runtime.monitor_oom import Oom, kills

V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"
V2 = "low 0\nhigh 0\nmax 31\noom 1\noom_kill {}\noom_group_kill 0\n"


class Loop:
    def __init__(self) -> None:
        self.calls: dict[int, Callable[[int], None]] = {}

    def watch(self, fd: int, events: int, call: Callable[[int], None]) -> None:
        self.calls[fd] = call

    def forget(self, fd: int) -> None:
        self.calls.pop(fd, None)


@pytest.mark.parametrize(
    ("text", "count"), [(V1.format(3), 3), (V2.format(2), 2), ("", 0), ("oom_kill_disable 1\n", 0)]
)
def test_kills_are_read_from_either_version(text: str, count: int) -> None:
    assert kills(text.encode()) == count


def begun(folder: Path, text: str = V2) -> tuple[Oom, Any, list[str], Path]:
    file, loop, said = folder / "memory.events", Loop(), []
    file.write_text(text.format(1))
    oom = Oom(loop, ["/nowhere/memory.oom_control", str(file)], lambda: said.append("oom"))  # type: ignore[arg-type]
    oom.begin()
    return oom, loop, said, file


def test_a_kill_is_told_at_once_and_not_again_at_the_end(tmp_path: Path) -> None:
    oom, loop, said, file = begun(tmp_path)
    (wake,) = loop.calls.values()
    wake(0)
    assert said == []
    file.write_text(V2.format(2))
    wake(0)
    wake(0)
    assert said == ["oom"]
    assert oom.happened()
    assert said == ["oom"]


def test_a_kill_before_anybody_watched_is_told_once(tmp_path: Path) -> None:
    oom, loop, said, file = begun(tmp_path)
    file.write_text(V2.format(2))
    oom.begin(1)
    (wake,) = loop.calls.values()
    oom.catch_up()
    wake(0)
    assert said == ["oom"]
    file.write_text(V2.format(3))
    wake(0)
    assert said == ["oom", "oom"]


def test_nothing_is_caught_up_with_when_nothing_was(tmp_path: Path) -> None:
    oom, _, said, _ = begun(tmp_path)
    oom.begin(1)
    oom.catch_up()
    assert said == []


def test_a_kill_that_nobody_was_woken_for_is_told_at_the_end(tmp_path: Path) -> None:
    oom, _, said, file = begun(tmp_path)
    file.write_text(V2.format(2))
    assert oom.happened()
    assert said == ["oom"]


def test_kills_of_an_earlier_run_do_not_count_for_the_next(tmp_path: Path) -> None:
    oom, loop, said, file = begun(tmp_path)
    file.write_text(V2.format(5))
    oom.begin()
    assert not oom.happened()
    assert said == []
    assert len(loop.calls) == 1, "the first run's watch is gone"


def test_a_cgroup_that_goes_is_no_kill(tmp_path: Path) -> None:
    oom, _, said, file = begun(tmp_path)
    file.unlink()
    assert not oom.happened()
    assert said == []
