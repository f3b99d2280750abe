"""What is in one layer folder: the Python distributions whose metadata it holds, else its largest file."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from wherry.fs.tree import walk
from wherry.image.packages.record import SUFFIX, Package, named

__all__ = ["Content", "look", "title"]

_NAMES_IN_A_TITLE = 3


class Content(NamedTuple):
    """`packages` are sorted by name. `largest` is the path of the largest regular file, b"" when there is none; it is
    looked for only where there are no packages.
    """

    packages: tuple[Package, ...] = ()
    largest: bytes = b""


def look(folder: str) -> Content:
    """Made of the layer's content alone, so that it is the same wherever the layer came from.

    A folder that holds dist-info folders is not looked into further: what lies deeper was bundled by a distribution.
    A dist-info folder without METADATA does not count: the files lie in another layer. Raises: OSError.
    """
    found: list[Package] = []
    largest, most = b"", -1
    root_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for one in walk(root_fd):
            prefix = one.path + b"/" if one.path else b""
            infos = [name for name in one.folders if name.endswith(SUFFIX)]
            if infos:
                packages = [named(prefix + name) for name in infos if _has_metadata(one.fd, name)]
                found += [package for package in packages if package]
                one.folders.clear()
            for entry in [] if found else one.files:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and status.st_size > most:
                    largest, most = prefix + os.fsencode(entry.name), status.st_size
    finally:
        os.close(root_fd)
    return Content(tuple(sorted(found)), b"" if found else largest)


def _has_metadata(dir_fd: int, name: bytes) -> bool:
    try:
        return stat.S_ISREG(os.stat(name + b"/METADATA", dir_fd=dir_fd, follow_symlinks=False).st_mode)
    except OSError:
        return False


def title(content: Content) -> str:
    """One line for people: "torch 2.3.0", "click 8.1, fastapi 0.110, numpy 1.26 and 34 more", "models/weights.bin"."""
    if content.packages:
        first = ", ".join(map(str, content.packages[:_NAMES_IN_A_TITLE]))
        more = len(content.packages) - _NAMES_IN_A_TITLE
        return f"{first} and {more} more" if more > 0 else first
    text = os.fsdecode(content.largest).encode("utf-8", "replace").decode()
    return text if content.largest else "removals"
