"""Linting a project's Dockerfile: the files it takes, the rules, and the repaired file."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from wherry.errors import InputError
from wherry.lint.rule import Rule
from wherry.lint.run import Finding
from wherry.lint.settings import Settings
from wherry.lint.subject import Subject

__all__ = ["Fixed", "LintRequest", "Linted", "fix", "lint", "write"]

_LARGEST_BYTES = 1 << 20
_MOST_ROUNDS = 10
_HADOLINT = (".hadolint.yaml", ".hadolint.yml")


class LintRequest(NamedTuple):
    """`path` is the project's folder or a Dockerfile; `dockerfile` is -f. `stdin` replaces both: the text itself.

    `settings` are the flags: they win over the project's files.
    """

    path: str = "."
    dockerfile: str = ""
    stdin: bytes | None = None
    settings: Settings = Settings()


class Linted(NamedTuple):
    """`path` is the Dockerfile's, "" for stdin; `name` what reports call it."""

    path: str
    name: str
    subject: Subject
    findings: tuple[Finding, ...]
    settings: Settings
    rules: tuple[Rule, ...]


class Fixed(NamedTuple):
    """`text` repaired, `done` what was, `left` what the rules still find in it."""

    text: str
    done: tuple[Finding, ...]
    left: tuple[Finding, ...]


def lint(cwd: str, request: LintRequest) -> Linted:
    """Raises: InputError, DockerfileError."""
    from wherry.lint.ruleset import load
    from wherry.lint.settings import check_names

    rules = load()
    if request.stdin is not None:
        return _linted(Linted("", "-", Subject.parse(request.stdin, "-"), (), request.settings, rules))
    path, folder = _locate(cwd, request)
    settings = request.settings.over(_settings(folder))
    check_names(request.settings.ignore | request.settings.only, _names(rules), "wherry lint")
    data = _read(path)
    assert data is not None
    name = os.path.relpath(path, cwd)
    name = path if name.startswith("..") else name
    found = Linted(path, name, _subject(data, name, folder, path, settings), (), settings, rules)
    return _linted(found)


def _names(rules: Sequence[Rule]) -> set[str]:
    return {rule.name for rule in rules}


def _linted(found: Linted) -> Linted:
    return found._replace(findings=_run(found, found.subject))


def _run(found: Linted, subject: Subject) -> tuple[Finding, ...]:
    from wherry.lint.choice import Checks, Choice, parse_checks
    from wherry.lint.run import run

    directive = next((one.value for one in subject.file.directives if one.name == "check"), "")
    checks = parse_checks(directive) if directive else Checks()
    settings = found.settings
    choice = Choice(settings.only, settings.ignore, settings.levels, checks, settings.obeys_pragmas)
    return run(subject, found.rules, choice)


def fix(found: Linted) -> Fixed:
    """Until nothing is left that can be repaired: one repair may make room for the next."""
    from wherry.lint.run import fix as repair

    text, findings, done = found.subject.text, found.findings, list[Finding]()
    subject = found.subject
    for _ in range(_MOST_ROUNDS):
        after, repaired = repair(text, findings)
        if after == text:
            break
        text = after
        done += repaired
        subject = Subject.parse(text.encode(), found.name, subject.options, folder=subject.folder,
                                ignore=subject.ignore)  # fmt: skip
        findings = _run(found, subject)
    return Fixed(text, tuple(done), findings)


def write(found: Linted, text: str) -> None:
    """The file as a whole, with its mode; a link stays one, what it leads to is written. Raises: InputError."""
    from wherry.fs.atomic import replace_file

    path = os.path.realpath(found.path)
    bom = "\ufeff" if (_read(path) or b"").startswith(b"\xef\xbb\xbf") else ""
    try:
        replace_file(path, (bom + text).encode(), stat.S_IMODE(os.stat(path).st_mode))
    except OSError as fault:
        raise InputError(f"cannot write {found.path}: {fault.strerror}") from None


def _locate(cwd: str, request: LintRequest) -> tuple[str, str]:
    """The Dockerfile and the project's folder. Raises: InputError."""
    from wherry.build.context import locate

    path = os.path.join(cwd, request.path)
    if os.path.isdir(path):
        return os.path.normpath(locate(path, request.dockerfile, cwd).path), os.path.normpath(path)
    if request.dockerfile:
        raise InputError(f"{request.path} is not a folder", hint="give the project's folder; the Dockerfile goes to -f")
    if not os.path.exists(path):
        raise InputError(f"cannot read {request.path}: no such file or directory")
    return path, os.path.dirname(path) or cwd


def _subject(data: bytes, name: str, folder: str, path: str, settings: Settings) -> Subject:
    from wherry.dockerfile.ignore import Matcher
    from wherry.lint.subject import Options

    ignore = None
    for beside in (f"{path}.dockerignore", os.path.join(folder, ".dockerignore")):
        if (lines := _read(beside, must=False)) is not None:
            ignore = Matcher.of_file(lines, os.path.basename(beside))
            break
    options = Options(
        trusted_registries=settings.trusted_registries, labels=settings.labels, strict_labels=settings.strict_labels
    )
    return Subject.parse(data, name, options, folder=folder, ignore=ignore)


def _settings(folder: str) -> Settings:
    """wherry.toml wins over hadolint's file. Raises: InputError."""
    from wherry.lint.settings import parse_hadolint, parse_toml

    found = Settings()
    for name in _HADOLINT:
        path = os.path.join(folder, name)
        if (data := _read(path, must=False)) is not None:
            found = parse_hadolint(data, path)
            break
    path = os.path.join(folder, "wherry.toml")
    if (data := _read(path, must=False)) is not None:
        found = parse_toml(data, path).over(found)
    return found


def _read(path: str, *, must: bool = True) -> bytes | None:
    """None when it is not there and need not be. Raises: InputError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as fault:
        if isinstance(fault, FileNotFoundError) and not must:
            return None
        raise InputError(f"cannot read {path}: {fault.strerror}") from None
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise InputError(f"cannot read {path}: it is not a file")
        data = file.read(_LARGEST_BYTES + 1)
    if len(data) > _LARGEST_BYTES:
        raise InputError(f"cannot read {path}: it is larger than 1 MB")
    return data
