"""`include`: other projects' files, read with folders and variables of their own, whose parts join this one.

Compose specification, 14: https://github.com/compose-spec/compose-spec/blob/v2.1.0/14-include.md
"""

from __future__ import annotations

import os
import posixpath

from wherry.compose.discover import read_env_files, read_file
from wherry.compose.paths import absolute, is_remote_file
from wherry.compose.source import Source, fault, missing
from wherry.compose.tree import Map, Seq
from wherry.errors import ComposeError, ComposeFileMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from wherry.compose.read import Reading
    from wherry.compose.tree import Mark, Tree
else:
    from wherry.lean import NamedTuple

__all__ = ["apply_include"]

_DEEPEST = 50  # files that include one another
_MOST = 1000  # includes of a whole project
_PARTS = ("services", "volumes", "networks", "secrets", "configs", "models")


class _Include(NamedTuple):
    """One entry. `paths`: the first is the file, the others are merged over it."""

    paths: tuple[str, ...]
    project_directory: str
    env_files: tuple[str, ...]
    mark: Mark | None


def apply_include(tree: Map, reading: Reading, included: tuple[str, ...]) -> None:
    """
    Put into `tree` what its `include` names. `included` are the files that led here, this one last.

    Raises:
        ComposeError: a file that is not there, a cycle (with its chain), a part that both have and that differs.
    """
    entries = _entries(tree)
    if entries and len(included) > _DEEPEST:
        raise fault(tree.marks.get("include"), f"include goes deeper than {_DEEPEST} files", key=True)
    for one in entries:
        reading.counted.append(one.paths[0])
        if len(reading.counted) > _MOST:
            raise fault(one.mark, f"include: more than {_MOST} files, counting each one each time it is named")
        _join(tree, _included(one, reading, included), one.mark)
    tree.pop("include", None)


def _entries(tree: Map) -> list[_Include]:
    entries, mark = tree.get("include"), tree.marks.get("include")
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise fault(mark, "`include` must be a list", hint="include: [FILE]")
    marks = entries.marks if isinstance(entries, Seq) else []
    return [_entry(entry, marks[i] if i < len(marks) else mark) for i, entry in enumerate(entries)]


def _entry(entry: Tree, mark: Mark | None) -> _Include:
    if isinstance(entry, str):
        return _Include((entry,), "", (), mark)
    if not isinstance(entry, Map):
        raise fault(mark, "an entry of `include` is a path, or a mapping with `path`")
    for key in entry:
        if key not in {"path", "project_directory", "env_file"}:
            hint = "it takes path, project_directory and env_file"
            raise fault(entry.marks.get(key), f"include: unknown key {key}", key=True, hint=hint)
    paths = _texts(entry, "path")
    if not paths:
        raise fault(mark, "include: `path` is required")
    folder = entry.get("project_directory") or ""
    if not isinstance(folder, str):
        raise fault(entry.marks.get("project_directory"), "include.project_directory must be a string")
    return _Include(paths, folder, _texts(entry, "env_file"), mark)


def _texts(entry: Map, key: str) -> tuple[str, ...]:
    value = entry.get(key)
    values = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in values):
        raise fault(entry.marks.get(key), f"include.{key} must be a string, or a list of strings")
    return tuple(values)


def _included(one: _Include, reading: Reading, included: tuple[str, ...]) -> Tree:
    for path in one.paths:
        if is_remote_file(path):
            raise fault(
                one.mark, f"include: {path} is remote, which is not supported", hint="clone it, and name the file"
            )
    files = [absolute(reading.folder, path) for path in one.paths]
    if files[0] in included:
        first, *others = [*included, files[0]]
        raise fault(one.mark, f"include cycle detected:\n{first}\n include " + "\n include ".join(others))
    folder = absolute(reading.folder, one.project_directory or posixpath.dirname(files[0]))
    env_files = _env_files(one, reading.folder, folder)
    variables = reading.variables
    try:
        found = read_env_files(env_files, variables)
        sources = [Source(file, read_file(file)) for file in files]
    except ComposeError as wrong:
        if wrong.where:
            raise
        raise (missing if isinstance(wrong, ComposeFileMissing) else fault)(one.mark, str(wrong)) from None
    inner = reading.other(variables.over({**found, **variables.values}), folder)
    base = folder if posixpath.isabs(one.project_directory) else posixpath.relpath(folder, reading.folder)
    return inner.model(sources, included, base=base)


def _env_files(one: _Include, outer: str, folder: str) -> list[str]:
    if one.env_files:
        files = [absolute(outer, path) for path in one.env_files]
        for file in files:
            if os.path.isdir(file):
                raise fault(one.mark, f"{file} is not a file")
            if not os.path.exists(file):
                raise missing(one.mark, f"stat {file}: no such file or directory")
        return files
    default = posixpath.join(folder, ".env")
    return [default] if os.path.exists(default) and not os.path.isdir(default) else []


def _join(tree: Map, other: Tree, mark: Mark | None) -> None:
    for kind in _PARTS:
        found = other.get(kind)
        if not found:
            continue
        parts = tree.setdefault(kind, Map())
        if parts is None:
            parts = tree[kind] = Map()
        if not isinstance(parts, dict):
            raise fault(tree.marks.get(kind), f"{kind} must be a mapping")
        for name, part in found.items():
            if name in parts and parts[name] != part:
                place = parts.marks.get(name) if isinstance(parts, Map) else None
                hint = "an override of included parts stands in a file of its own: `path: [FILE, OVERRIDE]`, or -f"
                raise fault(place or mark, f"{kind}.{name} conflicts with imported resource", key=True, hint=hint)
            parts[name] = part
            if isinstance(parts, Map) and isinstance(found, Map) and name in found.marks:
                parts.marks[name] = found.marks[name]
