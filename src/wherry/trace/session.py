"""Tracing one step: a server of ours shows the traced layers to the step's overlay, and remembers what was asked."""

from __future__ import annotations

import marshal
import os
import select
import signal
import socket
import sys
import threading
import time
from contextlib import suppress

from wherry.errors import HostError, InvalidSpec
from wherry.host import Command
from wherry.trace.observe import MAX_LAYERS, PathSet
from wherry.trace.server import FINISH, PING, PONG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from wherry.cancel import Cancel
    from wherry.host import Host, Overlay

__all__ = ["Session", "TraceLost", "TraceUnavailable"]

_SOURCES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_START_S = 15.0
_PING_S = 2.0
PATIENCE_S = 30.0
"""How long the server may owe an answer. It reads layers, and a network disk may be slow."""


class TraceUnavailable(HostError):
    """This machine can't trace: the step runs as it would without, under its ordinary key. `reason` is for people."""

    code = "trace-unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"can't trace the step: {reason}")
        self.reason = reason


class TraceLost(HostError):
    """The step ran, and what it gave must be thrown away: run it again untraced. `reason` is for people."""

    code = "trace-lost"

    def __init__(self, reason: str) -> None:
        super().__init__(f"lost the trace of the step: {reason}")
        self.reason = reason


class Session:
    """One step's overlay, with a server below it. `root_fd` is what Host.overlay gives; `close` closes it.

    Nothing of it shows in this machine's mount namespace. A thread of its own sees to it that a server that hangs is
    killed: the kernel then fails whatever waits for it, and the step can end.
    """

    def __init__(self, mount: str, control: socket.socket, pid: int, patience_s: float) -> None:
        self.root_fd = -1
        self._mount, self._control, self._pid = mount, control, pid
        self._pidfd = os.pidfd_open(pid)
        self._patience_s = patience_s
        self._lost = ""
        self._turn = threading.Lock()
        self._over = threading.Event()
        self._watch: threading.Thread | None = None
        self._is_closed = False

    @staticmethod
    def start(
        host: Host, overlay: Overlay, traced: Sequence[int], cancel: Cancel, *, patience_s: float = PATIENCE_S
    ) -> Session:
        """`traced`: indexes into `overlay.lowers`, ascending; at least one. `overlay` has an upper folder, and a name
        beside its work folder is free.

        Raises: TraceUnavailable (nothing is left behind; `overlay` can be mounted without), Cancelled, OSError.
        """
        if len(traced) > MAX_LAYERS:
            raise TraceUnavailable(f"{len(traced)} layers of files")
        mount = f"{overlay.work}-trace"
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        os.mkdir(mount, 0o700)
        try:
            statement = f"import sys; sys.path.append({_SOURCES!r}); from wherry.trace import server"
            argv = [sys.executable, "-I", "-S", "-c", f"{statement}; server.main({theirs.fileno()})"]
            # A session of its own: Ctrl-C is for wherry, which then ends the step before its server
            pid = host.spawn(Command(argv, pass_fds=[theirs.fileno()]), session=True)
            session = Session(mount, ours, pid, patience_s)
        except BaseException:
            ours.close()
            os.rmdir(mount)
            raise
        finally:
            theirs.close()
        try:
            session._open(overlay, traced, cancel)
        except BaseException:
            session.close()
            raise
        return session

    def _open(self, overlay: Overlay, traced: Sequence[int], cancel: Cancel) -> None:
        order = {
            "mount": self._mount, "layers": [overlay.lowers[one] for one in traced], "traced": list(traced),
            "lowers": list(overlay.lowers), "upper": overlay.upper, "work": overlay.work, "volatile": overlay.volatile,
        }  # fmt: skip
        try:
            self._control.send(marshal.dumps(order))
            said, fds = self._hear(_START_S, cancel)
        except OSError as fault:
            raise TraceUnavailable(f"its server did not start: {fault.strerror or fault}") from None
        if len(fds) != 1:
            raise TraceUnavailable(str(said.get("unavailable", "its server did not start")))
        self.root_fd = fds[0]
        self._watch = threading.Thread(target=self._keep_watch, name="trace", daemon=True)
        self._watch.start()

    def _hear(self, patience_s: float, cancel: Cancel | None = None) -> tuple[dict[str, Any], list[int]]:
        """One message. Raises: OSError, Cancelled."""
        self._wait(patience_s, cancel)
        data, fds, _, _ = socket.recv_fds(self._control, 1 << 16, 4)
        if not data:
            raise ConnectionResetError(104, "it was killed")
        return marshal.loads(data), fds  # noqa: S302  (comes from our other half)

    def _wait(self, patience_s: float, cancel: Cancel | None = None) -> None:
        """Until something can be read. Raises: TimeoutError, Cancelled."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        deadline = time.monotonic() + patience_s
        while not poll.poll(100 if cancel else int(patience_s * 1000)):
            if cancel:
                cancel.check()
            if time.monotonic() >= deadline:
                raise TimeoutError(110, f"no answer within {patience_s:g} s")

    def _keep_watch(self) -> None:
        while not self._over.wait(_PING_S):
            with self._turn:
                if self._over.is_set():
                    return
                try:
                    self._control.send(PING)
                    self._wait(self._patience_s)
                    if self._control.recv(64) != PONG:
                        raise ConnectionResetError(104, "it was killed")
                except OSError as fault:
                    self._lose(fault)
                    return

    def _lose(self, fault: OSError) -> None:
        self._lost = self._lost or f"its server failed: {fault.strerror or fault}"
        self._kill()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    @property
    def is_lost(self) -> bool:
        """Already known to be lost: a step that is still running may be ended at once."""
        return bool(self._lost)

    def finish(self) -> PathSet:
        """Once, when the step and all its processes are gone and nobody looks at `root_fd` any more.

        Raises: TraceLost.
        """
        self._over.set()
        with self._turn:
            if self._lost:
                raise TraceLost(self._lost)
            try:
                self._control.send(FINISH)
                said, fds = self._hear(self._patience_s)
                with open(fds[0], "rb") as file:
                    file.seek(0)
                    data = file.read()
            except (OSError, IndexError, ValueError) as fault:
                self._lose(fault if isinstance(fault, OSError) else OSError(71, "it made no sense"))
                raise TraceLost(self._lost) from None
        if said.get("fault"):
            raise TraceLost(str(said["fault"]))
        try:
            return PathSet.unpack(data)
        except InvalidSpec as fault:
            raise TraceLost(str(fault)) from None

    def close(self) -> None:
        """Always call it. Idempotent; leaves no process, mount or fd. `root_fd` is closed too."""
        if self._is_closed:
            return
        self._is_closed = True
        self._over.set()
        if self.root_fd >= 0:
            os.close(self.root_fd)
        # It has nothing to put in order, and may be beyond hearing
        self._kill()
        # The watcher may wait for an answer
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        os.waitpid(self._pid, 0)
        if self._watch:
            self._watch.join()
        self._control.close()
        os.close(self._pidfd)
        with suppress(FileNotFoundError):
            os.rmdir(self._mount)
