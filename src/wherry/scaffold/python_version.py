"""Which Python the project wants: by its own files, the surest first."""

from __future__ import annotations

import re
from typing import Any

from wherry.scaffold.facts import Dependency, Packages, Problem, Python, Where
from wherry.scaffold.files import Files
from wherry.scaffold.locks import Locked
from wherry.scaffold.manifests import conda_python, line_of, table

__all__ = ["allows", "read_python"]

DEFAULT = "3.12"  # the wheels of this field are all there
_KNOWN = [f"3.{minor}" for minor in range(8, 15)]
_VERSION = re.compile(r"(?:python-|cpython-|python\s+)?(3\.\d{1,2})(\.\d{1,2})?", re.IGNORECASE)
# Pinned below this version, the distribution has wheels up to this Python only
_LIMITS = {
    "numpy": (((1, 21), 9), ((1, 23, 2), 10), ((1, 26), 11), ((2, 1), 12)),
    "pandas": (((1, 5), 10), ((2, 1, 1), 11), ((2, 2, 3), 12)),
    "scikit-learn": (((1, 3), 11), ((1, 5, 2), 12)),
    "scipy": (((1, 11, 2), 11), ((1, 14, 1), 12)),
    "torch": (((1, 13), 10), ((2, 2), 11), ((2, 5), 12)),
    "tensorflow": (((2, 12), 10), ((2, 16), 11), ((2, 20), 12)),
    "pydantic-core": (((2, 14), 11), ((2, 20), 12)),
}


def read_python(
    files: Files, pyproject: dict[str, Any], packages: Packages, locked: Locked | None
) -> tuple[Python, list[Problem]]:
    specifier = _specifier(pyproject, locked)
    for path in (".python-version", "runtime.txt", ".tool-versions"):
        found = _file(files, path)
        if found:
            chosen = Python(found[0], found[1], specifier, Where(path, found[2]), f"{path} says so")
            return chosen, _quarrel(chosen)
    said = _stated(files, packages)
    if said:
        return said._replace(specifier=specifier), []
    limit, because = _limit(packages.dependencies)
    version = _fit(specifier, limit) if specifier else ""
    if specifier and version:
        text = files.text("pyproject.toml") or ""
        wanted = f"requires-python {specifier}"
        return Python(version, "", specifier, Where("pyproject.toml", line_of(text, specifier)), wanted), []
    if limit < 12:
        text = f"{because.name} {because.version} has no wheels for a newer Python" if because else ""
        return Python(f"3.{limit}", "", specifier, because.where if because else None, text), []
    return Python(DEFAULT, "", specifier, None, "nothing says which; this is our default"), []


def _file(files: Files, path: str) -> tuple[str, str, int] | None:
    """(version, full version, line)."""
    text = files.text(path, 4096) if files.has(path) else None
    for number, line in enumerate((text or "").splitlines(), 1):
        bare = line.partition("#")[0].strip()
        if path == ".tool-versions" and not bare.startswith("python "):
            continue
        found = _VERSION.fullmatch(bare)
        if found:
            return found[1], found[1] + found[2] if found[2] else "", number
    return None


def _stated(files: Files, packages: Packages) -> Python | None:
    if packages.manager == "pipenv":
        text = files.text("Pipfile") or ""
        found = re.search(r'^python_(?:full_)?version\s*=\s*"(3\.\d{1,2})(\.\d+)?"', text, re.MULTILINE)
        if found:
            full = found[1] + found[2] if found[2] else ""
            return Python(found[1], full, "", Where("Pipfile", line_of(text, found[0])), "Pipfile says so")
    if packages.manager == "conda" and packages.manifest:
        version, line = conda_python(files.text(packages.manifest.file) or "")
        found = _VERSION.fullmatch(version)
        if found:
            return Python(
                found[1],
                version if found[2] else "",
                "",
                Where(packages.manifest.file, line),
                "conda's environment says so",
            )
    return None


def _specifier(pyproject: dict[str, Any], locked: Locked | None) -> str:
    said = table(pyproject, "project").get("requires-python") or table(pyproject, "tool", "poetry", "dependencies").get(
        "python"
    )
    return said if isinstance(said, str) else locked.python if locked else ""


def allows(specifier: str, minor: int) -> bool:
    """Whether 3.MINOR has a release that fits."""
    for clause in re.split(r"[,\s]+(?=[<>=!~^])|,", specifier.replace(" ", "")):
        found = re.match(r"(\^|~=|~|<=|>=|==|!=|<|>)?v?3(?:\.(\d{1,3}))?(?:\.(\d{1,3}|\*))?", clause)
        if not found:
            continue
        sign, other, has_patch = found[1] or "==", int(found[2] or 0), found[3] not in (None, "*")
        if (sign in ("^", ">=", ">") and minor < other) or (sign == ">" and not has_patch and minor == other):
            return False
        if sign == "~=" and (minor < other or (has_patch and minor != other)):
            return False
        if sign in ("~", "==") and found[2] and minor != other:
            return False
        if sign == "<" and (minor > other or (minor == other and (not has_patch or found[3] == "0"))):
            return False
        if sign == "<=" and minor > other:
            return False
        if sign == "!=" and found[2] and not has_patch and minor == other:
            return False
    return True


def _fit(specifier: str, limit: int) -> str:
    """The default when it fits, else the next newer one, else the newest older one."""
    allowed = [int(one[2:]) for one in _KNOWN if allows(specifier, int(one[2:]))]
    best = [one for one in allowed if one <= limit] or allowed
    preferred = int(DEFAULT[2:])
    if preferred in best:
        return DEFAULT
    newer = [one for one in best if one > preferred]
    return f"3.{newer[0]}" if newer else f"3.{best[-1]}" if best else ""


def _limit(dependencies: tuple[Dependency, ...]) -> tuple[int, Dependency | None]:
    found: tuple[int, Dependency | None] = (99, None)
    for one in dependencies:
        numbers = re.match(r"\d{1,6}(\.\d{1,6})*", one.version)
        if not numbers or one.name not in _LIMITS:
            continue
        version = tuple(int(part) for part in numbers[0].split("."))
        for below, newest in _LIMITS[one.name]:
            if version < below:
                if newest < found[0]:
                    found = (newest, one)
                break
    return found


def _quarrel(chosen: Python) -> list[Problem]:
    minor = int(chosen.version[2:])
    if chosen.specifier and not allows(chosen.specifier, minor):
        text = f"says {chosen.version}, which requires-python = {chosen.specifier!r} of the project does not allow"
        return [Problem("warning", "python-mismatch", chosen.where, text, "make both say the same")]
    return []
