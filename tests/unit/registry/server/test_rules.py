from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InputError
from wherry.registry.server.rules import Rules, parse

TEXT = """
# who may do what
[groups]
team = ["anna", "ben"]

[[rule]]
repositories = ["team/**"]
groups = ["team"]
actions = ["pull", "push"]

[[rule]]
repositories = ["public/*", "**/open"]
anonymous = true
actions = ["pull"]

[[rule]]
repositories = ["**"]
users = ["root"]
actions = ["pull", "push", "delete"]

[[rule]]
repositories = ["shared"]
users = ["*"]
actions = ["pull"]
"""


@pytest.mark.parametrize(
    ("user", "action", "repository", "allowed"),
    [
        ("anna", "push", "team/app", True),
        ("anna", "push", "team/deep/app", True),
        ("anna", "delete", "team/app", False),
        ("anna", "push", "team", False),
        ("anna", "push", "teams/app", False),
        ("carl", "pull", "team/app", False),
        ("", "pull", "team/app", False),
        ("", "pull", "public/app", True),
        ("", "pull", "public/deep/app", False),
        ("", "push", "public/app", False),
        ("", "pull", "open", True),
        ("", "pull", "a/b/open", True),
        ("", "pull", "a/b/reopen", False),
        ("anna", "pull", "public/app", True),
        ("root", "delete", "anything/at/all", True),
        ("carl", "pull", "shared", True),
        ("", "pull", "shared", False),
        ("*", "pull", "team/app", False),
    ],
)
def test_what_a_rule_allows_is_allowed_and_nothing_else(
    user: str, action: str, repository: str, *, allowed: bool
) -> None:
    assert parse(TEXT, "rules.toml").allow(user, action, repository) is allowed


def test_no_rule_allows_nothing() -> None:
    assert parse("", "rules.toml") == Rules(())
    assert not parse("", "rules.toml").allow("root", "pull", "a")


def test_rules_for_those_without_a_login_are_told_apart() -> None:
    assert parse(TEXT, "x").have_anonymous
    assert not parse('[[rule]]\nrepositories=["a"]\nusers=["*"]\nactions=["pull"]', "x").have_anonymous


RULE = '[[rule]]\nrepositories = ["a"]\nusers = ["b"]\nactions = ["pull"]\n'
BROKEN = {
    "syntax": ("x = [", 1, "not TOML"),
    "unknown top": (RULE + "\n[other]\n", 6, "unknown key 'other'"),
    "single brackets": ('[rule]\nrepositories = ["a"]', 1, "two brackets"),
    "unknown key": (RULE + RULE + 'user = ["x"]\n', 9, "unknown key 'user'"),
    "unknown action": (RULE.replace("pull", "read"), 4, "unknown action 'read'"),
    "unknown group": (RULE.replace("users", "groups"), 3, "no group 'b'"),
    "no repositories": (RULE.replace('repositories = ["a"]', ""), 1, "repositories: expected"),
    "text for a list": (RULE + RULE.replace('["pull"]', '"pull"'), 8, "actions: expected a list"),
    "nobody": (RULE.replace('users = ["b"]', ""), 1, "for nobody"),
    "bad pattern": (RULE.replace('["a"]', '["A b"]'), 2, "bad pattern"),
    "three stars": (RULE.replace('["a"]', '["a/***"]'), 2, "bad pattern"),
    "anonymous": (RULE + 'anonymous = "yes"\n', 5, "expected true or false"),
    "group": ("[groups]\nteam = 3\n", 2, "expected a list of users"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_fault_says_its_line(case: str) -> None:
    text, line, words = BROKEN[case]
    with pytest.raises(InputError) as fault:
        parse(text, "rules.toml")
    assert fault.value.where == f"rules.toml:{line}"
    assert words in fault.value.message


@given(st.text(alphabet="ab*/", max_size=12), st.text(alphabet="ab/", max_size=20))
def test_any_pattern_is_a_fault_or_matches_in_no_time(pattern: str, name: str) -> None:
    text = f'[[rule]]\nrepositories = ["{pattern}"]\nanonymous = true\nactions = ["pull"]\n'
    try:
        rules = parse(text, "x")
    except InputError:
        return
    allowed = rules.allow("", "pull", name)
    if "*" not in pattern:
        assert allowed == (pattern == name)
