"""[deploy] of wherry.toml."""

from __future__ import annotations

import pytest

from wherry.deploy import wherry_toml
from wherry.deploy.application import Secret
from wherry.deploy.options import OPTIONS
from wherry.errors import InputError

TARGETS = ["kubernetes", "ecs"]


def parse(text: str) -> wherry_toml.FileWishes:
    return wherry_toml.parse(text.encode(), "kubernetes", OPTIONS["kubernetes"], TARGETS)


def test_the_targets_table_goes_over_the_common_one() -> None:
    found = parse("""
[deploy]
image = "iris:3"
memory = "1g"
health = "/healthz"
[deploy.env]
A = "1"
[deploy.secrets]
KEY = "env:K"
[deploy.kubernetes]
memory = "4g"
namespace = "models"
pull-secret = "hub"
[deploy.ecs]
region = "eu-west-1"
""")
    wishes = found.wishes
    assert (wishes.image, wishes.memory_bytes, wishes.ready, dict(wishes.env or {})) == (
        "iris:3", 4 << 30, "/healthz", {"A": "1"})  # fmt: skip
    assert wishes.secrets == {"KEY": Secret("KEY", "env", "K")}
    assert found.chosen == {"namespace": "models", "pull-secret": ("hub",)}


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("[deploy]\nmemroy = '1g'\n", "memroy is no key", "memory"),
        ("[deploy.kubernetes]\nnamespce = 'x'\n", "namespce is no key", "namespace"),
        ("[deploy]\nport = 99999\n", "no TCP port", None),
        ("[deploy]\nmin = true\n", "whole number", None),
        ("[deploy]\nimage = 3\n", "must be a string", None),
        ("deploy = 1\n", "must be a table", None),
        ("[deploy\n", "wherry.toml", None),
        ('[deploy]\ncommand = "a \'b"\n', "can't be split", None),
    ],
)
def test_a_wrong_file_is_one_clear_error(text: str, said: str, hint: str | None) -> None:
    with pytest.raises(InputError, match=said) as told:
        parse(text)
    assert hint is None or hint in (told.value.hint or "")


def test_an_error_names_the_line() -> None:
    with pytest.raises(InputError) as told:
        parse("[deploy]\nport = 80\ncpu = 'much'\n")
    assert told.value.where == "wherry.toml:3"


def test_no_file_says_nothing(tmp_path: object) -> None:
    assert wherry_toml.read(str(tmp_path), "kubernetes", (), TARGETS).wishes.image is None
