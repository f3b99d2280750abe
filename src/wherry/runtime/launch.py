"""The engine's end of a monitor: spawned early, told what to do, and asked how it went.

    monitor = launch.spawn(host, env)           # at once: its start overlaps with the planning that follows
    monitor.prepare(plan, rootfs_fd)            # namespaces and root
    monitor.await_ready()                       # monitor.pid's network namespace is there, to be plumbed
    monitor.go(listeners)                       # the runtime runs; Failed when it does not
    sock = monitor.sock                         # from here on an attached client's socket (runtime.attach)

Whatever goes wrong in between: `monitor.abandon()`, and it is gone with all its namespaces.
"""

from __future__ import annotations

import os
import sys

from wherry.errors import RuntimeFailure, WherryError
from wherry.host import Command
from wherry.lean import suppress
from wherry.runtime import monitor_kernel as kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from wherry.host import Host

__all__ = ["Failed", "Monitor", "connect", "python_argv", "spawn"]

_SOURCES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

_PATIENCE_S = 10.0
# Children of this process, by pid, with their start time
_left: dict[int, int | None] = {}


class Failed(WherryError):
    """The monitor or its runtime could not start the container. `log` is the runtime's own log, or ""."""

    code = "runtime"

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log


def python_argv(statement: str, *, site: bool) -> list[str]:
    """This interpreter, isolated from the caller's environment, running `statement` with wherry importable.

    `site` False leaves out site-packages: for processes that import nothing of them, at half the cost.
    """
    flags = ["-I"] if site else ["-I", "-S"]
    return [sys.executable, *flags, "-c", f"import sys; sys.path.append({_SOURCES!r}); {statement}"]


def _pair() -> tuple[kernel.Socket, kernel.Socket]:
    kind = kernel.socket.SOCK_SEQPACKET | kernel.socket.SOCK_CLOEXEC
    return kernel.socket.socketpair(kernel.socket.AF_UNIX, kind)


class Monitor:
    """A monitor that has been spawned. `pid` is its process; `sock` the control socket, the caller's to close."""

    def __init__(self, pid: int, sock: kernel.Socket, start: int | None = None) -> None:
        self.pid, self.sock, self._start = pid, sock, start
        self._goes = self._is_started = False

    def prepare(self, plan: Mapping[str, Any], rootfs_fd: int | None) -> None:
        """Give it the plan. It makes its namespaces and attaches the root meanwhile. Raises: Failed."""
        self._send(b"P", plan, [] if rootfs_fd is None else [rootfs_fd])

    def await_ready(self) -> None:
        """Its namespaces are there and the root is attached: 2 ms after `prepare`. Raises: Failed."""
        self._expect(b"r")

    def go(
        self,
        listeners: Sequence[tuple[int, str, str, int]],
        meanwhile: Callable[[], object] | None = None,
        mounts: Sequence[int] = (),
        lock: int = -1,
    ) -> int:
        """The pid of the container's first process. `listeners` are (fd, protocol, address, port). Raises: Failed.

        `meanwhile` is done while the runtime works, which takes 30 ms. `mounts` are detached ones, to be attached at
        BUNDLE/mounts/0, /1, ... `lock` is the container's, which stays held until it runs, even if we are killed.
        """
        told = {"listeners": [one[1:] for one in listeners], "mounts": len(mounts)}
        self._goes = True
        self._send(b"G", told, [*(one[0] for one in listeners), *mounts, *([lock] if lock >= 0 else [])])
        if meanwhile:
            meanwhile()
        pid = int(self._expect(b"s")["pid"])
        self._is_started = True
        return pid

    def _send(self, kind: bytes, value: Mapping[str, Any], fds: Sequence[int]) -> None:
        ancillary = []
        if fds:
            raw = b"".join(fd.to_bytes(4, sys.byteorder) for fd in fds)
            ancillary = [(kernel.socket.SOL_SOCKET, kernel.socket.SCM_RIGHTS, raw)]
        try:
            self.sock.sendmsg([kind + kernel.encode(dict(value)).encode()], ancillary)
        except OSError as fault:
            raise Failed(f"its monitor does not answer: {fault.strerror}", "") from None

    def _expect(self, kind: bytes) -> dict[str, Any]:
        # Output can come before the word that it runs: what a fast container wrote stays in the socket's order
        try:
            packet = kernel.receive(self.sock, 1 << 20)
        except OSError as fault:
            raise Failed(f"its monitor does not answer: {fault.strerror}", "") from None
        if packet[:1] == kind:
            return kernel.decode(packet[1:])
        if packet[:1] == b"f":
            told = kernel.decode(packet[1:])
            raise Failed(str(told["error"]), str(told["log"]))
        raise Failed("its monitor ended unexpectedly", "")

    def has_started(self) -> bool:
        """Whether a `go` that did not come to its end led to a container all the same: waits for the word of it.

        Its monitor then lives as long as the container, and leaves the clean-up to the caller.
        """
        if self._goes and not self._is_started:
            self.sock.settimeout(_PATIENCE_S)
            try:
                # Neither the end nor a failure; the word itself may have been lost with an interruption
                self._is_started = kernel.receive(self.sock, 1 << 20)[:1] not in (b"", b"f")
            except TimeoutError:
                self._is_started = True
            except OSError:
                return False
            finally:
                self.sock.settimeout(None)
        if self._is_started:
            self.sock.send(b"C")
        return self._is_started

    def abandon(self) -> None:
        """Nothing was started, or it failed: end it. One whose container runs is left to it. Idempotent."""
        if self._is_started:
            self.leave()
        else:
            self.sock.close()
            self.reap()

    def leave(self) -> None:
        """It goes on without us, as long as its container; `spawn` reaps it some time after its end. Idempotent."""
        self.sock.close()
        _left[self.pid] = self._start

    def reap(self) -> None:
        """Wait for its end, when it is this process's own child."""
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass


