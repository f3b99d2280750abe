"""A short run of `make chaos` (tests/chaos): the long one is for before a release."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.acts import draw
from tests.chaos.run import chaos

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")


@pytest.mark.parametrize("seed", [11, 12])
def test_nothing_is_lost_or_left_when_anything_is_killed(tmp_path: Path, seed: int) -> None:
    outcome = chaos(tmp_path, 40, seed, lambda _: None)
    assert outcome.faults == ()
    assert outcome.acts == 40
    assert outcome.killed > 5


def test_what_is_drawn_depends_on_the_seed_alone() -> None:
    import random

    first, second = ([draw(random.Random(seed), n) for n in range(50)] for seed in (3, 3))
    assert first == second
