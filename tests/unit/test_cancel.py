"""One flag stops an operation."""

from __future__ import annotations

from threading import Semaphore, Thread

import pytest

from wherry.cancel import Cancel, Within
from wherry.errors import Cancelled


def test_the_first_reason_stays() -> None:
    cancel = Cancel()
    cancel.check()
    cancel.set("Ctrl-C")
    cancel.set("a later failure")
    with pytest.raises(Cancelled, match="Ctrl-C"):
        cancel.check()
    assert Cancelled.exit_code == 130


def test_a_deadline_sets_it_and_cuts_waiting_short() -> None:
    cancel = Cancel(timeout_s=0)
    assert cancel.wait(60)
    assert cancel.reason == "deadline exceeded"


def test_all_that_wait_are_woken_once_it_is_set() -> None:
    """The event that wakes them is made by the first: none may wait for another one."""
    cancel, began = Cancel(), Semaphore(0)
    woken = []

    def sleep() -> None:
        began.release()
        woken.append(cancel.wait(60))

    threads = [Thread(target=sleep) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in threads:
        began.acquire()
    cancel.set()
    for thread in threads:
        thread.join(30)
    assert woken == [True] * len(threads)


def test_a_deadline_inside_of_another_operation_ends_with_it() -> None:
    outer = Cancel()
    inner = Within(outer, 3600)
    assert not inner.wait(0.001)
    outer.set("canceled")
    assert inner.wait(3600)
    assert inner.reason == "canceled"


def test_the_deadline_inside_leaves_the_operation_alone() -> None:
    outer = Cancel()
    assert Within(outer, 0).is_set()
    assert not outer.is_set()
