"""The one way in: a folder's facts."""

from __future__ import annotations

from wherry.errors import Unsupported
from wherry.scaffold.facts import Facts

__all__ = ["read"]


def read(folder: str) -> Facts:
    """Read the project in `folder`; nothing of it is imported or executed.

    Raises: InputError when the folder itself can't be read.
    """
    raise Unsupported(f"cannot read {folder}: the readers are being written")
