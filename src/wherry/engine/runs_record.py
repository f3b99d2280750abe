"""A run around a command: begun before it, ended by how it ended."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from wherry.engine.runs import home
from wherry.engine.runs_python import environment_of
from wherry.errors import CommandNotFound, HostError
from wherry.host import Command
from wherry.lean import signal
from wherry.track import TrackError
from wherry.track import folder as folders
from wherry.track.facts import command_line, git
from wherry.track.run import begin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine

__all__ = ["Recording", "Request", "record"]


_PASSED = (signal.SIGTERM, signal.SIGHUP)


class Request(NamedTuple):
    """Values of parameters are texts; what looks like a number is recorded as one."""

    experiment: str = "default"
    name: str = ""
    params: Mapping[str, str] = {}
    tags: Mapping[str, str] = {}


class Recording:
    """A run that this process begins and ends, while others write to it. `folder` is what $WHERRY_RUN is to be."""

    def __init__(
        self, engine: Engine, request: Request, words: Sequence[str], *, mode: int = 0o755, **more: Any
    ) -> None:
        """Raises: HostError when the folder can't be made."""
        env, cwd = engine.settings.env, engine.settings.cwd
        start: dict[str, Any] = {
            "experiment": request.experiment or "default", "name": request.name, "command": command_line(words),
            "folder": cwd, "params": {name: _value(text) for name, text in request.params.items()},
            "tags": dict(request.tags), **more,
        }  # fmt: skip
        code = {} if env.get("WHERRY_TRACK_GIT") == "0" else git(cwd)
        if code:
            start["git"] = code
        if env.get("WHERRY_RUN"):
            start["parent"] = os.path.basename(env["WHERRY_RUN"].rstrip("/"))
        if "image" not in more:
            start["environment"] = environment_of(engine, words)
        try:
            self.folder = begin(home(engine), start, mode)
            self._lock = folders.hold(self.folder)
        except (TrackError, OSError) as fault:
            raise HostError(str(fault)) from None

    def add(self, kind: str, value: Mapping[str, Any]) -> None:
        """What is known only later: "container"."""
        folders.append(self.folder, {"type": kind, "value": value})

    def end(self, code: int, ended_by: int = 0) -> None:
        """`ended_by` is a signal's number. A program that was killed by the kernel for its memory got 9."""
        from wherry.track.points import summaries

        status = "killed" if ended_by else "failed" if code else "finished"
        metrics = {name: one.document() for name, one in summaries(self.folder).items()}
        document = {"status": status, "exit_code": code, "ended_ms": int(time.time() * 1000), "metrics": metrics}
        folders.save(self.folder + "/end.json", document)
        os.close(self._lock)


def record(engine: Engine, request: Request, words: Sequence[str], stdio: tuple[int, int, int]) -> int:
    """Run the command to its end in the foreground; its exit code, 128 and the number for a signal.

    Signals of a terminal reach it as they reach us; SIGTERM and SIGHUP are passed on.

    Raises: CommandNotFound, HostError.
    """
    recording = Recording(engine, request, words)
    env = {**engine.settings.env, "WHERRY_RUN": recording.folder}
    child: list[int] = []
    # Handlers, not SIG_IGN, which the command would inherit. ^C goes to the whole group: the command decides what
    # becomes of it, and the run is ended by how it ends
    before = {number: signal.signal(number, lambda got, _: _pass_on(child, got)) for number in _PASSED}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        try:
            command = Command(tuple(words), env=env)
            child.append(engine.host.spawn(command, stdin=stdio[0], stdout=stdio[1], stderr=stdio[2]))
        except HostError:
            recording.end(127)
            raise CommandNotFound(f"{words[0]}: no such command") from None
        status = os.waitpid(child[0], 0)[1]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    code = 128 + ended_by if ended_by else os.WEXITSTATUS(status)
    recording.end(code, ended_by)
    return code


def _pass_on(child: Sequence[int], number: int) -> None:
    for pid in child:
        os.kill(pid, number)


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            found = kind(text)
        except ValueError:
            continue
        return found if abs(found) < float("inf") else text
    return {"true": True, "false": False}.get(text, text)
