"""The package manager, its lock, and what the project declares that it needs."""

from __future__ import annotations

import posixpath
import re
import tomllib
from typing import Any, NamedTuple

from wherry.scaffold.facts import Dependency, Index, Lock, Manager, Packages, Problem, Where
from wherry.scaffold.files import Files
from wherry.scaffold.locks import Locked, as_lock, read_lock
from wherry.scaffold.manifests import conda_dependencies, declared, line_of, pipfile_dependencies, table
from wherry.scaffold.requirements import Requirements, read_requirements

__all__ = ["Found", "read_packages", "read_pyproject"]

_LOCKS: tuple[tuple[str, Manager], ...] = (
    ("uv.lock", "uv"), ("poetry.lock", "poetry"), ("pdm.lock", "pdm"), ("Pipfile.lock", "pipenv"),
    ("pylock.toml", "pip"),
)  # fmt: skip
_REQUIREMENTS = (
    "requirements.txt", "requirements/prod.txt", "requirements/production.txt", "requirements/base.txt",
    "requirements-prod.txt", "requirements/requirements.txt", "requirements.lock", "requirements.in",
)  # fmt: skip
_CONDA = ("environment.yml", "environment.yaml", "conda.yml", "conda.yaml")


class Found(NamedTuple):
    packages: Packages
    locked: Locked | None
    pyproject: dict[str, Any]
    problems: tuple[Problem, ...]


def read_pyproject(files: Files) -> tuple[dict[str, Any], str, list[Problem]]:
    """(document, text, problems); an empty document when there is none."""
    text = files.text("pyproject.toml")
    if text is None:
        return {}, "", []
    try:
        return tomllib.loads(text), text, []
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as fault:
        line = re.search(r"at line (\d+)", str(fault))
        where = Where("pyproject.toml", int(line[1]) if line else 0)
        return {}, text, [Problem("error", "bad-pyproject", where, f"is no TOML: {str(fault)[:100]}")]


def read_packages(files: Files) -> Found:
    pyproject, text, problems = read_pyproject(files)
    names = {entry.path for entry in files.entries}
    requirement = next((one for one in _REQUIREMENTS if one in names), "")
    lock_file, manager = _manager(pyproject, names, requirement)
    locked = read_lock(files, lock_file) if lock_file else None
    wanted = read_requirements(files, [requirement] if requirement and manager in ("pip", "conda", "none") else [])
    dependencies, more = _dependencies(files, manager, pyproject, text, wanted)
    if locked:
        dependencies = tuple(one._replace(version=locked.versions.get(one.name, one.version)) for one in dependencies)
    lock = as_lock(locked, dependencies) if locked else _pinned(wanted, dependencies)
    problems += [*wanted.problems, *more, *_said(manager, lock, lock_file, requirement, names)]
    packages = Packages(
        manager, _manifest(manager, pyproject, names, requirement), lock, wanted.files, dependencies,
        tuple(sorted(_groups(pyproject))), tuple(sorted(table(pyproject, "project", "optional-dependencies"))),
        (*wanted.indexes, *_indexes(pyproject, text)), _is_package(pyproject, names, manager), ".",
        str(table(pyproject, "tool", "uv").get("required-version", "")),
        any(one.source == "git" for one in dependencies if not one.group),
        (*wanted.local_paths, *_local_paths(pyproject, dependencies)),
    )  # fmt: skip
    return Found(packages, locked, pyproject, tuple(problems))


def _manager(pyproject: dict[str, Any], names: set[str], requirement: str) -> tuple[str, Manager]:
    """(lock file, manager): a lock says it surest, then a tool's table, then what files there are."""
    for file, manager in _LOCKS:
        if file in names:
            return file, manager
    tool = table(pyproject, "tool")
    backend = str(table(pyproject, "build-system").get("build-backend", ""))
    if "poetry" in tool and (table(tool, "poetry").get("dependencies") or "poetry" in backend):
        return "", "poetry"
    if "pdm" in tool and "pdm" in backend:
        return "", "pdm"
    if "Pipfile" in names:
        return "", "pipenv"
    if not names.isdisjoint(_CONDA) and not requirement:
        return "", "conda"
    if "uv" in tool and table(pyproject, "project"):
        return "", "uv"
    has_project = bool(table(pyproject, "project").get("dependencies")) or "project" in pyproject
    if requirement or has_project or not names.isdisjoint({"setup.py", "setup.cfg"}):
        return "", "pip"
    return "", "none"


