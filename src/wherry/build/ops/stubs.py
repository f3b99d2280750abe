"""Mountpoints that were made for a step's mounts: they must not reach the layer.

The runtime makes an empty file or folder wherever it mounts something and nothing was there (/proc, /etc/resolv.conf, a
cache folder). What was missing before the step and is still empty after it goes, and so do folders that overlayfs
copied up for nothing else.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress

from wherry.build.resolve import lstat, make_folders, open_folder, resolve

__all__ = ["Stubs"]


class Stubs:
    """Made before the step; `clean` while the root is still open, `forget_parents` after it is closed."""

    def __init__(self, root_fd: int, targets: Iterable[str]) -> None:
        self._root_fd = root_fd
        self._missing: list[str] = []
        self._parents: dict[str, tuple[int, int, int]] = {}
        for target in targets:
            self._look(target)

    def _look(self, target: str) -> None:
        try:
            path = resolve(self._root_fd, target)
        except OSError:
            return
        parts = path.split("/") if path else []
        for count in range(1, len(parts) + 1):
            here = "/".join(parts[:count])
            found = lstat(self._root_fd, here)
            if found is None:
                self._missing.append(here)
            elif count < len(parts):
                self._parents[here] = (found.st_mode, found.st_uid, found.st_gid)

    def is_missing(self, target: str) -> bool:
        """Whether nothing is there that a mount would cover."""
        try:
            return resolve(self._root_fd, target) in self._missing
        except OSError:
            return False

    def make(self, folders: Iterable[str], files: Iterable[str], time_ns: int) -> None:
        """What is missing of these mountpoints. Made by the runtime it would be the same, but the folders that they lie
        in would show the step the time of the day. Raises: OSError.
        """
        touched = {""}
        for targets, is_folder in ((folders, True), (files, False)):
            for target in targets:
                path = resolve(self._root_fd, target)
                if path not in self._missing or lstat(self._root_fd, path) is not None:
                    continue
                parent = path.rpartition("/")[0]
                make_folders(self._root_fd, path if is_folder else parent, (0, 0))
                if not is_folder:
                    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                    os.close(os.open(path, flags, 0o644, dir_fd=self._root_fd))
                parts = path.split("/")
                touched.update("/".join(parts[:count]) for count in range(len(parts)))
        for path in touched:
            fd = open_folder(self._root_fd, path)
            try:
                os.utime(fd, ns=(time_ns, time_ns))
            finally:
                os.close(fd)

    def clean(self) -> None:
        """Remove those that are empty still; a step that wrote into one keeps it.

        The step may have put a link in the place of a folder above: nothing behind a link is looked at, least of all
        removed (CVE-2024-23652).
        """
        for path in sorted(set(self._missing), key=len, reverse=True):
            found = lstat(self._root_fd, path)
            with suppress(OSError):
                if found is None:
                    continue
                if stat.S_ISDIR(found.st_mode):
                    _remove(self._root_fd, path, os.rmdir)
                elif stat.S_ISREG(found.st_mode) and found.st_size == 0:
                    _remove(self._root_fd, path, os.unlink)

    def forget_parents(self, upper: str) -> None:
        """Folders in `upper` that hold nothing and are as they were below."""
        upper_fd = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for path in sorted(self._parents, key=len, reverse=True):
                found = lstat(upper_fd, path)
                if found is None or not stat.S_ISDIR(found.st_mode):
                    continue
                same = (found.st_mode, found.st_uid, found.st_gid) == self._parents[path]
                with suppress(OSError):
                    if same and not _is_opaque(upper_fd, path):
                        _remove(upper_fd, path, os.rmdir)
        finally:
            os.close(upper_fd)


def _remove(root_fd: int, path: str, how: Callable[..., None]) -> None:
    """Raises: OSError, also when a component above is a link."""
    parent, _, name = path.rpartition("/")
    fd = open_folder(root_fd, parent)
    try:
        how(name, dir_fd=fd)
    finally:
        os.close(fd)


def _is_opaque(root_fd: int, path: str) -> bool:
    fd = open_folder(root_fd, path)
    try:
        names = os.listxattr(fd)
    finally:
        os.close(fd)
    return any(name.endswith("overlay.opaque") or not name.startswith("trusted.overlay.") for name in names)
