"""Experiment tracking, from the side of the program that trains. No setup, no server, no network.

    import wherry.track as track

    with track.run("iris", params={"lr": 0.1}) as run:
        for step in range(100):
            run.log(loss=0.1, step=step)
        run.artifact("model.joblib")

`wherry runs ls` shows it. Standard library only, Python 3.8 and newer, nothing else of wherry: `wherry run --track`
mounts this package into containers that have none. Guide: docs/tracking.md
"""

from __future__ import annotations

from wherry.track.run import Run, TrackError, live

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any, Mapping

    from wherry.track.record import Record

__all__ = ["Run", "TrackError", "active", "artifact", "data", "log", "param", "params", "run", "runs", "tag"]


def run(
    experiment: str = "",
    *,
    name: str = "",
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
) -> Run:
    """Begin a run, or join the one that $WHERRY_RUN names (under `wherry track` and `wherry run --track`).

    `experiment` is what runs are grouped by, "default" when it is empty. Inside a run it begins another one, its child.
    Raises: TrackError.
    """
    import os

    from wherry.track.folder import append, runs_home
    from wherry.track.run import begin, join

    inherited = "" if live else os.environ.get("WHERRY_RUN", "")
    if inherited:
        found = join(inherited)
        _describe_joined(found, experiment, name)
    else:
        parent = live[-1] if live else None
        home = runs_home(os.environ) if parent is None or not parent.is_joined else parent.folder + "/children"
        found = join(begin(home, _start(experiment, name, parent)), is_joined=False)
    found.params(params)
    for key, value in (tags or {}).items():
        found.tag(key, value)
    if inherited:
        from wherry.track.facts import environment

        append(found.folder, {"type": "environment", "value": environment(os.environ)})
    return found


def active() -> Run:
    """The innermost run; begins one (or joins $WHERRY_RUN) when there is none: it ends with the program."""
    if live:
        return live[-1]
    import atexit

    found = run()
    _catch(found)
    atexit.register(found.finish, exit_code=0)
    return found


def log(metrics: Mapping[str, Any] | None = None, *, step: int | None = None, **values: Any) -> None:
    """`Run.log` of the innermost run."""
    (live[-1] if live else active()).log(metrics, step=step, **values)


def param(name: str, value: Any) -> None:
    """`Run.param` of the innermost run."""
    active().param(name, value)


def params(values: Mapping[str, Any] | None = None, **more: Any) -> None:
    """`Run.params` of the innermost run."""
    active().params(values, **more)


def tag(name: str, value: Any = "") -> None:
    """`Run.tag` of the innermost run."""
    active().tag(name, value)


def artifact(path: os.PathLike[str] | str, name: str = "") -> str:
    """`Run.artifact` of the innermost run."""
    return active().artifact(path, name)


def data(path: os.PathLike[str] | str, name: str = "") -> str:
    """`Run.data` of the innermost run."""
    return active().data(path, name)


def runs(home: str = "") -> list[Record]:
    """All runs in `home` (this user's own when empty), the newest first: `.document`, `.points(metric)`."""
    import os

    from wherry.track.folder import folders, runs_home
    from wherry.track.record import Record

    found = [Record(path) for path in folders(home or runs_home(os.environ))]
    return sorted(found, key=lambda one: one.started_ms, reverse=True)


def _start(experiment: str, name: str, parent: Run | None) -> dict[str, Any]:
    """run.json of a run that begins in this process."""
    import os
    import sys

    from wherry.track.facts import command_line, environment, git

    found: dict[str, Any] = {
        "experiment": experiment or (parent.experiment if parent else "default"), "name": name, "pid": os.getpid(),
        "command": command_line([sys.executable or "python", *(getattr(sys, "orig_argv", [""])[1:] or sys.argv)]),
        "folder": os.getcwd(), "environment": environment(os.environ),
    }  # fmt: skip
    code = {} if os.environ.get("WHERRY_TRACK_GIT") == "0" else git(os.getcwd())
    if code:
        found["git"] = code
    if parent:
        found["parent"] = parent.id
    return found


def _describe_joined(found: Run, experiment: str, name: str) -> None:
    """What `wherry run --track` left open is the program's to say; the first process that says it is heard."""
    from wherry.track.folder import append

    if experiment and found.experiment == "default":
        append(found.folder, {"type": "experiment", "value": experiment})
        found.experiment = experiment
    if name:
        append(found.folder, {"type": "name", "value": name})
        found.name = name


def _catch(found: Run) -> None:
    """A run that nothing encloses learns of an uncaught exception from sys.excepthook; Python's own comes after."""
    import sys

    from wherry.track.run import verdict

    before = sys.excepthook

    def hook(kind: Any, fault: Any, trace: Any) -> None:
        found.finish(**verdict(kind, fault))
        before(kind, fault, trace)

    sys.excepthook = hook