def _manifest(manager: Manager, pyproject: dict[str, Any], names: set[str], requirement: str) -> Where | None:
    if manager == "none":
        return None
    if manager == "pipenv":
        return Where("Pipfile")
    if manager == "conda":
        return Where(next(one for one in _CONDA if one in names))
    if requirement and manager == "pip":
        return Where(requirement)
    if pyproject:
        return Where("pyproject.toml")
    return Where(next((one for one in ("setup.py", "setup.cfg") if one in names), "pyproject.toml"))


def _dependencies(
    files: Files, manager: Manager, pyproject: dict[str, Any], text: str, wanted: Requirements
) -> tuple[tuple[Dependency, ...], list[Problem]]:
    if manager == "pipenv":
        return pipfile_dependencies(files.text("Pipfile") or "")
    if manager == "conda":
        path = next(one for one in _CONDA if files.has(one))
        return conda_dependencies(path, files.text(path) or "")
    own = declared(pyproject, text)
    if manager == "pip" and wanted.files:
        return (*wanted.dependencies, *(one for one in own if one.group)), []
    return own, []


def _pinned(wanted: Requirements, dependencies: tuple[Dependency, ...]) -> Lock | None:
    """A requirements file is a lock when it has hashes, or when pip-compile wrote it: everything is pinned."""
    run = [one for one in dependencies if not one.group]
    if not wanted.files or not run or any(one.source == "index" and not one.version for one in run):
        return None
    return Lock(wanted.files[0], True, "", len(run)) if wanted.has_hashes else None


def _said(manager: Manager, lock: Lock | None, lock_file: str, requirement: str, names: set[str]) -> list[Problem]:
    found = []
    if lock and lock.stale:
        hint = {"uv": "uv lock", "poetry": "poetry lock", "pdm": "pdm lock", "pipenv": "pipenv lock"}.get(
            manager, "lock again"
        )
        text = f"does not fit what the project declares: {lock.stale}"
        found.append(Problem("warning", "lock-stale", Where(lock.file), text, hint))
    others = [one for one, _ in _LOCKS if one in names and one != lock_file]
    if lock_file and others:
        text = f"{', '.join(others)} is there too; {lock_file} was taken"
        found.append(Problem("warning", "two-locks", Where(others[0]), text, "remove the one that is out of use"))
    if lock_file and requirement == "requirements.txt":
        text = f"is not used: {lock_file} says what is installed"
        found.append(Problem("note", "requirements-unused", Where(requirement), text))
    return found


def _groups(pyproject: dict[str, Any]) -> set[str]:
    poetry = table(pyproject, "tool", "poetry", "group")
    return {*table(pyproject, "dependency-groups"), *poetry, *table(pyproject, "tool", "pdm", "dev-dependencies")}


def _indexes(pyproject: dict[str, Any], text: str) -> list[Index]:
    tool = table(pyproject, "tool")
    entries = [*_list(table(tool, "uv").get("index")), *_list(table(tool, "poetry").get("source"))]
    entries += _list(table(tool, "pdm").get("source"))
    found = []
    for one in entries:
        if isinstance(one, dict) and isinstance(one.get("url"), str):
            url = re.sub(r"//[^/@]*@", "//", one["url"])
            found.append(Index(url, not one.get("default"), Where("pyproject.toml", line_of(text, one["url"]))))
    return found


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_package(pyproject: dict[str, Any], names: set[str], manager: Manager) -> bool:
    said = table(pyproject, "tool", "uv").get("package")
    if isinstance(said, bool):
        return said
    if manager == "poetry":
        return table(pyproject, "tool", "poetry").get("package-mode") is not False and "build-system" in pyproject
    if "project" in pyproject:
        return "build-system" in pyproject or manager == "pip"
    return not names.isdisjoint({"setup.py", "setup.cfg"}) and manager == "pip"


def _local_paths(pyproject: dict[str, Any], dependencies: tuple[Dependency, ...]) -> list[str]:
    found = []
    for source in table(pyproject, "tool", "uv", "sources").values():
        for one in source if isinstance(source, list) else [source]:
            if isinstance(one, dict) and isinstance(one.get("path"), str):
                found.append(posixpath.normpath(one["path"]))  # noqa: PERF401
    found += [
        one.reference
        for one in dependencies
        if one.source in ("path", "editable") and one.where.file == "pyproject.toml"
    ]
    return list(dict.fromkeys(found))
