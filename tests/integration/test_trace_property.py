"""What must hold of every step: a trace changes nothing that the step does, and misses nothing that it depends on."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from tests.integration import trace_worlds
from tests.integration.trace_lab import Done, TraceLab
from tests.integration.trace_worlds import Held
from wherry.cancel import Cancel
from wherry.image.tar import diff, pack
from wherry.oci.digest import DiffID
from wherry.trace.values import Contents, values

pytestmark = pytest.mark.requires("root", "fuse")
EXAMPLES = int(os.environ.get("TRACE_EXAMPLES", "15"))
LIMITS = settings(
    max_examples=EXAMPLES,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_count = itertools.count()
# Random draws from one seed: a search for the smallest would hardly leave the simplest scripts
seeds = st.integers(0, 1 << 64)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> TraceLab:
    made = TraceLab(tmp_path_factory.mktemp("trace"))
    trace_worlds.fill(made.base / "app", {"b": ("folder", {"a": ("file", "base\n", 0o644)}, 0o755)})
    return made


def made(lab: TraceLab, held: Sequence[Held]) -> list[Path]:
    return [lab.layer(f"p{next(_count)}", lambda at, one=one: trace_worlds.fill(at / "app", one)) for one in held]  # type: ignore[misc]


def result(done: Done) -> tuple[int, bytes, DiffID]:
    """All that a step leaves: how it ended, what it said, its diff."""
    diff.normalise(str(done.upper), clamp_ns=10**18)
    found = pack.diff_id(str(done.upper))[0]
    shutil.rmtree(done.upper.parent)
    return done.status, done.output, found


@LIMITS
@given(seeds)
def test_a_traced_step_does_what_an_untraced_one_does(lab: TraceLab, seed: int) -> None:
    draw = Random(seed)
    layers = made(lab, [trace_worlds.layer(draw) for _ in range(draw.randint(1, 3))])
    script = trace_worlds.script(draw)
    assert result(lab.traced(layers, "/bin/sh", "-c", script)) == result(lab.untraced(layers, "/bin/sh", "-c", script))


@LIMITS
@given(seeds)
def test_equal_values_mean_an_equal_result(lab: TraceLab, seed: int) -> None:
    """The law of the traced cache: whoever finds the same at the same paths gets what the step would leave."""
    draw = Random(seed)
    held = [trace_worlds.layer(draw) for _ in range(2)]
    which = draw.choice([0, 1, 1])
    changed, where = trace_worlds.edited(draw, held[which])
    script = trace_worlds.script(draw, where)
    layers = made(lab, held)
    elsewhere = [*layers]
    elsewhere[which] = made(lab, [changed])[0]
    done = lab.traced(layers, "/bin/sh", "-c", script)
    assert done.seen is not None
    folders = [list(map(str, each)) for each in (layers, elsewhere)]
    before, after = (values(done.seen, each, Contents(Cancel())) for each in folders)
    event("equal" if before == after else "other values")
    if before == after:
        assert result(lab.untraced(elsewhere, "/bin/sh", "-c", script)) == result(done)
