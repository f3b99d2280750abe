"""The one place that starts processes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping

from wherry.errors import HostError
from wherry.host._api import Command, Completed

__all__ = ["run", "spawn"]

PACKAGES = {
    "runc": "runc", "crun": "crun", "nft": "nftables", "ip": "iproute2", "mmdebstrap": "mmdebstrap", "git": "git",
}  # fmt: skip


def _missing(program: str) -> HostError:
    package = PACKAGES.get(program, program)
    return HostError(f"{program} is not installed", hint=f"apt-get install --no-install-recommends {package}")


def run(command: Command, default_env: Mapping[str, str]) -> Completed:
    """Raises: HostError when the program is not installed or runs longer than `timeout_s`."""
    env = default_env if command.env is None else command.env
    try:
        done = subprocess.run(
            command.argv, input=command.stdin, stdin=None if command.stdin is not None else subprocess.DEVNULL,
            capture_output=True, env=dict(env), cwd=command.cwd, pass_fds=command.pass_fds,
            timeout=command.timeout_s, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise _missing(command.argv[0]) from None
    except subprocess.TimeoutExpired:
        raise HostError(f"{command.argv[0]} did not end within {command.timeout_s} s") from None
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return Completed(status, done.stdout, done.stderr)


def spawn(command: Command, default_env: Mapping[str, str], stdio: tuple[int, int, int], *, session: bool) -> int:
    """posix_spawn: cheap whatever the caller's size. Raises: HostError when the program is not installed.

    `cwd` and `stdin` bytes are not for spawned programs. All fds but stdio and `pass_fds` close (O_CLOEXEC is
    Python's default); `pass_fds` must already be inheritable.
    """
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = []
    for number, fd in enumerate(stdio):
        if fd < 0:
            actions.append((os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0))
        else:
            actions.append((os.POSIX_SPAWN_DUP2, fd, number))
    env = dict(default_env if command.env is None else command.env)
    for fd in command.pass_fds:
        os.set_inheritable(fd, True)
    # Python ignores SIGPIPE and SIGXFSZ; a child program must not inherit that
    try:
        return os.posix_spawnp(
            command.argv[0], list(command.argv), env, file_actions=actions, setsid=session,
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ], setsigmask=[],
        )  # fmt: skip
    except FileNotFoundError:
        raise _missing(command.argv[0]) from None
    finally:
        for fd in command.pass_fds:
            os.set_inheritable(fd, False)
