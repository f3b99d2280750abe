"""The OCI runtime, runc or crun, as a program: command lines, answers, and what its complaints mean."""

from __future__ import annotations

from wherry import lean_json as json
from wherry.errors import NotFound, RuntimeFailure
from wherry.host import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NamedTuple

    from wherry.host import Completed, Host
    from wherry.settings import Settings
else:
    from wherry.lean import NamedTuple

__all__ = ["Driver", "Runtime", "choose"]

_TIMEOUT_S = 60.0


class Runtime(NamedTuple):
    """`name` is "runc" or "crun" (or what --runtime says), `path` absolute."""

    name: str
    path: str


def choose(settings: Settings, host: Host) -> Runtime:
    """The runtime that works here: settings.runtime, else runc, else crun, each tried once per boot.

    The answer is kept in settings.paths.run: later calls cost two small reads. Raises: HostError with all reasons.
    """
    from wherry.runtime import trial

    return Runtime(*trial.choose(settings, host))


class Driver:
    """One runtime with its state folder (`root`, on a file system that a reboot empties).

    The `*_argv` are command lines for whoever owns the container's stdio (the monitor, a step's child); what goes wrong
    there is in `log`, for `complaints.explain`. The other verbs run the program to its end.
    """

    def __init__(self, host: Host, runtime: Runtime, root: str) -> None:
        self.host, self.runtime, self.root = host, runtime, root

    def _argv(self, *words: str, log: str = "") -> list[str]:
        logging = ["--log", log, "--log-format", "json"] if log else []
        return [self.runtime.path, "--root", self.root, *logging, *words]

    def run_argv(self, id: str, bundle: str, *, log: str, pid_file: str = "", console_socket: str = "") -> list[str]:
        """`run --detach`: create and start; the container's stdio is the program's own, or the console socket's."""
        return self._argv("run", "--detach", *_made(bundle, pid_file, console_socket), id, log=log)

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
        """`process_file` holds a `process` object (`process.exec_process`)."""
        words = ["exec", "--process", process_file, *(["--detach"] if detach else [])]
        return self._argv(*words, *_made("", pid_file, console_socket), id, log=log)

    def delete_argv(self, id: str, *, force: bool = False) -> list[str]:
        return self._argv("delete", *(["--force"] if force else []), id)

    def _run(self, doing: str, words: list[str], stdin: bytes | None = None) -> Completed:
        """Raises: NotFound, Conflict, RuntimeFailure; HostError when the program is gone or hangs."""
        done = self.host.run(Command(self._argv(*words), stdin=stdin, timeout_s=_TIMEOUT_S))
        if done.status == 0:
            return done
        from wherry.runtime.complaints import explain

        raise explain(done.stderr.decode("utf-8", "replace"), doing=doing)

    def delete(self, id: str, *, force: bool = False) -> None:
        """Remove the runtime's state and the cgroup; `force` kills first. Idempotent. Raises: RuntimeFailure."""
        try:
            self._run("remove the container", ["delete", *(["--force"] if force else []), id])
        except NotFound:
            pass

    def pause(self, id: str) -> None:
        """Freeze every process of it. Raises: RuntimeFailure, NotFound, Conflict."""
        self._run("pause the container", ["pause", id])

    def resume(self, id: str) -> None:
        self._run("unpause the container", ["resume", id])

    def resume_argv(self, id: str) -> list[str]:
        return self._argv("resume", id)

    def update(self, id: str, resources: Mapping[str, Any]) -> None:
        """Change the limits of a running container: `linux.resources`, without devices. Raises: RuntimeFailure,
        NotFound."""
        self._run("change the limits", ["update", "--resources", "-", id], stdin=json.dumps(resources).encode())

    def pids(self, id: str) -> list[int]:
        """All processes of the container, in host pids, ascending. Raises: NotFound, RuntimeFailure."""
        answer = self._run("list the container's processes", ["ps", "--format", "json", id]).stdout
        try:
            return sorted(int(pid) for pid in json.loads(answer) or ())
        except (ValueError, TypeError):
            raise RuntimeFailure(f"the runtime gave no list of processes, but {answer[:200]!r}") from None


def _made(bundle: str, pid_file: str, console_socket: str) -> list[str]:
    words = []
    for flag, value in (("--bundle", bundle), ("--pid-file", pid_file), ("--console-socket", console_socket)):
        if value:
            words += [flag, value]
    return words
