"""The one place that starts processes."""

from __future__ import annotations

import os
import select
import time

from wherry.errors import HostError
from wherry.host._api import Command, Completed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["run", "spawn"]

PACKAGES = {
    "runc": "runc", "crun": "crun", "nft": "nftables", "ip": "iproute2", "mmdebstrap": "mmdebstrap", "git": "git",
    "ssh": "openssh-client",
}  # fmt: skip


def _missing(program: str) -> HostError:
    package = PACKAGES.get(program, program)
    return HostError(f"{program} is not installed", hint=f"apt-get install --no-install-recommends {package}")


def _elsewhere(program: str) -> str:
    """Where the system keeps a program that the PATH does not lead to, or "".

    `su` without a login leaves root the PATH of a user, in which neither nft, ip nor runc is found.
    """
    folders = () if "/" in program else ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")
    return next((found for folder in folders if os.access(found := f"{folder}/{program}", os.X_OK)), "")


def run(command: Command, default_env: Mapping[str, str]) -> Completed:
    """Raises: HostError when the program is not installed, runs longer than `timeout_s` or says too much."""
    if command.cwd is not None:
        return _run_in_folder(command, default_env)
    # Not subprocess: importing it costs 10 ms of each `run`
    deadline = None if command.timeout_s is None else time.monotonic() + command.timeout_s
    out, out_w = os.pipe2(os.O_CLOEXEC)
    err, err_w = os.pipe2(os.O_CLOEXEC)
    stdin, stdin_w = os.pipe2(os.O_CLOEXEC) if command.stdin else (-1, -1)
    pending = {out: b"", err: b""}
    try:
        try:
            pid = spawn(command, default_env, (stdin, out_w, err_w), session=False)
        finally:
            for fd in (out_w, err_w, stdin):
                if fd >= 0:
                    os.close(fd)
        try:
            _exchange(pending, stdin_w, command.stdin or b"", deadline, command.limit_bytes)
        except BaseException as fault:
            from wherry.lean import signal

            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            if isinstance(fault, TimeoutError):
                raise HostError(f"{command.argv[0]} did not end within {command.timeout_s} s") from None
            if isinstance(fault, _TooMuch):
                raise HostError(f"{command.argv[0]} wrote more than {command.limit_bytes} bytes") from None
            raise
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return Completed(status if status >= 0 else 128 - status, pending[out], pending[err])
    finally:
        os.close(out)
        os.close(err)


class _TooMuch(Exception):
    pass


def _exchange(
    pending: dict[int, bytes], stdin: int, data: bytes, deadline: float | None, limit_bytes: int | None = None
) -> None:
    """Feed `data` and collect until both outputs end. Closes `stdin`. Raises: TimeoutError, _TooMuch."""
    poll = select.poll()
    for fd in pending:
        poll.register(fd, select.POLLIN)
    if stdin >= 0:
        os.set_blocking(stdin, False)
        poll.register(stdin, select.POLLOUT)
    chunks: dict[int, list[bytes]] = {fd: [] for fd in pending}
    ended = size = 0
    try:
        while ended < len(pending):
            left = None if deadline is None else max(0, int((deadline - time.monotonic()) * 1000) + 1)
            ready = poll.poll(left)
            if not ready and deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError
            for fd, _ in ready:
                if fd == stdin:
                    data = _feed(fd, data)
                    if not data:
                        poll.unregister(fd)
                        os.close(fd)
                        stdin = -1
                elif chunk := os.read(fd, 1 << 16):
                    chunks[fd].append(chunk)
                    size += len(chunk)
                    if limit_bytes is not None and size > limit_bytes:
                        raise _TooMuch
                else:
                    poll.unregister(fd)
                    ended += 1
    finally:
        if stdin >= 0:
            os.close(stdin)
    for fd, parts in chunks.items():
        pending[fd] = b"".join(parts)


def _feed(fd: int, data: bytes) -> bytes:
    """What is left to write; nothing when the reader has gone."""
    try:
        return data[os.write(fd, data) :]
    except BlockingIOError:
        return data
    except BrokenPipeError:
        return b""


def _run_in_folder(command: Command, default_env: Mapping[str, str]) -> Completed:
    import shutil
    import subprocess

    env = default_env if command.env is None else command.env
    program = command.argv[0]
    if not shutil.which(program, path=env.get("PATH")):
        program = _elsewhere(program) or program
    try:
        done = subprocess.run(
            command.argv, executable=program, input=command.stdin,
            stdin=None if command.stdin is not None else subprocess.DEVNULL, capture_output=True,
            env=dict(env), cwd=command.cwd, pass_fds=command.pass_fds, timeout=command.timeout_s, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise _missing(command.argv[0]) from None
    except subprocess.TimeoutExpired:
        raise HostError(f"{command.argv[0]} did not end within {command.timeout_s} s") from None
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return Completed(status, done.stdout, done.stderr)


def _inheritable() -> list[int]:
    """What every program would get beside stdio: a monitor must not hold a shell's pipe open for days."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            if fd > 2 and os.get_inheritable(fd):
                found.append(fd)
        except OSError:
            continue  # the listing's own
    return found


def spawn(command: Command, default_env: Mapping[str, str], stdio: tuple[int, int, int], *, session: bool) -> int:
    """posix_spawn: cheap whatever the caller's size. Raises: HostError when the program is not installed.

    `cwd` and `stdin` bytes are not for spawned programs. All fds but stdio and `pass_fds` close: O_CLOEXEC is Python's
    default, and what the caller of this process left open goes, too.
    """
    from wherry.lean import signal

    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = []
    for number, fd in enumerate(stdio):
        if fd < 0:
            actions.append((os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0))
        else:
            actions.append((os.POSIX_SPAWN_DUP2, fd, number))
    # Onto itself: inheritable in the child alone, so that no other thread's program gets it too
    actions += [(os.POSIX_SPAWN_DUP2, fd, fd) for fd in command.pass_fds]
    actions += [(os.POSIX_SPAWN_CLOSE, fd) for fd in _inheritable() if fd not in command.pass_fds]
    env = dict(default_env if command.env is None else command.env)
    # Python ignores SIGPIPE and SIGXFSZ; a child program must not inherit that
    program = command.argv[0]
    while True:
        try:
            return os.posix_spawnp(
                program, list(command.argv), env, file_actions=actions, setsid=session,
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ], setsigmask=[],
            )  # fmt: skip
        except FileNotFoundError:
            program = _elsewhere(program)
            if not program:
                raise _missing(command.argv[0]) from None
