"""inotify(7) on many folders at once."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
from typing import NamedTuple

__all__ = ["Event", "Exhausted", "Inotify"]

MODIFY, ATTRIB, CLOSE_WRITE = 0x2, 0x4, 0x8
MOVED_FROM, MOVED_TO, CREATE, DELETE, DELETE_SELF, MOVE_SELF = 0x40, 0x80, 0x100, 0x200, 0x400, 0x800
OVERFLOW, IGNORED = 0x4000, 0x8000
_ONLY_FOLDERS, _NOT_UNLINKED = 0x0100_0000, 0x0400_0000
_WANTED = (
    MODIFY | ATTRIB | CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE | DELETE_SELF | MOVE_SELF | _ONLY_FOLDERS
    | _NOT_UNLINKED
)  # fmt: skip
_HEAD = struct.Struct("iIII")

_libc = ctypes.CDLL(None, use_errno=True)


class Exhausted(OSError):
    """The user has no watches left: fs.inotify.max_user_watches or max_user_instances."""


class Event(NamedTuple):
    """`watch` is what `add` gave, -1 for an overflow; `name` the entry of that folder, "" for the folder itself."""

    watch: int
    mask: int
    name: str


class Inotify:
    """Close it. Raises: Exhausted when the user may have no more of them."""

    def __init__(self) -> None:
        self._fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0:
            _fail("")

    def add(self, folder_fd: int) -> int:
        """Watch the folder that is open there, whatever its path leads to by now; its number, each time the same.

        Raises: Exhausted, OSError.
        """
        path = f"/proc/self/fd/{folder_fd}"
        watch: int = _libc.inotify_add_watch(self._fd, path.encode(), ctypes.c_uint32(_WANTED))
        if watch < 0:
            _fail(path)
        return watch

    def remove(self, watch: int) -> None:
        """Idempotent: the kernel may have taken it away before."""
        _libc.inotify_rm_watch(self._fd, watch)

    def read(self, timeout_s: float) -> list[Event]:
        """What has happened, in order; empty when the time is over. It waits for the first event only."""
        if not select.select([self._fd], [], [], timeout_s)[0]:
            return []
        try:
            return list(parse(os.read(self._fd, 1 << 18)))
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def parse(data: bytes) -> list[Event]:
    """The kernel's records. Pure."""
    events, position = [], 0
    while position + _HEAD.size <= len(data):
        watch, mask, _, length = _HEAD.unpack_from(data, position)
        position += _HEAD.size
        name = data[position : position + length].split(b"\0", 1)[0]
        position += length
        events.append(Event(watch, mask, os.fsdecode(name)))
    return events


def _fail(path: str) -> None:
    code = ctypes.get_errno()
    # EMFILE and ENOMEM as well: there are limits on instances, and of the cgroup's memory
    kind = Exhausted if code in (errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM) else OSError
    raise kind(code, os.strerror(code), path)
