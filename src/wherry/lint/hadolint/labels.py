"""Labels: their names, and what a project's schema says of their values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from wherry.dockerfile.instructions import Label
from wherry.lint.rule import Hit, rule
from wherry.lint.subject import Subject

__all__ = ["email", "empty", "git_hash", "keys", "missing", "semver", "superfluous", "time", "url"]

_KEY = re.compile(r"[a-z](?:[a-z0-9._/-]*[a-z0-9])?")
_RESERVED = ("com.docker.", "io.docker.", "org.dockerproject.")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_TIME = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt ]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
    r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)"
)
_HASH = re.compile(r"[0-9a-f]{7}|[0-9a-f]{40}")
_NUMBER = r"(?:0|[1-9]\d*)"
_SEMVER = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-(?:{_NUMBER}|\d*[A-Za-z-][\w-]*)(\.(?:{_NUMBER}|\d*[A-Za-z-][\w-]*))*)?"
    r"(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
_EMAIL = re.compile(r"[^\s@\"<>()]+@[^\s@\"<>()]+")


class _One(NamedTuple):
    label: Label
    key: str
    value: str


def _labels(subject: Subject) -> Iterator[_One]:
    for _, one in subject.instructions():
        if not isinstance(one, Label):
            continue
        for pair in one.pairs:
            yield _One(one, pair.key.strip("\"'"), pair.value.strip("\"'"))


@rule("DL3048", "style", "A label's name is not as the OCI and Docker have them")
def keys(subject: Subject) -> Iterator[Hit]:
    for _, one in subject.instructions():
        for pair in one.pairs if isinstance(one, Label) else ():
            key = pair.key.strip("\"'")
            if "$" in key:
                continue
            if key.startswith(_RESERVED):
                yield Hit(one.span, f"Names as {key} are Docker's own")
                break
            if not _KEY.fullmatch(key) or ".." in key or "--" in key:
                yield Hit(one.span, f"{key}: small letters, digits, single dots and hyphens, a letter first")
                break


@rule("DL3049", "info", "A label that the project asks for is missing")
def missing(subject: Subject) -> Iterator[Hit]:
    """Of each stage that is an image, with what it takes over from the stages below."""
    ends: dict[str, set[str]] = {}
    for stage in subject.stages:
        found = set(ends.get(stage.image.lower(), ()))
        for one in stage.instructions:
            if isinstance(one, Label):
                found |= {pair.key.strip("\"'") for pair in one.pairs}
        if stage.name:
            ends[stage.name] = found
        if stage is subject.stages[-1]:
            for name in sorted(set(subject.options.labels) - found):
                yield Hit(stage.span, f"The label {name} is missing")


@rule("DL3050", "info", "A label that the project does not know")
def superfluous(subject: Subject) -> Iterator[Hit]:
    """Only with `strict-labels`."""
    if not subject.options.strict_labels:
        return
    for one in _labels(subject):
        if one.key not in subject.options.labels:
            yield Hit(one.label.span, f"The project's label schema does not have {one.key}")


@rule("DL3051", "warning", "A label of the project's schema is empty")
def empty(subject: Subject) -> Iterator[Hit]:
    for one in _labels(subject):
        if one.key in subject.options.labels and not one.value:
            yield Hit(one.label.span, f"The label {one.key} is empty")


def _unlike(subject: Subject, kind: str, form: re.Pattern[str], what: str) -> Iterator[Hit]:
    for one in _labels(subject):
        if subject.options.labels.get(one.key) == kind and not form.fullmatch(one.value):
            yield Hit(one.label.span, f"The label {one.key} must be {what}")


@rule("DL3052", "warning", "A label must be a URL")
def url(subject: Subject) -> Iterator[Hit]:
    return _unlike(subject, "url", _URL, "a URL")


@rule("DL3053", "warning", "A label must be a time as RFC 3339 has it")
def time(subject: Subject) -> Iterator[Hit]:
    return _unlike(subject, "rfc3339", _TIME, "a time as 2026-01-31T12:00:00Z")


@rule("DL3055", "warning", "A label must be a commit of git")
def git_hash(subject: Subject) -> Iterator[Hit]:
    return _unlike(subject, "hash", _HASH, "a commit of git, 7 or 40 digits")


@rule("DL3056", "warning", "A label must be a semantic version")
def semver(subject: Subject) -> Iterator[Hit]:
    return _unlike(subject, "semver", _SEMVER, "a semantic version, as 1.2.3")


@rule("DL3058", "warning", "A label must be a mail address")
def email(subject: Subject) -> Iterator[Hit]:
    return _unlike(subject, "email", _EMAIL, "a mail address")
