from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.dockerfile import ignore, states


@given(
    st.lists(st.sampled_from(["a", "b", "*", "**", "**/", "/", "?", "[ab]", "[^a]", "."]), min_size=1, max_size=8),
    st.text(alphabet="ab/.\n", max_size=14),
)
def test_it_matches_what_the_regular_expression_matches(parts: list[str], path: str) -> None:
    tokens = ignore._tokens("".join(parts))
    expression = ""
    for position, (kind, text) in enumerate(tokens):
        if kind == "deep":
            expression += ".*" if position == len(tokens) - 1 else "(?:.*/)?"
        else:
            expression += text if kind == "regex" else re.escape(text)
    assert states.matcher(tokens)(path) is (re.fullmatch(expression, path) is not None)


@pytest.mark.parametrize(
    "pattern",
    ["**/" * 12 + "x", "*a" * 20 + "b", "**a" * 12 + "b", "[a-z]*" * 15 + "!", "**/a**/b**/c"],
)  # fmt: skip
def test_no_pattern_takes_forever(pattern: str) -> None:
    """It would not end in years."""
    matcher = ignore.Matcher([pattern])
    assert not matcher.excludes("/".join(["a" * 30] * 20))
    assert not matcher.excludes("a" * 250)
    assert not matcher.excludes("a/" * 200)
