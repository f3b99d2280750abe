"""How compose speaks with a provider: the words of its command line, the JSON lines it answers with. Pure.

Spec: https://github.com/docker/compose/blob/v2.36.0/docs/extension.md
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import NamedTuple

from wherry.errors import InputError, InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.compose.model import Project
    from wherry.compose.model_parts import Provider

__all__ = ["Message", "Metadata", "arguments", "parse_message", "parse_metadata", "with_variables"]

INFO, ERROR, SETENV, DEBUG = "info", "error", "setenv", "debug"
_KINDS = (INFO, ERROR, SETENV, DEBUG)


class Message(NamedTuple):
    """One line of a provider's output; of "setenv" `text` is KEY=VALUE."""

    kind: str
    text: str

    @property
    def variable(self) -> tuple[str, str]:
        name, _, value = self.text.partition("=")
        return name, value


class Metadata(NamedTuple):
    """The parameters that each of its commands knows, and those it can't do without. None: it does not say."""

    known: Mapping[str, Collection[str]]
    required: Mapping[str, Collection[str]]


def arguments(project: str, command: str, service: str, provider: Provider, metadata: Metadata | None) -> list[str]:
    """What stands behind the program's name. `command` is "up" or "down". Raises: InputError."""
    if metadata:
        for name in metadata.required.get(command, ()):
            if name not in provider.options:
                raise InputError(
                    f'required parameter "{name}" is missing from provider "{provider.type}" definition',
                    hint=f"services.{service}.provider.options.{name}",
                )
    words = ["compose", f"--project-name={project}", command]
    for name, values in provider.options.items():
        if metadata is None or name in metadata.known.get(command, ()):
            words += [f"--{name}={value}" for value in values]
    return [*words, service]


def parse_message(line: bytes, provider: str) -> Message:
    """Raises: InvalidSpec."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        shown = line[:80].decode("utf-8", "replace")
        raise InvalidSpec(f"invalid response from provider {provider}: {shown!r} is no JSON") from None
    kind = found.get("type") if isinstance(found, dict) else None
    text = found.get("message", "") if isinstance(found, dict) else None
    if kind not in _KINDS or not isinstance(text, str):
        raise InvalidSpec(f"invalid response from provider {provider}: {str(found)[:80]}")
    name = text.partition("=")[0]
    if kind == SETENV and (not name or name == text or "\0" in text):
        raise InvalidSpec(f"invalid response from provider {provider}: {text[:80]!r} is no KEY=VALUE")
    return Message(kind, text)


def parse_metadata(text: bytes) -> Metadata | None:
    """What `PROGRAM compose metadata` wrote; None when that is nothing that says something."""
    try:
        found = json.loads(text)
        commands = {name: found[name]["parameters"] for name in ("up", "down") if found.get(name)}
        known = {name: {one["name"] for one in given} for name, given in commands.items()}
        needed = {
            name: [one["name"] for one in given if one.get("required") is True] for name, given in commands.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return Metadata(known, needed) if commands else None


def with_variables(project: Project, name: str, variables: Mapping[str, str]) -> Project:
    """The project in which the services that depend on `name` have its variables, as NAME_KEY."""
    prefix = name.upper().replace("-", "_") + "_"
    given = {prefix + key: value for key, value in variables.items()}
    if not given:
        return project
    services = {
        key: service.replace(environment={**service.environment, **given}) if name in service.depends_on else service
        for key, service in project.services.items()
    }
    return project.replace(services=services)
