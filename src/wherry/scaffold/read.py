"""The one way in: a folder's facts."""

from __future__ import annotations

from typing import Any

from wherry.scaffold.apps import Known, app_problems, find_apps
from wherry.scaffold.evidence import project_name, read_evidence, read_tree
from wherry.scaffold.facts import App, Evidence, Facts, Problem
from wherry.scaffold.files import Files, walk
from wherry.scaffold.gpu import gpu_problems, read_gpu
from wherry.scaffold.imports import available, system_packages, undeclared, undeclared_problems
from wherry.scaffold.manifests import table
from wherry.scaffold.packages import read_packages
from wherry.scaffold.placement import Placement
from wherry.scaffold.python_version import read_python
from wherry.scaffold.source import Sources, read_sources
from wherry.scaffold.variables import read_use
from wherry.scaffold.weights import read_weights

__all__ = ["read"]

_ORDER = ("error", "warning", "note")


def read(folder: str) -> Facts:
    """Read the project in `folder`; nothing of it is imported or executed.

    Raises: InputError when the folder itself can't be read.
    """
    files = walk(folder)
    sources = read_sources(files)
    found = read_packages(files)
    packages = found.packages
    have = available(packages.dependencies, found.locked)
    evidence = read_evidence(files, found.pyproject, files.text("pyproject.toml") or "")
    tree = read_tree(files)
    apps = _apps(files, sources, evidence, found.pyproject, have)
    best = apps[0] if apps else None
    missing = undeclared(sources, best, packages, have)
    python, quarrels = read_python(files, found.pyproject, packages, found.locked)
    weights, warnings = read_weights(files, sources)
    gpu = read_gpu(sources, packages, found.locked)
    variables, downloads = read_use(sources)
    problems = [
        *sources.problems, *app_problems(apps, sources, tree.notebooks), *_server_problems(best), *found.problems,
        *quarrels, *undeclared_problems(missing, packages), *warnings, *gpu_problems(gpu), *_tree_problems(files),
    ]  # fmt: skip
    return Facts(
        project_name(files, found.pyproject), best, tuple(apps[1:]), python, packages, tuple(missing),
        system_packages(packages.dependencies, have), weights, downloads, gpu, variables, tree, evidence,
        tuple(sorted(problems, key=lambda one: _ORDER.index(one.level))),
    )  # fmt: skip


def _apps(
    files: Files, sources: Sources, evidence: Evidence, pyproject: dict[str, Any], have: frozenset[str]
) -> list[App]:
    entry = table(pyproject, "tool", "fastapi").get("entrypoint")
    models = tuple(
        one.path.rpartition("/")[0] or "." for one in files.entries if one.path.rpartition("/")[2] == "MLmodel"
    )
    entrypoint = entry if isinstance(entry, str) else ""
    return find_apps(Known(sources, Placement(sources), evidence.commands, entrypoint, have, models))


def _server_problems(app: App | None) -> list[Problem]:
    if not app or not app.server or app.server.is_declared:
        return []
    text = f"{app.import_string or app.file} needs {app.server.name}, which is no dependency of the project"
    return [Problem("warning", "server-missing", app.where, text, f"add {app.server.distribution} to the dependencies")]


def _tree_problems(files: Files) -> list[Problem]:
    if files.is_complete:
        return []
    text = f"only the first {len(files.entries):,} files were looked at"
    return [Problem("note", "many-files", None, text, "run wherry init in the folder of the application")]
