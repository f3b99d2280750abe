"""The few system calls that Python does not offer. Numbers above 424 are the same on every architecture."""

from __future__ import annotations

import os

from wherry import lean_ctypes as ctypes

__all__ = [
    "RESOLVE_BENEATH", "RESOLVE_IN_ROOT", "RESOLVE_NO_MAGICLINKS", "RESOLVE_NO_SYMLINKS", "call", "open_at",
    "open_in_root", "real_in_root", "sync_file_system",
]  # fmt: skip

OPENAT2 = 437
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def call(number: int, *args: int | bytes | None, what: str = "") -> int:
    """syscall(2). Raises: OSError with errno, `what` as its file name."""
    # A plain int would travel as a 32-bit C int: every integer goes as a full register
    wide = [ctypes.c_long(a) if isinstance(a, int) else ctypes.c_char_p(a) for a in args]
    result: int = _libc.syscall(ctypes.c_long(number), *wide)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what or None)
    return result


def sync_file_system(fd: int) -> None:
    """syncfs(2): all that was written to the file system of `fd` is on its disk. Raises: OSError."""
    if _libc.syncfs(fd) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def open_in_root(
    root_fd: int, path: str | bytes, flags: int, mode: int = 0, *, resolve: int = RESOLVE_NO_MAGICLINKS
) -> int:
    """Open `path` as if `root_fd` were "/": neither "..", nor an absolute link, nor a race leads outside.

    `mode` counts only with O_CREAT or O_TMPFILE. O_CLOEXEC is always set; the caller closes.
    Raises: OSError (ENOENT, ELOOP, ...; EAGAIN after a rename raced with it 100 times).
    """
    return open_at(root_fd, path, flags, resolve | RESOLVE_IN_ROOT, mode=mode)


def open_at(dir_fd: int, path: str | bytes, flags: int, resolve: int, *, mode: int = 0) -> int:
    """openat2(2). O_CLOEXEC is always set; the caller closes. With RESOLVE_BENEATH, what leads out is OSError EXDEV.

    Raises: OSError.
    """
    raw = path.encode("utf-8", "surrogateescape") if isinstance(path, str) else path
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    for _ in range(100):
        try:
            return call(OPENAT2, dir_fd, raw or b".", ctypes.addressof(how), ctypes.sizeof(how), what=os.fsdecode(raw))
        except BlockingIOError:
            continue
    raise BlockingIOError(11, "path keeps changing while it is opened", os.fsdecode(raw))


def real_in_root(root_fd: int, path: str) -> str:
    """Where `path` leads, links followed within the root, as this machine sees it; "" for nothing."""
    try:
        fd = open_in_root(root_fd, path, os.O_PATH)
    except OSError:
        return ""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)
