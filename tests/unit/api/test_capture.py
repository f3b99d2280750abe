"""Outputs caught, and an end put to what takes too long."""

from __future__ import annotations

import os
import threading

import pytest

from wherry.api.capture import capture
from wherry.api.finished import Finished
from wherry.runtime.attach import Streams


def test_outputs_and_input_go_through_pipes() -> None:
    def work(streams: Streams) -> int:
        os.write(streams.stdout, b"out " + os.read(streams.stdin, 100))
        os.write(streams.stderr, b"err")
        return 3

    assert capture(work, b"in", None, lambda: None) == (Finished(3, b"out in", b"err"), False)


def test_a_deadline_before_the_begin_ends_it_too() -> None:
    """The first calls find nothing to end: a container that is not started yet."""
    ended, calls = threading.Event(), []

    def end() -> None:
        calls.append(1)
        if len(calls) < 3:
            raise RuntimeError("it does not run")
        ended.set()

    def work(_: Streams) -> int:
        return 0 if ended.wait(20) else 1

    finished, is_late = capture(work, None, 0, end)
    assert (finished.code, is_late) == (0, True)


def test_nothing_stays_open_and_no_thread_after_a_fault() -> None:
    def work(_: Streams) -> int:
        raise KeyboardInterrupt

    fds, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            capture(work, b"x" * 1_000_000, 100, lambda: None)
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == (fds, threads)