def spawn(host: Host, env: Mapping[str, str], module: str = "monitor", *, early: bool = False) -> Monitor:
    """A fresh monitor, waiting for its plan. It ends by itself when this process does before `go`.

    `module` "monitor_exec" gives one for an exec session. `early` says that nothing is open yet: then it may be a copy
    of this process.
    """
    _reap_left(host)
    mine, theirs = _pair()
    try:
        fd, pid = theirs.fileno(), None
        if early:
            pid = host.twin(lambda: _watch(module, fd), f"wherry.runtime.{module}", env, fd)
        if pid is None:
            statement = f"from wherry.runtime.{module} import main; main()"
            argv = [*python_argv(statement, site=False), str(fd)]
            pid = host.spawn(Command(argv, env=env, pass_fds=[fd]), session=True)
    finally:
        theirs.close()
    return Monitor(pid, mine, host.start_time(pid))


def _watch(module: str, control_fd: int) -> None:
    """What a monitor does, in a copy of this process."""
    if module == "monitor_exec":
        from wherry.runtime import monitor_exec

        monitor_exec.main(control_fd)
    else:
        from wherry.runtime import monitor

        monitor.main(control_fd)


def _reap_left(host: Host) -> None:
    """Of a program that starts many and lives long, the dead ones would all stay in the process table."""
    for pid, start in list(_left.items()):
        now = host.start_time(pid)
        if now is None:
            # Dead, and not yet waited for
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        # A pid with another start is somebody else's by now: the program itself waited for ours
        if now is None or now != start:
            _left.pop(pid, None)


def connect(path: str) -> kernel.Socket:
    """A client's socket to a running monitor. Raises: RuntimeFailure when it does not listen."""
    sock = kernel.Socket(kernel.socket.AF_UNIX, kernel.socket.SOCK_SEQPACKET | kernel.socket.SOCK_CLOEXEC, 0)
    try:
        sock.connect(path)
    except OSError as fault:
        sock.close()
        raise RuntimeFailure(f"its monitor does not listen: {fault.strerror}", hint="try again") from None
    return sock
