"""What a step's diff holds, noted while it is walked for another reason."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from wherry.image.packages.record import SUFFIX

__all__ = ["Folder", "Scan", "join"]


def join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


class Folder:
    """`files` maps regular files to their sizes in bytes; `has_others` tells of links, devices and whiteouts."""

    __slots__ = ("files", "folders", "has_others", "is_opaque")

    def __init__(self, folders: Sequence[bytes], is_opaque: bool) -> None:
        self.files: dict[bytes, int] = {}
        self.folders = list(folders)
        self.has_others = False
        self.is_opaque = is_opaque


class Scan:
    """`folders` holds a parent before its children, b"" being the root. `linked` has the paths of each file with
    several names, as far as they are in the diff.
    """

    def __init__(self) -> None:
        self.folders: dict[bytes, Folder] = {}
        self.linked: dict[int, list[bytes]] = {}
        self.largest = 0

    def add(
        self, path: bytes, files: Sequence[tuple[bytes, os.stat_result]], folders: Sequence[bytes], is_opaque: bool
    ) -> None:
        """One folder of the walk, with everything in it. Its path is relative to the diff's root."""
        folder = self.folders[path] = Folder(folders, is_opaque)
        for name, status in files:
            if not stat.S_ISREG(status.st_mode):
                folder.has_others = True
                continue
            folder.files[name] = status.st_size
            self.largest = max(self.largest, status.st_size)
            if status.st_nlink > 1:
                self.linked.setdefault(status.st_ino, []).append(join(path, name))

    def size(self, path: bytes) -> int | None:
        """Of a regular file, in bytes; None when there is none."""
        folder, _, name = path.rpartition(b"/")
        found = self.folders.get(folder)
        return found.files.get(name) if found else None

    def infos(self) -> list[bytes]:
        """The dist-info folders with a RECORD, sorted."""
        return sorted(path for path, one in self.folders.items() if path.endswith(SUFFIX) and b"RECORD" in one.files)
