"""What the monitor needs of the kernel, and JSON, at the least cost in memory.

`socket`, `signal` and `json` build on `enum` and `re`, which cost 3 MB and 9 ms for a process that lives as long as
its container (docs/adr/0050-monitor.md). Their C halves have all that is needed here; where an interpreter has no such
halves, the public modules do.
"""

from __future__ import annotations

import os
import time

from wherry import lean_ctypes as ctypes

try:
    import _signal as signal  # type: ignore[import-not-found]
    import _socket as socket
    from _json import encode_basestring as _quote
    from _json import make_scanner
except ImportError:  # an interpreter without the C halves
    import signal
    import socket  # type: ignore[no-redef]
    from json.encoder import encode_basestring as _quote
    from json.scanner import py_make_scanner as make_scanner  # type: ignore[no-redef,attr-defined]

__all__ = ["Socket", "decode", "encode", "quote", "receive", "replace", "signal", "socket", "start_time", "syscall"]

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_REC, MS_SLAVE = 0x4000, 0x80000
PR_SET_CHILD_SUBREAPER = 36
OPEN_TREE, MOVE_MOUNT = 428, 429
_AT_FDCWD, _EMPTY_PATH = -100, 4
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1
_PIDFD_GET_INFO, _PIDFD_INFO_EXIT = 0xC040FF0B, 8

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
Socket = socket.socket
quote = _quote


class _Context:
    strict = False
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float
    memo: dict = {}  # type: ignore[type-arg]  # noqa: RUF012


_scan = make_scanner(_Context)  # type: ignore[arg-type]


def decode(data: bytes) -> dict:  # type: ignore[type-arg]
    """One JSON object, without space before it."""
    value = _scan(data.decode(), 0)[0]
    return value if isinstance(value, dict) else {}


def encode(value: object) -> str:
    """JSON of dicts, lists, strings, whole numbers, bools and None: all that records hold."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quote(str(key))}:{encode(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(encode, value)) + "]"
    return _quote(str(value))


def replace(path: str, value: object, *, durable: bool = False) -> None:
    """Write a record whole or not at all. Raises: OSError."""
    temporary = f"{path}.{os.getpid()}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, encode(value).encode())
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, path)


def unlink(path: str) -> None:
    """Idempotent. Raises: OSError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def receive(sock: Socket, size: int) -> bytes:
    """The next packet of a SEQPACKET unix socket; b"" when its other end is closed. Raises: OSError.

    An end that closes before it has read all of ours gives us one ECONNRESET, ahead of what it sent us.
    """
    try:
        return sock.recv(size)
    except ConnectionResetError:
        return sock.recv(size)


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)
    return result


def syscall(number: int, *args: int | bytes, what: str = "") -> int:
    """Raises: OSError."""
    wide = [ctypes.c_long(a) if isinstance(a, int) else ctypes.c_char_p(a) for a in args]
    return _checked(int(_libc.syscall(ctypes.c_long(number), *wide)), what)


def become_subreaper() -> None:
    """Children that lose their parent become ours: the container's first process, when the runtime has gone."""
    _checked(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "subreaper")


def unshare(flags: int) -> None:
    _checked(_libc.unshare(flags), "unshare")


def setns(path_or_fd: str | int, kind: int) -> None:
    fd = path_or_fd if isinstance(path_or_fd, int) else os.open(path_or_fd, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(_libc.setns(fd, kind), "setns")
    finally:
        if not isinstance(path_or_fd, int):
            os.close(fd)


def private_mounts() -> None:
    """A mount namespace of our own, into which new mounts of the host still come (volumes on disks mounted later)."""
    unshare(CLONE_NEWNS)
    _checked(_libc.mount(None, b"/", None, ctypes.c_ulong(MS_REC | MS_SLAVE), None), "/")


def attach(mount_fd: int, target: str) -> None:
    syscall(MOVE_MOUNT, mount_fd, b"", _AT_FDCWD, os.fsencode(target), _EMPTY_PATH, what=target)


def clone_root() -> int:
    """A detached copy of the mount that "/" is, in the mount namespace that we are in."""
    return syscall(OPEN_TREE, _AT_FDCWD, b"/", 1 | os.O_CLOEXEC, what="/")


def loopback_up() -> None:
    import fcntl

    with_socket = Socket(socket.AF_INET, socket.SOCK_DGRAM, 0)
    fcntl.ioctl(
        with_socket.fileno(), _SIOCSIFFLAGS, b"lo".ljust(16, b"\0") + _IFF_UP.to_bytes(2, "little").ljust(24, b"\0")
    )
    with_socket.close()


def start_time(pid: int) -> int:
    """Clock ticks since boot, of zombies too; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError):
        return 0


def age_s(pid: int) -> float:
    """How long ago that process was started, whatever the clock on the wall did meanwhile."""
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - start_time(pid) / os.sysconf("SC_CLK_TCK"))


def exit_status(pidfd: int, pid: int) -> int | None:
    """The wait status of a dead process that is not our child, or None when the kernel can't say.

    While nobody has reaped it, /proc tells; afterwards its pidfd does (Linux 6.15).
    """
    for _ in range(2):
        told = _told_by_pidfd(pidfd)
        if told is not None:
            return told
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] == b"Z":
            return int(fields[49])
    return None


def _told_by_pidfd(pidfd: int) -> int | None:
    import fcntl

    info = bytearray(64)
    info[0:8] = _PIDFD_INFO_EXIT.to_bytes(8, "little")
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, info)
    except OSError:
        return None
    if not int.from_bytes(info[0:8], "little") & _PIDFD_INFO_EXIT:
        return None
    return int.from_bytes(info[60:64], "little", signed=True)
