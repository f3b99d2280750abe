"""Variables that nothing defines, and secrets in those that are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from wherry.dockerfile.instructions import (
    Add,
    Arg,
    Copy,
    Env,
    Expose,
    Instruction,
    Label,
    OnBuild,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from wherry.dockerfile.shell import WordError
from wherry.dockerfile.stages import Stage
from wherry.lint.buildkit.suggest import quoted, suggestion
from wherry.lint.rule import Hit, rule
from wherry.lint.subject import Subject

__all__ = ["secrets_used_in_arg_or_env", "undefined_var"]

_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_NO_SECRET = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)
_NOT_IN_ENV = frozenset({"BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"})
_NOT_A_BASE = "scratch"


@rule("SecretsUsedInArgOrEnv", "warning", "Sensitive data should not be used in the ARG or ENV commands")
def secrets_used_in_arg_or_env(subject: Subject) -> Iterator[Hit]:
    for _, one in subject.instructions():
        if isinstance(one, Arg | Env):
            keyword = "ARG" if isinstance(one, Arg) else "ENV"
            names = [pair.name for pair in one.pairs] if isinstance(one, Arg) else [pair.key for pair in one.pairs]
            for name in names:
                if _SECRET.search(name) and not _NO_SECRET.search(name):
                    message = f"Do not use ARG or ENV instructions for sensitive data ({keyword} {quoted(name)})"
                    yield Hit(one.span, message)


class _Scope(NamedTuple):
    """Names with a value at one point. `is_whole` false: the base image is not known, it may set more."""

    names: frozenset[str]
    is_whole: bool


@rule("UndefinedVar", "warning", "Variables should be defined before their use")
def undefined_var(subject: Subject) -> Iterator[Hit]:
    """Over a base image that is not here, only what looks like a slip of the pen is told: it may set the rest."""
    ends: dict[str, _Scope] = {}
    for stage in subject.stages:
        scope = _start(subject, stage, ends)
        names = set(scope.names)
        env = dict.fromkeys(names, "x")  # those of ARG too; each counts as set to something
        for one in stage.instructions:
            for name in sorted(_missing(subject, one, env)):
                near = suggestion(name, env)
                if near or scope.is_whole:
                    said = f"Usage of undefined variable '${name}'"
                    yield Hit(one.span, f"{said} (did you mean ${near}?)" if near else said)
            if isinstance(one, Env):
                names.update(pair.key for pair in one.pairs)
                env.update((pair.key, "x") for pair in one.pairs)
            elif isinstance(one, Arg):
                env.update((pair.name, "x") for pair in one.pairs)
        if stage.name:
            ends[stage.name] = _Scope(frozenset(names), scope.is_whole)


def _start(subject: Subject, stage: Stage, ends: Mapping[str, _Scope]) -> _Scope:
    path = frozenset({"PATH"})
    if (before := ends.get(stage.image.lower())) is not None:
        return before
    if stage.image == _NOT_A_BASE:
        return _Scope(path, is_whole=True)
    base = subject.options.find_base(stage.image) if subject.options.find_base and "$" not in stage.image else None
    return _Scope(path | frozenset(base.env), is_whole=True) if base else _Scope(path, is_whole=False)


def _missing(subject: Subject, one: Instruction, env: Mapping[str, str]) -> set[str]:
    found: set[str] = set()
    for word in _words(one):
        try:
            found |= subject.file.lex.trace(word, env).missing
        except WordError:
            continue  # the build tells it
    if isinstance(one, Arg):  # a later name sees the earlier ones
        found -= {pair.name for pair in one.pairs}
    return {name for name in found if re.fullmatch(r"[A-Za-z_]\w*", name)} - _NOT_IN_ENV


def _words(one: Instruction) -> list[str]:
    """Those that the build expands."""
    match one:
        case Env() | Label():
            return [word for pair in one.pairs for word in pair]
        case Arg():
            return [pair.default for pair in one.pairs if pair.default]
        case Workdir():
            return [one.path]
        case User():
            return [one.user]
        case Expose():
            return list(one.ports)
        case Volume():
            return list(one.paths)
        case StopSignal():
            return [one.signal]
        case Copy() | Add():
            return [*one.sources, one.destination, one.chown, one.chmod]
        case OnBuild():
            return []
    return []
