"""What broken pulls left in a folder of theirs: a file or folder NAME, and NAME.lock of whoever is at it."""

from __future__ import annotations

import os
from contextlib import suppress

from wherry.errors import Locked
from wherry.fs.lock import temporary_lock
from wherry.fs.remove import remove_tree
from wherry.fs.tree import disk_usage

__all__ = ["sweep_partial"]


def sweep_partial(folder: str) -> int:
    """Remove all that nobody is at; how many bytes. For `prune`: a pull that goes on wants it. Raises: OSError."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return 0
    freed = 0
    for name in {name.removesuffix(".lock") for name in names}:
        path = f"{folder}/{name}"
        with suppress(Locked), temporary_lock(f"{path}.lock", timeout_s=0):
            with suppress(FileNotFoundError):
                freed += disk_usage(path) if os.path.isdir(path) else os.lstat(path).st_size
            remove_tree(path)
            os.unlink(f"{path}.lock")
    return freed
