"""What a program without `wherry.track` leaves in its run's folder `outputs` becomes artifacts at the end.

A container made that folder: nothing of it is followed, and what is no regular file stays where it is.
"""

from __future__ import annotations

import os

from wherry.lean import suppress
from wherry.track import folder as folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["OUTPUTS", "keep_outputs"]

OUTPUTS = "outputs"
_DEEPEST = 100  # each level is an open fd


def keep_outputs(folder: str) -> str:
    """They move: a file is in the run once. What stands in the way of some (a full disk, a mode), "" when nothing does:
    what is not kept stays where it is.
    """
    from wherry.track.artifacts import keep_fd

    try:
        root_fd = folders.open_inside(folder, OUTPUTS, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return ""
    fault = ""
    for dir_fd, name, whole in _files(root_fd, "", 0):
        try:
            source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
            try:
                digest, size = keep_fd(folder, source)
            finally:
                os.close(source)
            folders.append(folder, {"type": "artifact", "name": whole, "digest": digest, "size": size})
        except OSError as why:
            fault = fault or f"{whole} could not be kept as an artifact: {why.strerror}"
            continue
        with suppress(OSError):  # somebody else's folder, without root: it is in the run twice then
            os.unlink(name, dir_fd=dir_fd)
    return fault


def _files(dir_fd: int, before: str, depth: int) -> Iterator[tuple[int, str, str]]:
    """(fd of its folder, name, path from the outputs) of regular files, sorted. Closes `dir_fd`."""
    try:
        with os.scandir(dir_fd) as entries:
            found = sorted((one.name, one.is_dir(follow_symlinks=False)) for one in entries
                           if one.is_file(follow_symlinks=False) or one.is_dir(follow_symlinks=False))  # fmt: skip
        for name, is_folder in found:
            if not is_folder:
                yield dir_fd, name, before + name
            elif depth < _DEEPEST:
                with suppress(OSError):
                    yield from _files(_below(dir_fd, name), f"{before}{name}/", depth + 1)
    finally:
        os.close(dir_fd)


def _below(dir_fd: int, name: str) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
