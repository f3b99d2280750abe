"""What pyproject.toml, Pipfile and environment.yml declare."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from wherry.scaffold.facts import Dependency, Problem, Where
from wherry.scaffold.requirements import dependency, normal

__all__ = ["conda_dependencies", "conda_python", "declared", "line_of", "pipfile_dependencies", "table"]


def table(value: Any, *names: str) -> dict[str, Any]:
    """The table at a path; an empty one for whatever is not there or no table."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def line_of(text: str, wanted: str) -> int:
    """Of the first line that has it, from 1; 0 when none has."""
    at = text.find(wanted) if wanted else -1
    return text.count("\n", 0, at) + 1 if at >= 0 else 0


def declared(pyproject: dict[str, Any], text: str) -> tuple[Dependency, ...]:
    """Of [project], [dependency-groups], and the tables of poetry and pdm."""
    found: list[Dependency] = []
    _texts(found, table(pyproject, "project").get("dependencies"), text, "")
    for group, entries in table(pyproject, "project", "optional-dependencies").items():
        _texts(found, entries, text, group)
    for group, entries in table(pyproject, "dependency-groups").items():
        _texts(found, entries, text, group)
    for group, entries in table(pyproject, "tool", "pdm", "dev-dependencies").items():
        _texts(found, entries, text, group)
    poetry = table(pyproject, "tool", "poetry")
    _poetry(found, table(poetry, "dependencies"), text, "")
    _poetry(found, table(poetry, "dev-dependencies"), text, "dev")
    for group in table(poetry, "group"):
        _poetry(found, table(poetry, "group", group, "dependencies"), text, group)
    return tuple(_with_sources(found, table(pyproject, "tool", "uv", "sources")))


def _texts(found: list[Dependency], entries: object, text: str, group: str) -> None:
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, str):
            one = dependency(entry, Where("pyproject.toml", line_of(text, entry)), group)
            if one:
                found.append(one)


def _poetry(found: list[Dependency], entries: dict[str, Any], text: str, group: str) -> None:
    for name, value in entries.items():
        if name.lower() == "python":
            continue
        line = re.search(rf"^\s*[\"']?{re.escape(name)}[\"']?\s*=", text, re.MULTILINE)
        where = Where("pyproject.toml", text.count("\n", 0, line.end()) + 1 if line else 0)
        found.append(_loose(name, value[0] if isinstance(value, list) and value else value, group, where))


def _loose(name: str, value: object, group: str, where: Where) -> Dependency:
    """An entry of poetry or pipenv: a version, or a table."""
    about: dict[str, Any] = value if isinstance(value, dict) else {"version": value}
    version = str(about.get("version") or "")
    specifier = "" if version in ("*", "None") else _caret(version)
    extras = tuple(sorted(str(one) for one in about.get("extras") or ()))
    marker = str(about.get("markers") or "")
    exact = specifier.removeprefix("==") if specifier.startswith("==") and "*" not in specifier else ""
    if about.get("git"):
        return Dependency(normal(name), "", "", extras, marker, "git", str(about["git"]), group, where)
    if about.get("path"):
        return Dependency(normal(name), "", "", extras, marker, "path", str(about["path"]), group, where)
    if about.get("url"):
        return Dependency(normal(name), "", "", extras, marker, "url", str(about["url"]), group, where)
    return Dependency(normal(name), specifier, exact, extras, marker, "index", "", group, where)


def _caret(version: str) -> str:
    """ "^1.2.3" → ">=1.2.3,<2.0"; "1.2.3" is exact in poetry; the rest stands as it is."""
    found = re.fullmatch(r"([\^~])\s*(\d{1,6})(?:\.(\d{1,6}))?(?:\.(\d{1,6}))?(\S*)", version)
    if not found:
        return (
            f"=={version}" if re.fullmatch(r"\d[\w.+!-]*", version) and "*" not in version else version.replace(" ", "")
        )
    sign, major, minor, patch = found[1], int(found[2]), int(found[3] or 0), int(found[4] or 0)
    below = version[1:].strip()
    if sign == "~" and found[3]:
        return f">={below},<{major}.{minor + 1}"
    if sign == "^" and major == 0 and found[3]:
        return f">={below},<0.{minor + 1}" if minor or not found[4] else f">={below},<0.0.{patch + 1}"
    return f">={below},<{major + 1}"


def _with_sources(found: list[Dependency], sources: dict[str, Any]) -> list[Dependency]:
    """uv's [tool.uv.sources]: where a dependency really comes from."""
    said = {normal(name): value for name, value in sources.items()}
    result = []
    for one in found:
        source = said.get(one.name)
        about = source[0] if isinstance(source, list) and source else source
        if isinstance(about, dict) and isinstance(about.get("git"), str):
            one = one._replace(source="git", reference=about["git"])
        elif isinstance(about, dict) and isinstance(about.get("path"), str):
            one = one._replace(source="editable" if about.get("editable") else "path", reference=about["path"])
        result.append(one)
    return result


def pipfile_dependencies(text: str) -> tuple[tuple[Dependency, ...], list[Problem]]:
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as fault:
        return (), [Problem("error", "bad-pipfile", Where("Pipfile"), f"is no TOML: {str(fault)[:100]}")]
    found = []
    for key, group in (("packages", ""), ("dev-packages", "dev")):
        for name, value in table(document, key).items():
            line = re.search(rf"^\s*[\"']?{re.escape(name)}[\"']?\s*=", text, re.MULTILINE)
            where = Where("Pipfile", text.count("\n", 0, line.end()) + 1 if line else 0)
            found.append(_loose(name, value, group, where))
    return tuple(found), []


def conda_dependencies(path: str, text: str) -> tuple[tuple[Dependency, ...], list[Problem]]:
    """Of an environment file: conda's by their own names (most are PyPI's too), and pip's."""
    import yaml

    try:
        document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (yaml.YAMLError, RecursionError, ValueError) as fault:
        return (), [Problem("error", "bad-environment", Where(path), f"is no YAML: {str(fault).splitlines()[0][:100]}")]
    entries = document.get("dependencies") if isinstance(document, dict) else None
    found = []
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, str):
            name, _, version = entry.rpartition("::")[2].replace("==", "=").partition("=")
            one = dependency(name, Where(path, line_of(text, entry)))
            if one and one.name not in ("python", "pip"):
                version = version.partition("=")[0]
                found.append(one._replace(version=version, specifier=f"=={version}" if version else one.specifier))
        elif isinstance(entry, dict):
            for each in entry.get("pip") or ():
                one = dependency(str(each), Where(path, line_of(text, str(each))))
                found += [one] if one else []
    return tuple(found), []


def conda_python(text: str) -> tuple[str, int]:
    """(version, line) of `- python=3.11`."""
    found = re.search(r"^\s*-\s*[\"']?(?:[\w-]+::)?python\s*=+\s*([0-9.]+)", text, re.MULTILINE)
    return (found[1], text.count("\n", 0, found.start(1)) + 1) if found else ("", 0)
