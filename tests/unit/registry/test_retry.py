from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.registry.retry import Retry, retry_after_s


def test_waits_double_up_to_the_cap_and_chance_shortens_them() -> None:
    never = Retry(base_s=0.5, cap_s=3, chance=lambda: 0.0)
    assert [never.wait_s(n) for n in (1, 2, 3, 4, 99)] == [0.5, 1, 2, 3, 3]
    assert Retry(base_s=2, chance=lambda: 0.999999).wait_s(1) == pytest.approx(1.0, rel=1e-3)


def test_retry_after_counts_but_never_for_longer_than_the_cap() -> None:
    rule = Retry(cap_s=60, chance=lambda: 0.5)
    assert rule.wait_s(1, "7") == 7
    assert rule.wait_s(1, "1000000000") == 60
    assert rule.wait_s(1, "9" * 5000) == 60
    assert rule.wait_s(1, "soon") == pytest.approx(0.375)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120), (" 0 ", 0), ("-5", None), ("", None), (None, None), ("1.5", None), ("x" * 100, None),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20), ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("²", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert retry_after_s(text, 100.0) == seconds


@given(st.text(max_size=80))
def test_no_retry_after_breaks_the_rule(text: str) -> None:
    assert 0 <= Retry().wait_s(1, text) <= 60
