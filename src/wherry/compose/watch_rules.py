"""The watch rules of a project, with what .dockerignore says: what `watch_plan` is asked with."""

from __future__ import annotations

import os
import posixpath
from typing import NamedTuple

from wherry.compose.watch_plan import REBUILD, SYNC_EXEC, Filter, Rule, below
from wherry.dockerfile.ignore import Matcher
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.compose.model import Project, Service
    from wherry.compose.model_build import Build, WatchRule

__all__ = ["Selection", "select"]

_LARGEST_BYTES = 1 << 20
_DEFAULT_FILE = "Dockerfile"


class Selection(NamedTuple):
    """`rules` in the file's order; `warnings` are for the user, one line each. `sources` are the files that say all
    this (compose.yaml, .dockerignore): a watch goes on with what they said when it began."""

    rules: tuple[Rule, ...]
    warnings: tuple[str, ...] = ()
    sources: frozenset[str] = frozenset()

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(rule.service for rule in self.rules))


def select(project: Project, services: Sequence[str] = ()) -> Selection:
    """The rules of these services (of all, when none is named), their paths with links resolved.

    Raises: InputError for a service that can't be watched, when there is nothing to watch, and for a .dockerignore
    that can't be read.
    """
    rules: list[Rule] = []
    warnings: list[str] = []
    for name in services or project.services:
        service = project.service(name)
        if service is None:
            raise InputError(f"no such service: {name}")
        for number, element in enumerate(service.develop.watch if service.develop else ()):
            where = f"services.{name}.develop.watch[{number}]"
            _check(name, service, element, where)
            if element.action != REBUILD and _is_mounted(service, element.path):
                warnings.append(
                    f"path '{element.path}' also declared by a bind mount volume, this path won't be monitored!"
                )
                continue
            rules.append(_rule(name, service, element))
    if not rules:
        raise InputError(
            "none of the selected services is configured for watch, consider setting an 'develop' section",
            hint="docs/compose-watch.md shows one",
        )
    ignores = (f"{rule.filter.context}/.dockerignore" for rule in rules if rule.filter.hidden)
    sources = frozenset({*map(os.path.realpath, project.files), *ignores})
    return Selection(tuple(rules), tuple(warnings), sources)


def _check(name: str, service: Service, element: WatchRule, where: str) -> None:
    if element.action == REBUILD and service.build is None:
        raise InputError(f'can\'t watch service "{name}" with action {REBUILD} without a build context')
    if "sync" in element.action and not element.target:
        raise InputError(f"{where}: action {element.action} needs a target", hint="target: the path in the container")
    if element.action == SYNC_EXEC and not (element.exec and element.exec.command):
        raise InputError(f"{where}: action {SYNC_EXEC} needs exec.command")


def _is_mounted(service: Service, path: str) -> bool:
    """Whether the container sees the path itself: then nothing has to be copied."""
    return any(one.type == "bind" and below(one.source, path) is not None for one in service.volumes)


def _rule(name: str, service: Service, element: WatchRule) -> Rule:
    root = os.path.realpath(element.path)
    context, hidden, always = _context(service.build)
    include = Matcher(element.include) if element.include else None
    paths = Filter(root, Matcher(element.ignore), include, context, hidden, always)
    target = posixpath.normpath(posixpath.join("/", element.target)) if element.target else ""
    return Rule(name, element.action, paths, target, element.exec, element.initial_sync)


def _context(build: Build | None) -> tuple[str, Matcher | None, frozenset[str]]:
    """The build's folder, what its .dockerignore hides, and what it can't. "" for none, or one that is not here."""
    if build is None or not build.context or not os.path.isdir(build.context):
        return "", None, frozenset()
    context = os.path.realpath(build.context)
    dockerfile = os.path.realpath(os.path.join(context, build.dockerfile or _DEFAULT_FILE))
    own, shared = f"{dockerfile}.dockerignore", os.path.join(context, ".dockerignore")
    always = frozenset({dockerfile, own, shared})
    for path in (own, shared):
        data = _read(path)
        if data is not None:
            return context, Matcher.of_file(data, path), always
    return context, None, always


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as fault:
        raise InputError(f"cannot read {path}: {fault.strerror}") from None
