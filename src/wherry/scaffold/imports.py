"""Imports of the app's code that nothing declares, and the system packages that declared distributions need."""

from __future__ import annotations

import ast
import sys

from wherry.scaffold.facts import App, Dependency, Packages, Problem, SystemPackage, Undeclared, Where
from wherry.scaffold.locks import Locked
from wherry.scaffold.placement import Placement, reachable
from wherry.scaffold.requirements import normal
from wherry.scaffold.source import Module, Sketch, Sources, parse
from wherry.scaffold.table_imports import BRINGS, DISTRIBUTIONS, SAME
from wherry.scaffold.table_system import BUILD, RUN

__all__ = ["available", "system_packages", "undeclared", "undeclared_problems"]

_GUARDS = frozenset({"ImportError", "ModuleNotFoundError", "Exception"})


def available(dependencies: tuple[Dependency, ...], locked: Locked | None) -> frozenset[str]:
    """Distributions that an installation has: declared for run time, locked, and what these always bring.

    "name[extra]" stands for each extra.
    """
    declared = [one for one in dependencies if not one.group]
    names = {one.name for one in declared} | {f"{one.name}[{extra}]" for one in declared for extra in one.extras}
    names |= set(locked.versions) if locked else set()
    waiting = list(names)
    while waiting:
        for other in BRINGS.get(waiting.pop(), ()):
            if other not in names:
                names.add(other)
                waiting.append(other)
    return frozenset(names)


def undeclared(sources: Sources, app: App | None, packages: Packages, have: frozenset[str]) -> list[Undeclared]:
    """Of the files that the app's own imports bring along; of all when there is no app. Each module once."""
    where = Placement(sources)
    sketches = {one.path: one for one in sources.sketches}
    start = sketches.get(app.file) if app else None
    paths = reachable(start, where) if start else {one.path for one in sources.sketches if not one.is_aside}
    own = where.top_names() | {part for path in packages.local_paths for part in path.split("/")}
    found: dict[str, Undeclared] = {}
    for path in sorted(paths, key=lambda path: (path != (app.file if app else ""), path)):
        for one in sketches[path].imports:
            root = one.module.split(".")[0]
            if not root or root in found or root in own or root in sys.stdlib_module_names or root == "__future__":
                continue
            if _gives(root, have) or not _is_needed(sketches[path], sources, one.line):
                continue
            known = DISTRIBUTIONS.get(root)
            found[root] = Undeclared(
                root, known[0] if known else normal(root), bool(known) or normal(root) in SAME, Where(path, one.line)
            )
    return list(found.values())


def _gives(root: str, have: frozenset[str]) -> bool:
    names = {normal(root), *DISTRIBUTIONS.get(root, ())}
    return bool(names & have)


def _is_needed(sketch: Sketch, sources: Sources, line: int) -> bool:
    """Whether the import at a line is code, and stands under no `except ImportError` and no `if TYPE_CHECKING`."""
    parsed = sources.modules.get(sketch.path) or parse(sketch.path, sketch.data)
    if not isinstance(parsed, Module):
        return False
    return _look(parsed.tree.body, line)


def _look(body: list[ast.stmt], line: int) -> bool:
    for node in body:
        if not node.lineno <= line <= (node.end_lineno or node.lineno):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            return True
        if isinstance(node, ast.Try) and any(_catches(one) for one in node.handlers):
            return False
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return False
        inner: list[ast.stmt] = []
        for name in ("body", "orelse", "finalbody"):
            inner += getattr(node, name, None) or []
        for handler in getattr(node, "handlers", []):
            inner += handler.body
        return _look(inner, line)
    return False


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(isinstance(one, ast.Name) and one.id in _GUARDS for one in ast.walk(handler.type))


def undeclared_problems(found: list[Undeclared], packages: Packages) -> list[Problem]:
    manifest = packages.manifest.file if packages.manifest else "a requirements.txt"
    return [
        Problem(
            "warning", "undeclared-import", one.where, f"imports {one.module}, which no declared dependency gives",
            f"add {one.distribution} to {manifest}" + ("" if one.is_known else " if that is its name on PyPI"),
        )
        for one in found
    ]  # fmt: skip


def system_packages(dependencies: tuple[Dependency, ...], have: frozenset[str]) -> tuple[SystemPackage, ...]:
    """By the name of the package; "run" before "build"."""
    extras = {one.name: one.extras for one in dependencies}
    found = []
    for name in sorted(one for one in have if "[" not in one):
        if name == "psycopg" and ("binary" in extras.get(name, ()) or "psycopg-binary" in have):
            continue
        found += [SystemPackage(package, "run", name, reason) for package, reason in RUN.get(name, ())]
        found += [SystemPackage(package, "build", name, reason) for package, reason in BUILD.get(name, ())]
    git = next((one for one in dependencies if one.source == "git" and not one.group), None)
    if git:
        found.append(SystemPackage("git", "build", git.name, f"{git.where} takes it from git"))
    return tuple(sorted(found, key=lambda one: (one.phase != "run", one.name, one.distribution)))
