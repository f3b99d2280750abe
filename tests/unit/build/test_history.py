from __future__ import annotations

import pytest

from wherry.build import history
from wherry.oci.config import Healthcheck, History

MADE, EMPTY = History("made"), History("empty", empty_layer=True)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0s"), (5 * 10**9, "5s"), (1_500_000_000, "1.5s"), (250_000_000, "250ms"), (90 * 10**9, "1m30s"),
        (3600 * 10**9, "1h0m0s"), (3_723_000_000_000, "1h2m3s"),
    ],
)  # fmt: skip
def test_durations_are_written_as_go_writes_them(ns: int, text: str) -> None:
    assert f'"{text}"' in history.healthcheck(Healthcheck(("CMD", "x"), interval_ns=ns))


def test_retries_are_written_as_go_writes_a_rune() -> None:
    assert history.healthcheck(Healthcheck(("NONE",), retries=3)).endswith("'\\x03'}")


@pytest.mark.parametrize("layers", [0, 1, 2, 5])
@pytest.mark.parametrize("entries", [(), (MADE,), (MADE, EMPTY, MADE), (EMPTY,)])
def test_history_always_adds_up_to_the_layers(entries: tuple[History, ...], layers: int) -> None:
    found = history.matching(entries, layers)
    assert sum(not one.empty_layer for one in found) == layers
    assert len(found) >= len(entries)


def test_quotes_in_a_command_are_escaped() -> None:
    assert history.command("CMD", ["a", 'say "hi"']) == 'CMD ["a" "say \\"hi\\""]'


def test_times_are_rfc_3339() -> None:
    assert history.rfc3339(1_700_000_000 * 10**9) == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("added", "comments"),
    [
        ((), ["", "", ""]),
        ((("",), ("",)), ["", "", ""]),
        ((("",), ("torch", "")), ["", "", "torch", ""]),
        ((("a", "b", ""), ("",)), ["a", "b", "", "", ""]),
        # The layers of a base image come before all steps
        ((("torch", ""),), ["", "", "torch", ""]),
    ],
)
def test_a_step_has_an_entry_for_each_of_its_layers(added: tuple[tuple[str, ...], ...], comments: list[str]) -> None:
    found = history.spread((MADE, EMPTY, MADE), added)
    assert [one.comment for one in found] == comments
    assert [one for one in found if one.empty_layer] == [EMPTY]
