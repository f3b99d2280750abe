"""Which names can be made: `debian:CODENAME[-slim]` and `python:VERSION[-slim][-CODENAME]` of docker.io/library."""

from __future__ import annotations

import re
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.oci.reference import Reference

__all__ = ["CODENAMES", "LABEL", "DebianRecipe", "PythonRecipe", "Recipe", "recipe_for"]

LABEL = "wherry.stand-in"
"""The label that says an image is a stand-in, and what it was made of."""

CODENAMES = {"bullseye": "11", "bookworm": "12", "trixie": "13"}
"""Debian's releases and their numbers; the last one is what `debian:latest` means."""

_PYTHON = re.compile(r"(?:(3(?:\.\d+){0,2})(?:-|\Z))?(?:(slim|latest)(?:-|\Z))?([a-z]+)?\Z")
_DEBIAN = re.compile(r"([a-z]+|\d+)(-slim)?\Z")


class DebianRecipe(NamedTuple):
    """`slim` leaves out manuals, translations and documents, as the official slim images do."""

    codename: str
    slim: bool


class PythonRecipe(NamedTuple):
    """`version` is "3", "3.10" or "3.10.13"; `codename` is "" when the name says none."""

    version: str
    codename: str


Recipe = DebianRecipe | PythonRecipe


def recipe_for(reference: Reference) -> Recipe | None:
    """None when the name is not one that wherry makes: another registry, another image, alpine, a digest."""
    if reference.registry != "docker.io" or reference.digest:
        return None
    if reference.repository == "library/debian":
        return _debian(reference.tag)
    if reference.repository == "library/python":
        return _python(reference.tag)
    return None


def _debian(tag: str) -> DebianRecipe | None:
    found = _DEBIAN.match(tag)
    if not found:
        return None
    word = found[1]
    newest = list(CODENAMES)[-1]
    by_number = {number: name for name, number in CODENAMES.items()}
    codename = newest if word in {"latest", "stable"} else by_number.get(word, word)
    return DebianRecipe(codename, bool(found[2])) if codename in CODENAMES else None


def _python(tag: str) -> PythonRecipe | None:
    found = _PYTHON.match(tag)
    if not found or not tag or tag.endswith("-"):
        return None
    codename = found[3] or ""
    if codename and codename not in CODENAMES:
        return None
    return PythonRecipe(found[1] or "3", codename)
