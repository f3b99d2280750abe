"""One flag stops an operation."""

from __future__ import annotations

import pytest

from wherry.cancel import Cancel
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
