from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import nearest


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("imgaes", ["images", "import"], "images"),
        ("deteach", ["detach", "attach"], "detach"),
        ("pyhton:3.10", ["python:3.11", "python:3.10"], "python:3.10"),
        ("x", ["y"], None),
        ("bad", ["all", "digests"], None),
        ("", ["a"], None),
    ],
)
def test_a_slip_of_the_fingers_is_found_and_a_guess_is_not(word: str, known: list[str], found: str | None) -> None:
    assert nearest(word, known) == found


@given(st.text(min_size=3, max_size=12), st.lists(st.text(max_size=12), max_size=6))
def test_what_is_known_is_nearest_to_itself(word: str, others: list[str]) -> None:
    assert nearest(word, [*others, word]) == word
