"""A run around a command: begun before it, ended by how it ended."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from wherry.engine.runs import home
from wherry.engine.runs_outputs import OUTPUTS, keep_outputs
from wherry.engine.runs_python import environment_of
from wherry.errors import CommandNotFound, HostError, InputError, NotExecutable
from wherry.host import Command
from wherry.lean import signal
from wherry.track import TrackError
from wherry.track import folder as folders
from wherry.track.facts import command_line, git
from wherry.track.run import begin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine

__all__ = ["Recording", "Request", "end", "record"]

_PASSED = (signal.SIGTERM, signal.SIGHUP)


class Request(NamedTuple):
    """Values of parameters are texts; what looks like a number is recorded as one. `data` are PATH or NAME=PATH, from
    the caller's folder.
    """

    experiment: str = "default"
    name: str = ""
    params: Mapping[str, str] = {}
    tags: Mapping[str, str] = {}
    data: Sequence[str] = ()


class Recording:
    """A run that this process begins and ends, while others write to it. `folder` is what $WHERRY_RUN is to be."""

    def __init__(
        self, engine: Engine, request: Request, words: Sequence[str], *, mode: int = 0o755, **more: Any
    ) -> None:
        """Raises: HostError when the folder can't be made, InputError for data that can't be read."""
        env, cwd = engine.settings.env, engine.settings.cwd
        start: dict[str, Any] = {
            "experiment": request.experiment or "default", "name": request.name, "command": command_line(words),
            "folder": cwd, "params": {name: _value(text) for name, text in request.params.items()},
            "tags": dict(request.tags), **more,
        }  # fmt: skip
        code = {} if env.get("WHERRY_TRACK_GIT") == "0" else git(cwd)
        if code:
            start["git"] = code
        if request.data:
            start["data"] = [_described(one, cwd) for one in request.data]
        if env.get("WHERRY_RUN"):
            start["parent"] = os.path.basename(env["WHERRY_RUN"].rstrip("/"))
        if "image" not in more:
            start["environment"] = environment_of(engine, words)
        try:
            self.folder = begin(home(engine), start, mode)
            os.mkdir(f"{self.folder}/{OUTPUTS}")
            os.chmod(f"{self.folder}/{OUTPUTS}", mode)
            self._lock = folders.hold(self.folder)
        except (TrackError, OSError) as fault:
            raise HostError(str(fault)) from None

    def end(self, code: int, *, is_killed: bool = False, error: str = "") -> None:
        """Raises: HostError, also when its folder was removed meanwhile."""
        try:
            end(self.folder, code, is_killed=is_killed, error=error)
        finally:
            self.leave()

    def leave(self) -> None:
        """Others write on, and end it. Idempotent."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def end(folder: str, code: int, *, is_killed: bool = False, error: str = "", ended_ns: int = 0) -> None:
    """Write the end of a run in `folder`, with what its metrics came to; files in its outputs become artifacts.

    `ended_ns` is since 1970; 0: now.

    Raises: HostError.
    """
    from wherry.track.points import summaries

    status = "killed" if is_killed else "failed" if code else "finished"
    try:
        error = "; ".join(filter(None, (error, keep_outputs(folder))))
        metrics = {name: one.document() for name, one in summaries(folder).items()}
        ended_ms = (ended_ns or time.time_ns()) // 1_000_000
        document = {"status": status, "exit_code": code, "ended_ms": ended_ms, "metrics": metrics}
        folders.save(folder + "/end.json", {**document, "error": error} if error else document)
    except OSError as fault:
        what = "its folder is gone" if not os.path.isdir(folder) else str(fault.strerror)
        raise HostError(f"the end of run {os.path.basename(folder)[:12]} is not recorded: {what}") from None


def record(engine: Engine, request: Request, words: Sequence[str], stdio: tuple[int, int, int]) -> int:
    """Run the command to its end in the foreground; its exit code, 128 and the number for a signal.

    Signals of a terminal reach it as they reach us; SIGTERM and SIGHUP are passed on.

    Raises: CommandNotFound, NotExecutable, HostError, InputError (data).
    """
    recording = Recording(engine, request, words)
    env = {**engine.settings.env, "WHERRY_RUN": recording.folder}
    child = _Child()
    # Handlers, not SIG_IGN, which the command would inherit. ^C goes to the whole group: the command decides what
    # becomes of it, and the run is ended by how it ends
    before = {number: signal.signal(number, lambda got, _: child.hear(got)) for number in _PASSED}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        child.begin(_spawn(engine, recording, Command(tuple(words), env=env), stdio))
        status = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    code = 128 + ended_by if ended_by else os.WEXITSTATUS(status)
    try:
        recording.end(code, is_killed=bool(ended_by))
    except HostError as fault:
        # The command's exit code counts, whatever became of the record
        engine.notices.append(fault.message)
    return code


def _spawn(engine: Engine, recording: Recording, command: Command, stdio: tuple[int, int, int]) -> int:
    """The pid. Raises: CommandNotFound, NotExecutable."""
    name = command.argv[0]
    try:
        return engine.host.spawn(command, stdin=stdio[0], stdout=stdio[1], stderr=stdio[2])
    except HostError as fault:
        missing = str(fault)
    except OSError as fault:
        # execvp also says "Permission denied" when it may not enter some folder of PATH: to a shell it is missing then
        if fault.errno != errno.EACCES or "/" in name or _is_in_path(name, command.env or {}):
            recording.end(126, error=str(fault.strerror))
            raise NotExecutable(f"{name}: {fault.strerror}") from None
        missing = f"no such command: {name}"
    recording.end(127, error=missing)
    raise CommandNotFound(f"{name}: no such command")


def _is_in_path(name: str, env: Mapping[str, str]) -> bool:
    return any(os.path.isfile(os.path.join(one, name)) for one in env.get("PATH", os.defpath).split(os.pathsep))


def _described(text: str, cwd: str) -> dict[str, Any]:
    """Raises: InputError."""
    from wherry.track.artifacts import described

    name, equals, path = text.partition("=")
    path = os.path.abspath(os.path.join(cwd, path if equals else text))
    try:
        return {"name": name if equals else text, "path": path, **described(path)}
    except OSError as fault:
        raise InputError(f"cannot read data {path}: {fault.strerror}") from None


class _Child:
    """The command, to which signals go on; one that comes before its pid is known is not lost."""

    def __init__(self) -> None:
        self._pid = 0
        self._early: list[int] = []

    def hear(self, number: int) -> None:
        if self._pid:
            os.kill(self._pid, number)
        else:
            self._early.append(number)

    def begin(self, pid: int) -> None:
        self._pid = pid
        for number in self._early:
            os.kill(pid, number)

    def wait(self) -> int:
        """Its status, as of waitpid. Once it is reaped its number may be another's: nothing goes there then."""
        pid = self._pid
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        self._pid = 0
        return os.waitpid(pid, 0)[1]


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            found = kind(text)
        except ValueError:
            continue
        return found if abs(found) < float("inf") else text
    return {"true": True, "false": False}.get(text, text)
