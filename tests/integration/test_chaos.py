"""A short run of `make chaos` (tests/chaos): the long one is for before a release."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.acts import draw
from tests.chaos.crowd import crowd
from tests.chaos.run import chaos

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")


@pytest.mark.parametrize("seed", [11, 12])
def test_nothing_is_lost_or_left_when_anything_is_killed(tmp_path: Path, seed: int) -> None:
    outcome = chaos(tmp_path, 40, seed, lambda _: None)
    assert outcome.faults == ()
    assert outcome.acts == 40
    assert outcome.killed > 5


def test_sixteen_clients_at_once_get_on_with_each_other(tmp_path: Path) -> None:
    """`python -m tests.chaos --clients 16 --seconds 300` is the long one."""
    outcome = crowd(tmp_path, 16, 21, lambda count, _: count < 5, lambda _: None)
    assert outcome.faults == ()
    assert outcome.commands == 80
    assert outcome.words


def test_what_is_drawn_depends_on_the_seed_alone() -> None:
    import random

    first, second = ([draw(random.Random(seed), n) for n in range(50)] for seed in (3, 3))
    assert first == second
