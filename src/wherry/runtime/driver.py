"""The OCI runtime, runc or crun, as a program: command lines, answers, and what its complaints mean."""

from __future__ import annotations

from typing import Any, NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.host import Host
    from wherry.settings import Settings

__all__ = ["Driver", "Runtime", "choose"]


class Runtime(NamedTuple):
    """`name` is "runc" or "crun" (or what --runtime says), `path` absolute."""

    name: str
    path: str


def choose(settings: Settings, host: Host) -> Runtime:
    """The runtime that works here: settings.runtime, else runc, else crun, each tried once per boot.

    The answer is kept in settings.paths.run. Raises: HostError that says what is missing.
    """
    raise NotImplementedError


class Driver:
    """One runtime with its state folder (`root`, on a file system that a reboot empties)."""

    def __init__(self, host: Host, runtime: Runtime, root: str) -> None:
        self.host, self.runtime, self.root = host, runtime, root

    def run_argv(self, id: str, bundle: str, *, log: str, pid_file: str = "", console_socket: str = "") -> list[str]:
        """`run --detach`: for the process that will own the container's stdio. It prints its complaint into `log`."""
        raise NotImplementedError

    def exec_argv(
        self,
        id: str,
        process_file: str,
        *,
        log: str,
        pid_file: str = "",
        console_socket: str = "",
        detach: bool = False,
    ) -> list[str]:
        raise NotImplementedError

    def delete_argv(self, id: str, *, force: bool = False) -> list[str]:
        raise NotImplementedError

    def delete(self, id: str, *, force: bool = False) -> None:
        """Remove the runtime's state and the cgroup; `force` kills first. Idempotent. Raises: RuntimeFailure."""
        raise NotImplementedError

    def kill(self, id: str, signo: int, *, everyone: bool = False) -> None:
        """Raises: RuntimeFailure, NotFound when it does not run any more."""
        raise NotImplementedError

    def pause(self, id: str) -> None:
        raise NotImplementedError

    def resume(self, id: str) -> None:
        raise NotImplementedError

    def state(self, id: str) -> dict[str, Any] | None:
        """The OCI state, or None when the runtime knows no such container."""
        raise NotImplementedError

    def pids(self, id: str) -> list[int]:
        """All processes of the container, in host pids."""
        raise NotImplementedError
