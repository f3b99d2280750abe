"""A project's name: what is allowed, and what is made of a folder's name."""

from __future__ import annotations

from wherry.errors import ComposeError

__all__ = ["checked_name", "name_of_folder"]

_ALLOWED = frozenset("-_abcdefghijklmnopqrstuvwxyz0123456789")


def name_of_folder(folder: str) -> str:
    """The name that a project in `folder` has by itself: lower case, only what a name may hold."""
    return _reduced(folder.rstrip("/").rpartition("/")[2])


def _reduced(name: str) -> str:
    return "".join([char for char in name.lower() if char in _ALLOWED]).lstrip("_-")


def checked_name(name: str) -> str:
    """
    Raises:
        ComposeError: a character that a project's name can't have, in docker-compose's words.
    """
    if _reduced(name) != name:
        tried = name_of_folder(name)
        raise ComposeError(
            f'invalid project name "{name}": must consist only of lowercase alphanumeric characters, hyphens, and '
            "underscores as well as start with a letter or number",
            hint=f"{tried!r} would do" if tried else None,
        )
    return name
