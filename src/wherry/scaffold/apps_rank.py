"""Which of several apps is meant: points with reasons, so that the choice can be explained and disputed."""

from __future__ import annotations

from wherry.scaffold.apps_find import Candidate
from wherry.scaffold.apps_run import Start
from wherry.scaffold.facts import AppKind, Command
from wherry.scaffold.source import Sketch

__all__ = ["Ranking"]

_FILES = ("main", "app", "server", "api", "asgi", "wsgi", "serve", "service", "__init__", "streamlit_app", "__main__")
_NAMES = ("app", "application", "api", "server", "demo", "create_app", "svc")
_KINDS: dict[str, int] = {"worker": -70, "script": -5, "mlflow": -20}


class Ranking:
    def __init__(self, commands: tuple[Command, ...], entrypoint: str, starts: list[Start]) -> None:
        self.commands = commands
        self.entrypoint = entrypoint
        self.starts = starts

    def starts_of(self, one: Candidate, string: str, names: dict[str, str]) -> list[Start]:
        """Calls that start this app: by its import string, by its name in its file, or whatever the file runs."""
        del names
        found = []
        for start in self.starts:
            same_file = start.where.file == one.path
            by_name = same_file and start.target.rpartition(":")[2] in (one.name, one.name + "()")
            by_string = bool(string) and ":" in start.target and _same(start.target, string)
            by_import = (
                bool(one.name) and not same_file and start.target.endswith("." + _dotted(string)) if string else False
            )
            unnamed = same_file and (not one.name or not start.target)
            imported = bool(string) and not same_file and start.target == string.replace(":", ".")
            if by_name or by_string or by_import or unnamed or imported:
                found.append(start)
        return found

    def score(
        self, one: Candidate, string: str, kind: AppKind, sketch: Sketch, routes: int, has_health: bool
    ) -> tuple[int, tuple[str, ...]]:
        points, reasons = _KINDS.get(kind, 0), []
        if self.entrypoint and string and _same(self.entrypoint, string):
            points, reasons = points + 300, ["[tool.fastapi] names it"]
        for command in self.commands:
            named = (string and any(_same(word, string) for word in command.text.split())) or (
                not string and one.path in command.text
            )
            if named:
                points += 200
                reasons.append(f"{command.where} starts it")
                break
        if any(start.where.file != one.path or start.target for start in self.starts_of(one, string, {})):
            points += 80
            reasons.append("the code starts it")
        more, why = _place(sketch)
        points, reasons = points + more, [*reasons, *why]
        if one.name in _NAMES:
            points += 20 - _NAMES.index(one.name)
            reasons.append(f"it is called {one.name}")
        if routes:
            points += 15 + min(routes, 10)
            reasons.append(f"it has {routes} route{'s' * (routes > 1)}")
        return points + 10 * has_health, tuple(reasons)

    def score_job(self, sketch: Sketch) -> tuple[int, tuple[str, ...]]:
        points, reasons = _place(sketch)
        if any(sketch.path in command.text for command in self.commands):
            return points + 200, ("a command of the project starts it", *reasons)
        return points, tuple(reasons)


def _place(sketch: Sketch) -> tuple[int, list[str]]:
    points, reasons = -8 * sketch.path.count("/"), []
    stem = sketch.path.rpartition("/")[2].removesuffix(".py")
    if stem in _FILES:
        points += 40 - 2 * _FILES.index(stem)
        reasons.append(f"its file is called {stem}.py")
    if sketch.is_aside:
        points -= 150
    return points, reasons


def _dotted(string: str) -> str:
    return string.replace(":", ".")


def _same(said: str, string: str) -> bool:
    """ "src.app.main:app" and "app.main:app" are one; () and quotes do not count."""
    said = said.strip("'\",[]").removesuffix("()")
    if ":" not in said:
        return False
    return said == string or said.endswith("." + string) or string.endswith("." + said)
