"""Large documents take turns; small ones wait for nobody."""

from __future__ import annotations

import threading

import pytest

from wherry.registry.server.memory import LARGE_BYTES, Turns


def test_a_large_document_waits_for_another_and_a_small_one_does_not() -> None:
    turns, order, waiting = Turns(), [], threading.Event()

    def second() -> None:
        waiting.set()
        with turns.turn(LARGE_BYTES + 1):
            order.append("large")

    with turns.turn(LARGE_BYTES + 1):
        thread = threading.Thread(target=second)
        thread.start()
        waiting.wait()
        with turns.turn(LARGE_BYTES):
            order.append("small")
        order.append("first")
    thread.join()
    assert order == ["small", "first", "large"]


def test_a_turn_that_fails_lets_the_next_one_go() -> None:
    turns = Turns()
    with pytest.raises(ValueError), turns.turn(LARGE_BYTES + 1):
        raise ValueError
    with turns.turn(LARGE_BYTES + 1):
        pass
