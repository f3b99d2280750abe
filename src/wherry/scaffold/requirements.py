"""Requirements as pip reads them: files with their -r, -c, -e and index lines, and single requirements of PEP 508."""

from __future__ import annotations

import posixpath
import re
from typing import Literal, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from wherry.scaffold.facts import Dependency, Index, Problem, Where
from wherry.scaffold.files import Files

__all__ = ["Requirements", "dependency", "normal", "read_requirements"]

_MOST_FILES = 50
_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*(.*)", re.DOTALL)
_EXACT = re.compile(r"={2,3}\s*([0-9A-Za-z.!+_-]+)$")
_SCHEME = re.compile(r"(?:git|hg|svn|bzr)\+|https?://|file:", re.IGNORECASE)
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9._-]+)")
Source = Literal["index", "git", "url", "path", "editable"]


class Requirements(NamedTuple):
    files: tuple[str, ...]
    dependencies: tuple[Dependency, ...]
    indexes: tuple[Index, ...]
    has_hashes: bool
    local_paths: tuple[str, ...]
    problems: tuple[Problem, ...]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def dependency(text: str, where: Where, group: str = "") -> Dependency | None:
    """One requirement; None for what is none."""
    text, _, marker = text.partition(" ;") if " ;" in text else (text, "", "")
    found = _NAME.match(text)
    if not found:
        return None
    name, extras, rest = found[1], found[2] or "", found[3]
    if not marker and "@" not in rest:
        rest, _, marker = rest.partition(";")
    rest = rest.strip().strip("()").strip()
    source: Source = "index"
    reference = ""
    if rest.startswith("@"):
        reference = rest[1:].strip()
        source, rest = _source_of(reference), ""
    elif rest and rest[0] not in "<>=!~":
        return None
    exact = _EXACT.fullmatch(rest)
    names = tuple(sorted(normal(one) for one in extras.split(",") if one.strip()))
    return Dependency(
        normal(name), rest.replace(" ", ""), exact[1] if exact else "", names, marker.strip(), source,
        _public(reference), group, where,
    )  # fmt: skip


def _source_of(reference: str) -> Source:
    if reference.startswith(("git+", "hg+", "svn+", "bzr+")):
        return "git"
    return "url" if reference.startswith(("http://", "https://")) else "path"


def _public(url: str) -> str:
    """Without user and password."""
    if "@" not in url or "://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


class _Reader:
    def __init__(self, files: Files) -> None:
        self.files = files
        self.seen: list[str] = []
        self.dependencies: list[Dependency] = []
        self.indexes: list[Index] = []
        self.paths: list[str] = []
        self.problems: list[Problem] = []
        self.hashes = 0

    def file(self, path: str, group: str, asked: Where | None = None, *, constrains: bool = False) -> None:
        path = posixpath.normpath(path)
        if path in self.seen or len(self.seen) >= _MOST_FILES:
            return
        text = self.files.text(path) if not path.startswith(("../", "/")) else None
        if text is None:
            place = "outside of the project" if path.startswith(("../", "/")) else "not there"
            hint = "put it into the project, or take the line away"
            self.problems.append(
                Problem("error", "requirements-missing", asked, f"names {path}, which is {place}", hint)
            )
            return
        self.seen.append(path)
        for number, line in _logical(text):
            self.line(line, Where(path, number), group, constrains)

    def line(self, line: str, where: Where, group: str, constrains: bool) -> None:
        if line.startswith("-"):
            self.option(line, where, group)
            return
        body, *hashes = re.split(r"\s--(?:hash|config-settings?|global-option)[= ]", line)
        self.hashes += bool(hashes)
        if constrains:
            return
        body = body.strip()
        found = self.direct(body, where, group) if self.is_direct(body) else dependency(body, where, group)
        if found:
            self.dependencies.append(found)
        else:
            self.problems.append(Problem("warning", "bad-requirement", where, f"is no requirement: {body[:80]}"))

    @staticmethod
    def is_direct(body: str) -> bool:
        return (
            bool(_SCHEME.match(body))
            or body.startswith((".", "/"))
            or body.split("[", maxsplit=1)[0].endswith((".whl", ".tar.gz"))
        )

    def direct(self, body: str, where: Where, group: str) -> Dependency:
        source = _source_of(body)
        egg = _EGG.search(body)
        if source == "path":
            self.paths.append(
                posixpath.normpath(posixpath.join(posixpath.dirname(where.file), body.split("[", maxsplit=1)[0]))
            )
        stem = body.split("#", maxsplit=1)[0].rstrip("/").rpartition("/")[2].split("@")[0].removesuffix(".git")
        name = egg[1] if egg else stem.split("-")[0] if stem.endswith((".whl", ".gz")) else stem
        return Dependency(normal(name.strip(".")) or ".", "", "", (), "", source, _public(body), group, where)

    def option(self, line: str, where: Where, group: str) -> None:
        found = re.match(r"(--?[a-z-]+)(?:[ =]|(?<=^-[rcief]))\s*(.*)", line)
        if not found:
            return
        name, value = found[1], found[2].strip().strip("'\"")
        here = posixpath.dirname(where.file)
        if name in ("-r", "--requirement", "-c", "--constraint"):
            self.file(posixpath.join(here, value), group, where, constrains=name in ("-c", "--constraint"))
        elif name in ("-e", "--editable"):
            one = self.direct(value, where, group)
            self.dependencies.append(one._replace(source="editable" if one.source == "path" else one.source))
        elif name in ("-i", "--index-url", "--extra-index-url", "-f", "--find-links"):
            self.indexes.append(Index(_public(value), name not in ("-i", "--index-url"), where))


def _logical(text: str) -> list[tuple[int, str]]:
    """(number of its first line, line): continuations joined, comments and empty lines left out."""
    lines, held, first = [], "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        first = first or number
        bare = re.sub(r"(^|\s)#.*$", "", raw).strip()
        if bare.endswith("\\"):
            held += bare[:-1] + " "
            continue
        whole = (held + bare).strip()
        if whole:
            lines.append((first, whole))
        held, first = "", 0
    if held.strip():
        lines.append((first, held.strip()))
    return lines


def read_requirements(files: Files, paths: list[str], group: str = "") -> Requirements:
    reader = _Reader(files)
    for path in paths:
        reader.file(path, group)
    return Requirements(
        tuple(reader.seen), tuple(reader.dependencies), tuple(reader.indexes), reader.hashes > 0,
        tuple(dict.fromkeys(reader.paths)), tuple(reader.problems),
    )  # fmt: skip
