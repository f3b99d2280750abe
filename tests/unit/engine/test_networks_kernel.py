"""When this kernel counts as one without nft for bridges."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wherry.engine import Engine
from wherry.errors import RuntimeFailure
from wherry.host import Command, Completed
from wherry.host.fake import FakeHost
from wherry.settings import Paths, Settings

KILLED, REFUSED, GOOD = Completed(137, b"", b""), Completed(1, b"", b"Error: No such file"), Completed(0, b"", b"")


def kernel_of(tmp_path: Path, *answers: Completed) -> tuple[Engine, list[Command]]:
    """An engine whose programs answer so, one after the other, and what they were asked."""
    asked: list[Command] = []
    given = iter(answers)

    def answer(command: Command) -> Completed:
        asked.append(command)
        return next(given)

    os.mkdir(tmp_path / "run")
    return Engine(Settings(Paths(str(tmp_path), str(tmp_path / "run")), {}, 0, "/"), FakeHost(answer=answer)), asked


@pytest.mark.parametrize("answers", [(KILLED, GOOD), (REFUSED, GOOD), (REFUSED, KILLED)])
def test_a_failure_says_nothing_of_a_kernel_that_takes_such_rules(
    tmp_path: Path, answers: tuple[Completed, ...]
) -> None:
    """A killed nft made wherry do without the bridge's table for good, and leave the one that was there."""
    engine, asked = kernel_of(tmp_path, *answers)
    with engine, pytest.raises(RuntimeFailure):
        engine.networks.kernel.replace_rules()
    assert engine.networks.kernel.has_bridge_rules
    assert "-c" in asked[1].argv


def test_a_kernel_that_refuses_even_the_question_is_remembered(tmp_path: Path) -> None:
    engine, asked = kernel_of(tmp_path, REFUSED, REFUSED, GOOD)
    with engine:
        engine.networks.kernel.replace_rules()
        assert not engine.networks.kernel.has_bridge_rules
    assert b"bridge" not in (asked[2].stdin or b"")
