"""A service that a program makes (`provider`), instead of a container: run it, and hear what it says."""

from __future__ import annotations

import os
import select
import signal
import stat

from wherry.compose import provider_protocol as protocol
from wherry.compose.progress import DONE, ERROR, WORKING, Event
from wherry.errors import InputError, InvalidSpec, WherryError
from wherry.host import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wherry.cancel import Cancel
    from wherry.compose.model import Project, Service
    from wherry.compose.progress import Progress
    from wherry.engine import Engine
    from wherry.host import Host

__all__ = ["find_program", "run_provider"]

_WORDS = {"up": ("Creating", "Created", "create"), "down": ("Removing", "Removed", "remove")}
_PLUGINS = (
    "/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins",
)  # fmt: skip
_LONGEST_LINE = 1 << 20
_METADATA_S = 10.0
_TURN_S = 0.1
_PATIENCE_TURNS = 100


def run_provider(
    engine: Engine, project: Project, service: Service, command: str, progress: Progress, cancel: Cancel
) -> Mapping[str, str]:
    """Let the provider do `command`, "up" or "down"; the variables that it sets for the services that depend on it.

    Raises: InputError (no such program, a parameter is missing), InvalidSpec (it says what it may not), WherryError
    with its own words, Cancelled (the program was ended).
    """
    if service.provider is None:
        raise InputError(f"service {service.name} has no provider")
    doing, done, verb = _WORDS[command]
    progress.event(Event(service.name, WORKING, doing))
    try:
        env = dict(project.environment)
        program = find_program(service.provider.type, env, engine.settings.cwd)
        metadata = _metadata(engine.host, program, env)
        words = protocol.arguments(project.name, command, service.name, service.provider, metadata)
        variables: dict[str, str] = {}
        for message in _Run(engine.host, Command((program, *words), env=env), cancel, verb).messages(service):
            if message.kind == protocol.ERROR:
                raise WherryError(message.text, hint=f"said by {program}")
            if message.kind == protocol.SETENV:
                variables |= dict((message.variable,))
            elif message.kind == protocol.INFO:
                progress.event(Event(service.name, WORKING, message.text))
    except WherryError as fault:
        progress.event(Event(service.name, ERROR, "Error", str(fault)))
        raise
    progress.event(Event(service.name, DONE, done))
    return variables


def find_program(kind: str, env: Mapping[str, str], cwd: str) -> str:
    """A docker CLI plugin of that name, else a program on the PATH, or a path. Raises: InputError."""
    if kind == "compose":
        raise InputError("'compose' is not a valid provider type")
    home = env.get("HOME", "")
    folders = [f"{env.get('DOCKER_CONFIG') or home + '/.docker'}/cli-plugins", *_PLUGINS]
    tried = [os.path.join(cwd, kind)] if "/" in kind else [f"{folder}/docker-{kind}" for folder in folders]
    if "/" not in kind:
        tried += [f"{folder}/{kind}" for folder in env.get("PATH", "").split(":") if folder]
    for path in tried:
        if _is_program(path):
            return path
    raise InputError(
        f"provider {kind}: no such program", hint=f"install docker-{kind} as a docker CLI plugin, or {kind} on the PATH"
    )


def _is_program(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode) and os.access(path, os.X_OK)
    except OSError:
        return False


def _metadata(host: Host, program: str, env: Mapping[str, str]) -> protocol.Metadata | None:
    """Asked as docker-compose does; one that has none answers as it likes."""
    asked = Command((program, "compose", "metadata"), env=env, timeout_s=_METADATA_S, limit_bytes=_LONGEST_LINE)
    try:
        found = host.run(asked)
    except (WherryError, OSError):
        return None
    return protocol.parse_metadata(found.stdout) if found.status == 0 else None


class _Run:
    """The program while it runs. Whatever happens to us, it is ended and reaped."""

    def __init__(self, host: Host, command: Command, cancel: Cancel, verb: str) -> None:
        self._host, self._command, self._cancel, self._verb = host, command, cancel, verb

    def messages(self, service: Service) -> Iterator[protocol.Message]:
        """What it says, as it says it. Raises: as run_provider."""
        kind = service.provider.type if service.provider else ""
        reads, writes = os.pipe2(os.O_CLOEXEC)
        try:
            pid = self._host.spawn(self._command, stdout=writes, stderr=2)
        except BaseException:
            os.close(reads)
            raise
        finally:
            os.close(writes)
        status: int | None = None
        try:
            for line in self._lines(reads, kind):
                yield protocol.parse_message(line, kind)
            status = self._reap(pid)
        finally:
            os.close(reads)
            if status is None:
                self._end(pid)
        if status:
            raise WherryError(f"failed to {self._verb} service provider: exit status {status}", hint=f"{kind} failed")

    def _lines(self, fd: int, kind: str) -> Iterator[bytes]:
        held = b""
        while True:
            self._cancel.check()
            if not select.select([fd], [], [], _TURN_S)[0]:
                continue
            data = os.read(fd, 1 << 16)
            *lines, held = (held + data).split(b"\n")
            if len(held) > _LONGEST_LINE:
                raise InvalidSpec(f"invalid response from provider {kind}: a line of more than 1 MB")
            for line in (*lines, *(() if data else (held,))):
                if line.strip():
                    yield line
            if not data:
                return

    def _reap(self, pid: int) -> int:
        """Its exit code. Raises: Cancelled."""
        while True:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            self._cancel.wait(_TURN_S / 10)
            self._cancel.check()

    def _end(self, pid: int) -> None:
        """SIGTERM, and SIGKILL after ten seconds."""
        start = self._host.start_time(pid)
        for turn in range(_PATIENCE_TURNS + 1):
            if start is not None:
                self._host.signal(pid, start, signal.SIGKILL if turn == _PATIENCE_TURNS else signal.SIGTERM)
            if os.waitpid(pid, 0 if turn == _PATIENCE_TURNS else os.WNOHANG)[0]:
                return
            select.select([], [], [], _TURN_S)
