from __future__ import annotations

import pytest

from wherry.bootstrap.recipe import DebianRecipe, PythonRecipe, recipe_for
from wherry.engine.bootstrap import can_make
from wherry.oci.reference import Reference

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("python:3.10", PythonRecipe("3.10", "")),
        ("python:3.10-slim", PythonRecipe("3.10", "")),
        ("python:3.10.13-slim-trixie", PythonRecipe("3.10.13", "trixie")),
        ("python:3.12-bookworm", PythonRecipe("3.12", "bookworm")),
        ("python", PythonRecipe("3", "")),
        ("python:slim", PythonRecipe("3", "")),
        ("docker.io/library/python:3", PythonRecipe("3", "")),
        ("debian:trixie-slim", DebianRecipe("trixie", True)),
        ("debian:13", DebianRecipe("trixie", False)),
        ("debian", DebianRecipe("trixie", False)),
        ("debian:12-slim", DebianRecipe("bookworm", True)),
    ],
)
def test_a_name_that_can_be_made_has_a_recipe(name: str, recipe: DebianRecipe | PythonRecipe) -> None:
    assert recipe_for(Reference.parse(name)) == recipe
    assert can_make(name)


@pytest.mark.parametrize(
    "name",
    ["python:3.10-alpine", "python:2.7", "python:windowsservercore", "python:3.10-slim-", "python:rc", "debian:sid-x",
     "debian:99", "ubuntu", "ghcr.io/library/python:3.10", "me/python:3.10", f"python@{DIGEST}", "Not A Name"],
)  # fmt: skip
def test_other_names_have_none(name: str) -> None:
    assert not can_make(name)
