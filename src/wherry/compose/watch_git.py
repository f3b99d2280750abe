"""Whether git writes a working tree just now: what it changes is one batch, however long it takes.

git holds `index.lock` in its folder while it checks out, merges or resets.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["git_folders", "is_git_busy"]

# One that a killed git left behind must not hold up every edit
_STALE_S = 30
_LONGEST_BYTES = 4096


def git_folders(roots: Iterable[str]) -> list[str]:
    """Where git keeps what belongs to these paths; a worktree's `.git` is a file that says where."""
    found = set()
    for root in roots:
        folder = root
        while folder != "/":
            git = os.path.join(folder, ".git")
            if os.path.isdir(git):
                found.add(git)
            elif os.path.isfile(git):
                found.add(os.path.join(folder, _pointed(git)))
            folder = os.path.dirname(folder)
    return sorted(found)


def _pointed(path: str) -> str:
    try:
        with open(path, "rb") as file:
            text = os.fsdecode(file.read(_LONGEST_BYTES))
    except OSError:
        return ".git"
    return text.removeprefix("gitdir:").strip() or ".git"


def is_git_busy(folders: Iterable[str], now_s: Callable[[], float] = time.time) -> bool:
    """Whether one of them is locked, and not by a git that is long gone."""
    for folder in folders:
        try:
            age = now_s() - os.lstat(f"{folder}/index.lock").st_mtime
        except OSError:
            continue
        if age < _STALE_S:
            return True
    return False
