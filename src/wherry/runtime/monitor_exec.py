"""The monitor of one exec session: it owns the streams and the exit code of a program beside the container's own.

It speaks as monitor.py does (`P`, `r`, `G`, then `s` or `f`), joins the container's network alone, and keeps no log.
When its client goes it stays until the program ends, so that nobody gets a SIGPIPE. At its end it removes its folder.

The plan: netns (a path), run (the runtime's exec argv), env, tty, size, stdin, wants, pid_file, runtime_log, console,
folder, and for the event of its end: id and bundle of the container, events as in monitor.py.
"""

from __future__ import annotations

import os
import sys

from wherry.runtime import monitor_kernel as kernel
from wherry.runtime.monitor import fail, on_children, read_text, receive, run_runtime
from wherry.runtime.monitor_events import Told
from wherry.runtime.monitor_io import Stdio
from wherry.runtime.monitor_streams import Clients, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.runtime.monitor_streams import Client


class Session:
    """One program in a container."""

    def __init__(self, plan: dict[str, Any], control: kernel.Socket) -> None:
        self._plan = plan
        self._loop = Loop()
        self._clients = Clients(self._loop, self._on_input)
        self._control = self._clients.add(control, plan["wants"], owner=True)
        self._stdio = Stdio(self._loop, self._clients, None, "")
        self._pid, self._over = -1, False
        on_children(self._loop, self._reap)

    def start(self) -> str | None:
        """None, or the runtime's complaint."""
        plan = self._plan
        fds = self._stdio.prepare(tty=plan["tty"], stdin=plan["stdin"], console=plan["console"])
        try:
            status = run_runtime(plan, fds)
        finally:
            for fd in fds:
                os.close(fd)
        if status != 0:
            self._stdio.discard()
            return read_text(plan["runtime_log"]) or f"the runtime ended with status {status}"
        self._pid = int(read_text(plan["pid_file"]))
        self._stdio.started(plan["size"])
        self._clients.give(self._control, b"s" + kernel.encode({"pid": self._pid}).encode())
        return None

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._pid:
                code = os.waitstatus_to_exitcode(status)
                self._stdio.drain()
                record = {"code": code if code >= 0 else 128 - code, "again_ns": 0}
                told = Told(self._plan["events"], self._plan["id"], self._plan["bundle"], kernel.encode)
                told.say("exec_die", exitCode=str(record["code"]))
                self._clients.send(b"x", kernel.encode(record).encode())
                self._over = True

    def _on_input(self, client: Client, packet: bytes) -> None:
        kind, data = packet[:1], packet[1:]
        if kind == b"I" and "i" in client.wants:
            self._stdio.input(client, data)
        elif kind == b"R":
            self._stdio.resize_to(data)
        elif kind == b"" and "i" in client.wants:
            self._stdio.input(client, b"")

    def run(self) -> None:
        while not (self._over and self._clients.is_drained()):
            self._loop.turn()


def main(control_fd: int = -1) -> None:
    """`control_fd`: the engine's socket; -1: its number is the first argument."""
    control = kernel.Socket(fileno=control_fd if control_fd >= 0 else int(sys.argv[1]))
    _, plan, _ = receive(control)
    try:
        kernel.become_subreaper()
        # runc joins only the namespaces that it made itself, and the container's network is its monitor's
        kernel.setns(plan["netns"], kernel.CLONE_NEWNET)
        control.send(b"r{}")
        receive(control)
        session = Session(plan, control)
        complaint = session.start()
    except OSError as fault:
        complaint = f"{fault.filename or 'exec'}: {fault.strerror}"
    if complaint is None:
        session.run()
    _remove(plan["folder"])
    if complaint is not None:
        fail(control, complaint, "")
    os._exit(0)


def _remove(folder: str) -> None:
    for name in os.listdir(folder):
        os.unlink(f"{folder}/{name}")
    os.rmdir(folder)
