"""Waiting until something changes in a folder: inotify(7)."""

from __future__ import annotations

import ctypes
import os
import select

__all__ = ["FolderWatch"]

_MODIFY, _MOVED, _CREATE = 0x2, 0x40 | 0x80, 0x100
_POLL_S = 0.2

_libc = ctypes.CDLL(None, use_errno=True)


class FolderWatch:
    """Changes to the files of a folder since it was made or `wait` returned. Close it, or use `with`.

    Where the user has no watches left (fs.inotify.max_user_instances), `wait` merely returns often.
    """

    def __init__(self, folder: str) -> None:
        self._fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd >= 0:
            wanted = ctypes.c_uint32(_MODIFY | _MOVED | _CREATE)
            if _libc.inotify_add_watch(self._fd, os.fsencode(folder), wanted) < 0:
                os.close(self._fd)
                self._fd = -1

    def wait(self, timeout_s: float | None) -> None:
        """Until something changed, or the time is over (None: never). It may return early."""
        if self._fd < 0:
            select.select([], [], [], _POLL_S if timeout_s is None else min(_POLL_S, timeout_s))
            return
        if select.select([self._fd], [], [], timeout_s)[0]:
            os.read(self._fd, 1 << 16)

    def close(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> FolderWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
