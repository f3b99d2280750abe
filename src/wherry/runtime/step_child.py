"""The process that owns one RUN step: its mount and network namespaces, the runtime's run, the exit status.

Run as `python -I -S step_child.py CONTROL_FD MOUNT_FD...` by `runtime.step`: alone and single-threaded, since a
namespace can't be left by one thread of many; standard library only, since it starts with every step. CONTROL_FD is a
socket: it reads one line with the order, writes one line for each event ({"ready"}, {"status"}, {"failed"}, {"fault"}),
and takes the other end's closing as the order to end the step: however wherry dies, the step dies. Lines are dicts as
`pack` writes them.
"""

from __future__ import annotations

import marshal
import os
import select
import sys

if __name__ == "__main__":
    # A script of its own, in an isolated interpreter: nobody else says where wherry is
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))

from wherry import lean_ctypes as ctypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000
_MS_REC, _MS_SLAVE = 0x4000, 0x80000
_PR_SET_CHILD_SUBREAPER = 36
_ADDR_NO_RANDOMIZE = 0x0040000
_MOVE_MOUNT, _AT_FDCWD, _MOVE_F_EMPTY_PATH = 429, -100, 0x4
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_RUNTIME_PATIENCE_S = 10.0
# Not from `signal`, which loads enum: a third of this program's start
_SIGKILL, _SIGPIPE, _SIGXFSZ = 9, 13, 25
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

_libc = ctypes.CDLL(None, use_errno=True)


class Ended(Exception):
    """The other end closed: wherry is gone, or wants the step to end."""


_NOT_COPIED = "could not ensure we are a cloned binary"


def check(result: int, what: str) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)


def pack(doc: dict[str, Any]) -> bytes:
    """One line. Not JSON, whose module takes as long to load as the interpreter: both ends are this very code."""
    return marshal.dumps(doc).hex().encode() + b"\n"


def unpack(line: bytes) -> dict[str, Any]:
    found: dict[str, Any] = marshal.loads(bytes.fromhex(line.decode()))  # noqa: S302  (comes from our other half)
    return found


def say(control: int, **event: object) -> None:
    try:
        os.write(control, pack(event))
    except BrokenPipeError:
        raise Ended from None


def read_line(control: int) -> bytes:
    """One line; what comes behind it is lost, and nothing does."""
    data = b""
    while not data.endswith(b"\n"):
        chunk = os.read(control, 1 << 16)
        if not chunk:
            raise Ended
        data += chunk
    return data


def enter_namespaces(network: bool) -> None:
    flags = _CLONE_NEWNS | (_CLONE_NEWNET if network else 0)
    check(_libc.unshare(flags), "unshare")
    check(_libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_SLAVE), None), "make / a slave mount")
    if network:
        bring_up_loopback()


def bring_up_loopback() -> None:
    """ioctl(SIOCSIFFLAGS). Spec: netdevice(7)."""
    import _socket
    import fcntl

    one = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    request = bytearray(b"lo".ljust(40, b"\0"))
    fcntl.ioctl(one.fileno(), _SIOCGIFFLAGS, request)
    flags = int.from_bytes(request[16:18], sys.byteorder) | _IFF_UP
    request[16:18] = flags.to_bytes(2, sys.byteorder)
    fcntl.ioctl(one.fileno(), _SIOCSIFFLAGS, request)
    one.close()


def attach(mount_fd: int, target: str) -> None:
    os.makedirs(target, exist_ok=True)
    check(
        _libc.syscall(
            ctypes.c_long(_MOVE_MOUNT), ctypes.c_long(mount_fd), b"", ctypes.c_long(_AT_FDCWD), os.fsencode(target),
            ctypes.c_long(_MOVE_F_EMPTY_PATH),
        ),
        target,
    )  # fmt: skip
    os.close(mount_fd)


def fix_addresses() -> None:
    """What is started from now on is loaded at the same addresses each time. Spec: personality(2).

    Programs let addresses into what they write: CPython up to 3.11 orders {None, "a"} in a .pyc by one. A kernel that
    can't (gVisor's) leaves the step as it was.
    """
    _libc.personality(ctypes.c_ulong(_ADDR_NO_RANDOMIZE))


