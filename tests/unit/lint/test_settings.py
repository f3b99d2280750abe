"""[lint] of wherry.toml and hadolint's file."""

from __future__ import annotations

import pytest

from wherry.errors import InputError
from wherry.lint.settings import Settings, check_names, parse_hadolint, parse_toml, threshold


def test_the_table_lint_is_read_and_other_tables_are_not() -> None:
    text = (
        b'[build]\nhost-ca = false\n[lint]\nignore = ["DL1"]\nfailure-threshold = "info"\ntrusted-registries = ["r"]\n'
    )
    assert parse_toml(text) == Settings(frozenset({"DL1"}), failure_threshold="info", trusted_registries=("r",))


def test_hadolints_file_gives_levels_and_registries() -> None:
    text = (
        b"ignored: [DL3008]\noverride:\n  error: [DL3007]\ntrustedRegistries: [r.example]\nno-fail: true\nformat: tty\n"
    )
    found = parse_hadolint(text)
    assert found.ignore == {"DL3008"}
    assert found.levels == {"DL3007": "error"}
    assert (found.trusted_registries, found.failure_threshold) == (("r.example",), "none")
    assert parse_hadolint(b"") == Settings()


def test_flags_win_and_ignored_rules_add_up() -> None:
    flags = Settings(frozenset({"A"}), failure_threshold="error")
    found = flags.over(Settings(frozenset({"B"}), frozenset({"C"}), "style"))
    assert (found.ignore, found.only, found.failure_threshold) == ({"A", "B"}, {"C"}, "error")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[lint]\nignored = []\n", "ignored is no setting of [lint]"),
        (b'[lint]\nignore = "DL1"\n', "ignore must be a list of names"),
        (b"lint = 1\n", "lint must be a table"),
        (b'[lint]\nfailure-threshold = "bad"\n', "must be one of error, warning"),
        (b"\xff", "not UTF-8"),
        (b"[lint", "wherry.toml"),
    ],
)
def test_a_wrong_table_is_one_error(text: bytes, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_toml(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text", [b"a: [", b"- x\n", b"override: 1\n", b"ignored: x\n", b"\x00", b"failure-threshold: x\n"]
)
def test_a_wrong_hadolint_file_is_one_error(text: bytes) -> None:
    with pytest.raises(InputError):
        parse_hadolint(text)


def test_a_rule_that_does_not_exist_is_told_with_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        check_names({"fromascasin"}, ["FromAsCasing"], "x")
    assert caught.value.hint == "did you mean FromAsCasing?"
    assert threshold("ignore", "x") == "none"
