"""The environment of a command: its Python may be another one than wherry's own."""

from __future__ import annotations

import os
import re

from wherry.errors import WherryError
from wherry.host import Command
from wherry.track.facts import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from wherry.engine import Engine

__all__ = ["environment_of", "interpreter"]

_PYTHON = re.compile(r"(python|pypy)[0-9.]*")
_OF_PYTHON = ("python", "implementation", "executable", "packages")
# The file is read by itself: the other Python may be too old for the rest of wherry
_PROGRAM = """\
import json, os, runpy, sys
print(json.dumps(runpy.run_path(sys.argv[1])["environment"](os.environ)))
"""


def environment_of(engine: Engine, words: Sequence[str]) -> dict[str, Any]:
    """As the command's Python sees it. When that is not found (a shell script), nothing is said of Python: a program
    that uses `wherry.track` says it itself.
    """
    found = environment(engine.settings.env)
    python = interpreter(words, engine.settings.env, engine.settings.cwd)
    if python == found["executable"]:
        return found
    return _asked(engine, python) or {key: value for key, value in found.items() if key not in _OF_PYTHON}


def interpreter(words: Sequence[str], env: Mapping[str, str], cwd: str) -> str:
    """The path of the Python that `words` start: python itself, or what a script's first line names. "" for others."""
    path = _which(words[0], env, cwd)
    if _PYTHON.fullmatch(os.path.basename(path)):
        return path
    try:
        with open(path, "rb") as file:
            first = file.readline(400).decode("utf-8", "replace")
    except OSError:
        return ""
    line = first[2:].split() if first.startswith("#!") else []
    if line and os.path.basename(line[0]) == "env":
        line = [_which(one, env, cwd) for one in line[1:] if not one.startswith("-")]
    return line[0] if line and _PYTHON.fullmatch(os.path.basename(line[0])) else ""


def _which(word: str, env: Mapping[str, str], cwd: str) -> str:
    if "/" in word:
        return os.path.join(cwd, word)
    for folder in env.get("PATH", os.defpath).split(":"):
        path = os.path.join(cwd, folder or ".", word)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return ""


def _asked(engine: Engine, python: str) -> dict[str, Any]:
    from wherry import lean_json as json
    from wherry.track import facts

    if not python:
        return {}
    # No .pyc beside our own source, and no start-up file of the user's that prints
    command = Command((python, "-B", "-c", _PROGRAM, facts.__file__), env=dict(engine.settings.env), timeout_s=20)
    try:
        said = json.loads(engine.host.run(command).stdout)
    except (WherryError, ValueError, OSError):
        return {}
    return said if isinstance(said, dict) else {}
