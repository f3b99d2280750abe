from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import RegistryError
from wherry.registry.challenge import Challenge, best, parse


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
            [("bearer", {"realm": "https://auth.docker.io/token", "service": "registry.docker.io",
                         "scope": "repository:a/b:pull,push"})],
        ),
        ('Basic realm="a, \\"c\\"", Bearer realm="x"', [("basic", {"realm": 'a, "c"'}), ("bearer", {"realm": "x"})]),
        ("Bearer realm=https://x/token,service=y", [("bearer", {"realm": "https://x/token", "service": "y"})]),
        ("Basic", [("basic", {})]),
        (",, Negotiate , Basic realm=x", [("negotiate", {}), ("basic", {"realm": "x"})]),
        ('BEARER Realm = "x" , realm="evil"', [("bearer", {"realm": "x"})]),
        ('Bearer realm="never closed', [("bearer", {"realm": "never closed"})]),
        ("", []),
        ("\"'", [("'", {})]),
    ],
)  # fmt: skip
def test_challenges_are_read_as_registries_write_them(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert [(one.scheme, dict(one.parameters)) for one in parse(header)] == expected


def test_a_challenge_of_a_megabyte_is_refused() -> None:
    with pytest.raises(RegistryError, match="refused"):
        parse('Bearer realm="' + "a" * (1 << 20))


def test_bearer_with_a_realm_wins_over_basic() -> None:
    assert best(["Basic realm=a", "Bearer service=no-realm", 'Bearer realm="r"']) == Challenge("bearer", {"realm": "r"})
    assert best(["Negotiate", "Basic realm=a"]) == Challenge("basic", {"realm": "a"})
    assert best(["Bearer service=x"]) is None


@given(st.text(max_size=300))
def test_no_header_breaks_the_parser(header: str) -> None:
    parse(header)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text(max_size=20), min_size=1, max_size=5))
def test_what_is_quoted_is_read_back(parameters: dict[str, str]) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    header = "Bearer " + ", ".join(f"{name}={quoted(value)}" for name, value in parameters.items())
    assert parse(header) == [Challenge("bearer", parameters)]
