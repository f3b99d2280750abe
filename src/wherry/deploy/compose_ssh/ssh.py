"""`remote.Remote` by the system's own ssh: its keys, agent, known hosts and ~/.ssh/config count as ever.

One connection for all commands (ControlMaster), in which nothing is ever asked (BatchMode).
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shlex
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from wherry.cancel import Cancel
from wherry.deploy.compose_ssh.choice import Address
from wherry.deploy.compose_ssh.remote import Write
from wherry.errors import Cancelled, HostError, NotSignedIn, Unreachable, WherryError
from wherry.host import Command, Completed, Host

__all__ = ["Ssh", "refusal"]

_OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15", "-o",
            "ServerAliveCountMax=4")  # fmt: skip
_OWN_FAULT = 255
_POLL_S = 0.05
_TUNNEL_S = 15.0
_LARGEST_ANSWER = 8 << 20


class Ssh:
    """See remote.Remote. Close it: the connection stays for a minute otherwise."""

    def __init__(self, host: Host, env: Mapping[str, str], address: Address, key: str = "") -> None:
        self.where = str(address)
        self._host, self._address = host, address
        # LC_ALL for the remote's messages too, where its sshd accepts it; PATH as the caller's
        self._env = {**env, "LC_ALL": "C"}
        # A socket's path has 108 bytes: what TMPDIR says may be too long
        self._folder = tempfile.mkdtemp(prefix="wherry-ssh-", dir="/tmp")
        self._base = [*_OPTIONS, *(("-i", key) if key else ()), *(("-p", str(address.port)) if address.port else ())]
        self._shared = ["-o", "ControlMaster=auto", "-o", f"ControlPath={self._folder}/c", "-o", "ControlPersist=60"]

    @property
    def _target(self) -> str:
        return f"{self._address.user}@{self._address.host}" if self._address.user else self._address.host

    def run(self, script: str, cancel: Cancel, data: bytes = b"") -> Completed:
        def feed(write: Write) -> None:
            write(data)

        return self.send(script, feed, cancel)

    def send(self, script: str, feed: Callable[[Write], None], cancel: Cancel) -> Completed:
        out, err = os.memfd_create("wherry-out"), os.memfd_create("wherry-err")
        stdin, writer = os.pipe2(os.O_CLOEXEC)
        try:
            try:
                pid = self._spawn(["-T", *self._shared], script, (stdin, out, err))
            finally:
                os.close(stdin)
            try:
                try:
                    # It ended before it read all: its exit code says why
                    with contextlib.suppress(BrokenPipeError):
                        feed(_checked(writer, cancel))
                finally:
                    os.close(writer)
                status = self._ended(pid, cancel)
            except BaseException:
                self._kill(pid)
                raise
            done = Completed(status, _read(out), _read(err))
        finally:
            os.close(out)
            os.close(err)
        if done.status == _OWN_FAULT:
            raise refusal(self.where, done.stderr)
        return done

    def lines(self, script: str, cancel: Cancel) -> Iterator[str]:
        reader, out = os.pipe2(os.O_CLOEXEC)
        try:
            pid = self._spawn(["-T", *self._shared], script, (-1, out, out))
        finally:
            os.close(out)
        try:
            rest = b""
            while not cancel.is_set():
                if not select.select([reader], [], [], 0.2)[0]:
                    # The shared connection may hold our pipe open: the end is the process's
                    if os.waitpid(pid, os.WNOHANG)[0]:
                        pid = 0
                        break
                    continue
                if not (data := os.read(reader, 1 << 16)):
                    break
                *whole, rest = (rest + data).split(b"\n")
                yield from (line.decode(errors="replace") for line in whole)
            if rest:
                yield rest.decode(errors="replace")
        finally:
            os.close(reader)
            if pid:
                self._kill(pid)

    @contextmanager
    def tunnel(self, address: str, port: int) -> Iterator[int]:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            local = probe.getsockname()[1]
        err = os.memfd_create("wherry-err")
        forward = f"127.0.0.1:{local}:{address}:{port}"
        words = ["-N", "-o", "ControlPath=none", "-o", "ExitOnForwardFailure=yes", "-L", forward]
        pid = self._spawn(words, "", (-1, -1, err))
        try:
            deadline = time.monotonic() + _TUNNEL_S
            while not _answers(local):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    pid = 0
                    raise refusal(self.where, _read(err))
                if time.monotonic() > deadline:
                    raise Unreachable(f"no tunnel to {self.where} within {_TUNNEL_S:g} s",
                                      hint="--verify-url URL, or --no-verify")  # fmt: skip
                time.sleep(_POLL_S)
            yield local
        finally:
            os.close(err)
            if pid:
                self._kill(pid)

    def hostname(self) -> str:
        done = self._host.run(Command(["ssh", "-G", *self._base, "--", self._target], env=self._env, timeout_s=10))
        words = [line.split(" ", 1) for line in done.stdout.decode(errors="replace").splitlines()]
        found = next((value for name, *value in words if name == "hostname" and value), [self._address.host])[0]
        return f"[{found}]" if ":" in found else found

    def close(self) -> None:
        if os.path.exists(f"{self._folder}/c"):
            words = ["ssh", *self._base, "-o", f"ControlPath={self._folder}/c", "-O", "exit", "--", self._target]
            # A connection that is not there any more is what is wanted
            with contextlib.suppress(HostError):
                self._host.run(Command(words, env=self._env, timeout_s=10))
        shutil.rmtree(self._folder, ignore_errors=True)

    def _spawn(self, words: list[str], script: str, stdio: tuple[int, int, int]) -> int:
        # sh -c: the login shell there may be another
        said = [f"sh -c {shlex.quote(script)}"] if script else []
        argv = ["ssh", *self._base, *words, "--", self._target, *said]
        # A session of its own: ^C at the terminal is ours to pass on
        stdin, stdout, stderr = stdio
        return self._host.spawn(Command(argv, env=self._env), stdin=stdin, stdout=stdout, stderr=stderr, session=True)

    def _ended(self, pid: int, cancel: Cancel) -> int:
        """Raises: Cancelled."""
        pause = 0.005
        while True:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            if cancel.wait(pause):
                raise Cancelled("stopped, with a command still going on there")
            pause = min(pause * 2, _POLL_S)

    def _kill(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)


def refusal(where: str, stderr: bytes) -> WherryError:
    """ssh has one exit code for all of its own faults: its words say which."""
    text = stderr.decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("@")]
    last = (lines or ["ssh said nothing"])[-1][:300]
    # As ssh takes it: a port behind a colon is one in a URL only
    typed = f"ssh ssh://{where}" if re.search(r":\d+$", where) else f"ssh {where}"
    if "IDENTIFICATION HAS CHANGED" in text:
        return NotSignedIn(f"can't reach {where}: its host key is another than the one that is known",
                           hint="if the machine was set up anew: ssh-keygen -R HOST, then ssh there once")  # fmt: skip
    if "Host key verification failed" in text:
        return NotSignedIn(f"can't reach {where}: its host key is not known here",
                           hint=f"{typed} once, and compare the fingerprint")  # fmt: skip
    if "Permission denied" in text or "Too many authentication failures" in text:
        return NotSignedIn(f"can't sign in at {where}: {last}",
                           hint="ssh-add the key (it may have a passphrase), or --ssh-key FILE")  # fmt: skip
    return Unreachable(f"can't reach {where}: {last}", hint=f"does {typed} work?")


def _checked(fd: int, cancel: Cancel) -> Write:
    """Writes all of it, however little the pipe takes at once, and ends with `cancel`. Raises: Cancelled."""
    os.set_blocking(fd, False)

    def checked(data: bytes | bytearray | memoryview) -> None:
        left = memoryview(data)
        while left:
            cancel.check()
            if select.select([], [fd], [], 0.2)[1]:
                left = left[os.write(fd, left[: 1 << 16]) :]

    return checked


def _read(fd: int) -> bytes:
    return os.pread(fd, _LARGEST_ANSWER, 0)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
