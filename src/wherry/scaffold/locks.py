"""Lock files, read by their lines: they are written by programs, and a TOML parser takes a second for a large one."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from wherry.scaffold.facts import Dependency, Lock, Wheel
from wherry.scaffold.files import Files
from wherry.scaffold.requirements import normal

__all__ = ["Locked", "as_lock", "read_lock", "staleness"]

_PACKAGE = re.compile(r"^\[\[packages?\]\]\s*$", re.MULTILINE)
_NAME = re.compile(r'^name = "([^"\n]+)"', re.MULTILINE)
_VERSION = re.compile(r'^version = "([^"\n]+)"', re.MULTILINE)
_SIZE = re.compile(r"\bsize = (\d{1,12})\b")
_PIPFILE = re.compile(r'^ {8}"([A-Za-z0-9._-]+)": \{(.*?)^ {8}\}', re.MULTILINE | re.DOTALL)
_PIPFILE_VERSION = re.compile(r'"version": "==([^"]+)"')
_REQUIRES_DIST = re.compile(r"^requires-dist = \[(.*?)^\]|^requires-dist = \[(.*?)\]$", re.MULTILINE | re.DOTALL)
_REQUIRED = re.compile(r'\{ name = "([^"]+)"([^}\n]*)')
_SPECIFIER = re.compile(r'specifier = "([^"]*)"')
_PYTHON = re.compile(r'^(?:requires-python|python-versions|requires_python) = "([^"]*)"', re.MULTILINE)
_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


class Locked(NamedTuple):
    file: str
    versions: dict[str, str]
    """Normalised name → version; of several for different machines the last."""
    every: tuple[Wheel, ...]
    """All of them; `mb` is the largest file's size, 0 when the lock has none."""
    has_hashes: bool
    python: str
    required: dict[str, str] | None
    """uv.lock: what the project required when it was locked, name → specifier; None: it does not say."""
    line: dict[str, int]


def read_lock(files: Files, path: str) -> Locked | None:
    text = files.text(path)
    if text is None:
        return None
    if path.endswith("Pipfile.lock"):
        return _pipfile(path, text)
    every, lines = [], {}
    starts = [one.end() for one in _PACKAGE.finditer(text)]
    at, line = 0, 1
    for start, end in pairwise([*starts, len(text)]):
        block = text[start:end]
        name, version = _NAME.search(block), _VERSION.search(block)
        line += text.count("\n", at, start)
        at = start
        if name:
            sizes = [int(one) for one in _SIZE.findall(block)]
            every.append(Wheel(normal(name[1]), version[1] if version else "", max(sizes, default=0) // 1_000_000))
            lines[normal(name[1])] = line
    python = _PYTHON.search(text)
    required = _required(text) if path.endswith("uv.lock") else None
    versions = {one.name: one.version for one in every}
    return Locked(path, versions, tuple(every), "sha256:" in text, python[1] if python else "", required, lines)


def _pipfile(path: str, text: str) -> Locked:
    default = text.partition('"default": {')[2].partition('\n    "develop"')[0]
    found = {}
    for one in _PIPFILE.finditer(default):
        version = _PIPFILE_VERSION.search(one[2])
        found[normal(one[1])] = version[1] if version else ""
    every = tuple(Wheel(name, version, 0) for name, version in found.items())
    return Locked(path, found, every, "sha256:" in text, "", None, {})


def _required(text: str) -> dict[str, str] | None:
    found = _REQUIRES_DIST.search(text)
    if not found:
        return None
    inside = found[1] or found[2] or ""
    result = {}
    for one in _REQUIRED.finditer(inside):
        specifier = _SPECIFIER.search(one[2])
        result[normal(one[1])] = specifier[1] if specifier else ""
    return result


def staleness(locked: Locked, dependencies: tuple[Dependency, ...]) -> str:
    """Why the lock does not fit what is declared; "" when nothing speaks against it."""
    wanted = [one for one in dependencies if not one.group and not one.marker]
    for one in wanted:
        if one.name not in locked.versions and one.source == "index":
            return f"{one.name} ({one.where}) is not in it"
        version = locked.versions.get(one.name, "")
        if version and one.specifier and _refuses(one.specifier, version):
            return f"{one.where} wants {one.name}{one.specifier}, and it has {version}"
    return ""


def _refuses(specifier: str, version: str) -> bool:
    """Only when that is sure: plain numbers on both sides."""
    have = _numbers(version.partition("+")[0])
    if have is None:
        return False
    for clause in specifier.split(","):
        found = re.fullmatch(r"(<=|>=|==|<|>)\s*([0-9.]+)", clause.strip())
        wanted = _numbers(found[2]) if found else None
        if not found or wanted is None:
            continue
        size = max(len(have), len(wanted))
        left, right = have + (0,) * (size - len(have)), wanted + (0,) * (size - len(wanted))
        sure = {"<=": left <= right, ">=": left >= right, "==": left == right, "<": left < right, ">": left > right}
        if not sure[found[1]]:
            return True
    return False


def _numbers(text: str) -> tuple[int, ...] | None:
    if len(text) > 40 or not _NUMBERS.fullmatch(text):
        return None
    return tuple(int(one) for one in text.split("."))


def as_lock(locked: Locked, dependencies: tuple[Dependency, ...]) -> Lock:
    return Lock(locked.file, locked.has_hashes, staleness(locked, dependencies), len(locked.versions))
