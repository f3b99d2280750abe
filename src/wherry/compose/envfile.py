"""What `env_file` and `label_file` give a service."""

from __future__ import annotations

import os

from wherry.compose.discover import read_file
from wherry.compose.dotenv import parse, parse_raw
from wherry.compose.interpolate import Variables
from wherry.compose.source import Source
from wherry.errors import ComposeError, ComposeFileMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wherry.compose.model_parts import EnvFile
    from wherry.compose.model_service import Service

__all__ = ["service_environment", "service_labels"]


def service_environment(
    service: Service, environment: Mapping[str, str], warn: Callable[[str], None]
) -> dict[str, str | None]:
    """
    A service's variables: those of its env files, each over the one before, and its own over them.

    A variable without a value takes that of the project's `environment`, and stays without one when there is none.
    `$NAME` in a file means what an earlier file says, else the project, else what stands above it.

    Raises:
        ComposeError: a required file is not there, or one is wrong: with its line.
    """
    found: dict[str, str] = {}
    variables = Variables(environment, warn)
    for file in service.env_file:
        found.update(_of_file(service.name, file, lambda name: found.get(name, environment.get(name)), variables))
    own = {key: environment.get(key) if value is None else value for key, value in service.environment.items()}
    return {**found, **own}


def _of_file(
    service: str, file: EnvFile, lookup: Callable[[str], str | None], variables: Variables
) -> Mapping[str, str]:
    if not os.path.exists(file.path):
        if not file.required:
            return {}
        raise ComposeFileMissing(
            f"env file {file.path} not found: stat {file.path}: no such file or directory",
            hint=f"service {service} names it; `required: false` leaves it out when it is not there",
        )
    source = Source(file.path, read_file(file.path))
    if file.format == "raw":
        return parse_raw(source, lookup)
    if file.format:
        raise ComposeError(f'unsupported env_file format "{file.format}"', hint="raw, or none at all")
    return parse(source, lookup, variables.unset)


def service_labels(service: Service, warn: Callable[[str], None]) -> dict[str, str]:
    """
    A service's labels: those of its label files, each over the one before, and its own over them.

    Raises:
        ComposeError: a file is not there, or is wrong: with its line.
    """
    found: dict[str, str] = {}
    variables = Variables({}, warn)
    for path in service.label_file:
        if not os.path.exists(path):
            raise ComposeFileMissing(
                f"label file {path} not found: stat {path}: no such file or directory",
                hint=f"service {service.name} names it",
            )
        found.update(parse(Source(path, read_file(path)), found.get, variables.unset))
    return {**found, **service.labels}