def write_sysctls(sysctls: dict[str, str]) -> None:
    for name, value in sysctls.items():
        try:
            with open("/proc/sys/" + name.replace(".", "/"), "w", encoding="ascii") as file:
                file.write(value)
        except FileNotFoundError:
            # A kernel without that setting has nothing to relax
            continue


def wait(pid: int, control: int, timeout_s: float | None = None) -> int:
    """The wait status of our child. Raises: Ended when the order to end comes first, TimeoutError."""
    pidfd = os.pidfd_open(pid)
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        if control >= 0:
            poller.register(control, select.POLLIN)
        ready = {fd for fd, _ in poller.poll(None if timeout_s is None else timeout_s * 1000)}
        if pidfd in ready:
            return os.waitpid(pid, 0)[1]
        if not ready:
            raise TimeoutError
        raise Ended
    finally:
        os.close(pidfd)


def spawn(argv: list[str]) -> int:
    """The runtime gets next to no environment: nothing of the builder's may reach a step by it."""
    return os.posix_spawn(argv[0], argv, _ENVIRONMENT, setsigdef=[_SIGPIPE, _SIGXFSZ], setsigmask=[])


def tear_down(order: dict[str, Any], runtime_pid: int) -> None:
    """End the step whatever it does: a runtime in the middle of its work first comes to an end, then all is killed."""
    if runtime_pid:
        try:
            wait(runtime_pid, -1, _RUNTIME_PATIENCE_S)
        except TimeoutError:
            os.kill(runtime_pid, _SIGKILL)
            os.waitpid(runtime_pid, 0)
    os.waitpid(spawn(order["delete"]), 0)


def keep_only(fds: list[int]) -> None:
    """Neither the runtime nor the step may hold what we were given (CVE-2024-21626), and we nothing of another step's,
    which a thread of the builder may just have been starting."""
    low = 3
    for high in (*sorted(fds), 1 << 20):
        os.closerange(low, high)
        low = high + 1
    for fd in fds:
        os.set_inheritable(fd, False)


def run(control: int, mount_fds: list[int], order: dict[str, Any]) -> None:
    """`order`: mounts (where each fd goes), own_network, sysctls, run and delete (command lines), pid_file, log."""
    enter_namespaces(order["own_network"])
    check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "become a subreaper")
    for fd, target in zip(mount_fds, order["mounts"], strict=True):
        attach(fd, target)
    if order["own_network"]:
        write_sysctls(order["sysctls"])
    fix_addresses()
    say(control, ready=os.getpid())
    read_line(control)
    runtime_pid = code = 0
    try:
        for tries in range(1, 4):
            runtime_pid = spawn(order["run"])
            code = os.waitstatus_to_exitcode(wait(runtime_pid, control))
            runtime_pid = 0
            # As in monitor.run_runtime: runc could not seal its copy, and nothing has begun
            if code == 0 or read_log(order["log"]).count(_NOT_COPIED) < tries:
                break
        if code != 0:
            failure = read_log(order["log"])
            tear_down(order, 0)
            say(control, failed=failure, code=code)
            return
        with open(order["pid_file"], encoding="ascii") as file:
            pid = int(file.read())
        status = os.waitstatus_to_exitcode(wait(pid, control))
    except Ended:
        tear_down(order, runtime_pid)
        raise
    tear_down(order, 0)
    say(control, status=status if status >= 0 else 128 - status)


def read_log(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 16)
    except FileNotFoundError:
        return ""


def main(control: int, *mount_fds: int) -> int:
    fds = list(mount_fds)
    keep_only([control, *fds])
    try:
        order = unpack(read_line(control))
        try:
            run(control, fds, order)
        except OSError as fault:
            say(control, fault=fault.strerror or str(fault), what=str(fault.filename or ""), code=fault.errno or 0)
    except Ended:
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
