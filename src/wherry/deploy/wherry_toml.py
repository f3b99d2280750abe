"""[deploy] and [deploy.TARGET] of wherry.toml: read strictly, the target's table over the common one.

[deploy]
port = 8000
health = "/healthz"
[deploy.env]
LOG_LEVEL = "info"
[deploy.secrets]
API_KEY = "env:API_KEY"
[deploy.kubernetes]
namespace = "models"
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wherry.deploy import secrets, wishes
from wherry.deploy.options import Option
from wherry.deploy.wishes import Wishes
from wherry.errors import InputError, nearest

__all__ = ["FileWishes", "parse", "read"]

NAME = "wherry.toml"
_LARGEST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FileWishes:
    """`chosen`: the target's own options. `compose`, `service`, `contract` and `env_files` are paths and names as
    written, relative to the file's folder.
    """

    wishes: Wishes = field(default_factory=Wishes)
    chosen: Mapping[str, Any] = field(default_factory=dict)
    compose: str = ""
    service: str = ""
    contract: str = ""
    env_files: tuple[str, ...] = ()


def read(folder: str, target: str, options: Sequence[Option], targets: Sequence[str]) -> FileWishes:
    """Of the project in `folder`; nothing is said when there is no file. Raises: InputError."""
    path = os.path.join(folder, NAME)
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return FileWishes()
    except OSError as fault:
        raise InputError(f"cannot read {path}: {fault.strerror}") from None
    if len(data) > _LARGEST_BYTES:
        raise InputError(f"cannot read {path}: it is larger than 1 MB")
    return parse(data, target, options, targets, path=path)


def parse(
    data: bytes, target: str, options: Sequence[Option], targets: Sequence[str], *, path: str = NAME
) -> FileWishes:
    """`targets` are the names whose tables may stand there. Raises: InputError with file and line."""
    import tomllib

    try:
        text = data.decode()
        document = tomllib.loads(text)
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as fault:
        raise InputError(f"{path}: {fault}") from None
    table = document.get("deploy", {})
    reader = _Reader(text, path)
    if not isinstance(table, dict):
        raise reader.wrong("deploy", "must be a table: [deploy]")
    common = {name: value for name, value in table.items() if name not in targets}
    own = table.get(target, {})
    if not isinstance(own, dict):
        raise reader.wrong(target, f"must be a table: [deploy.{target}]")
    lower = reader.table(common, (), [*targets])
    upper = reader.table(own, options, [])
    return FileWishes(
        wishes.over(upper.wishes, lower.wishes), upper.chosen, upper.compose or lower.compose,
        upper.service or lower.service, upper.contract or lower.contract, lower.env_files + upper.env_files,
    )  # fmt: skip


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError("must be a string or a number")
    return str(value)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise InputError("must be a string")
    return value


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError("must be a whole number, 0 or more")
    return value


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InputError("must be a list of strings")
    return tuple(value)


def _words(value: Any) -> tuple[str, ...]:
    """A command: a list, or one line as a shell splits it."""
    if isinstance(value, str):
        import shlex

        try:
            return tuple(shlex.split(value))
        except ValueError as fault:
            raise InputError(f"can't be split into words: {fault}") from None
    return _strings(value)


def _pairs(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise InputError("must be a table of strings")
    return {name: _text(one) for name, one in value.items()}


def _secrets(value: Any) -> dict[str, Any]:
    return {name: secrets.parse(f"{name}={source}") for name, source in _pairs(value).items()}


_KEYS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "image": ("image", _string),
    "name": ("name", _string),
    "port": ("port", lambda value: wishes.port_number(_text(value))),
    "health": ("ready", lambda value: wishes.path("health", _string(value))),
    "live": ("live", lambda value: wishes.path("live", _string(value))),
    "env": ("env", _pairs),
    "secrets": ("secrets", _secrets),
    "cpu": ("cpu_m", lambda value: wishes.cpu_m(_text(value))),
    "memory": ("memory_bytes", lambda value: wishes.memory_bytes(_text(value))),
    "gpu": ("gpu", lambda value: wishes.gpu(_text(value))),
    "min": ("min_instances", _number),
    "max": ("max_instances", _number),
    "concurrency": ("concurrency", _number),
    "entrypoint": ("entrypoint", _words),
    "command": ("command", _words),
    "weights": ("weights", lambda value: tuple(wishes.weights(one) for one in _strings(value))),
    "labels": ("labels", _pairs),
    "grace": ("grace_s", lambda value: wishes.grace_s(_text(value))),
}
_PLACES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "compose": ("compose", _string),
    "service": ("service", _string),
    "contract": ("contract", _string),
    "env-file": ("env_files", lambda value: (value,) if isinstance(value, str) else _strings(value)),
}


class _Reader:
    """One file; faults name its lines."""

    def __init__(self, text: str, path: str) -> None:
        self._text, self._path = text, path

    def table(self, table: Mapping[str, Any], options: Sequence[Option], targets: Sequence[str]) -> FileWishes:
        """Raises: InputError."""
        by_name = {option.name: option for option in options}
        said: dict[str, Any] = {}
        places: dict[str, Any] = {}
        chosen: dict[str, Any] = {}
        for name, value in table.items():
            try:
                if name in _KEYS:
                    field_name, convert = _KEYS[name]
                    said[field_name] = convert(value)
                elif name in _PLACES:
                    field_name, convert = _PLACES[name]
                    places[field_name] = convert(value)
                elif name in by_name:
                    chosen[name] = _option(by_name[name], value)
                else:
                    raise self.unknown(name, [*_KEYS, *_PLACES, *by_name, *targets])
            except InputError as fault:
                raise fault if fault.where else self.wrong(name, str(fault), fault.hint) from None
        return FileWishes(Wishes(**said), chosen, **places)

    def unknown(self, name: str, known: list[str]) -> InputError:
        close = nearest(name.replace("_", "-").lower(), known)
        hint = f"did you mean {close}?" if close else f"wherry knows here: {', '.join(known)}"
        return self.wrong(name, "is no key of [deploy]", hint)

    def wrong(self, name: str, problem: str, hint: str | None = None) -> InputError:
        written = re.compile(
            rf"""^\s*\[?\s*(?:deploy\s*\.\s*)?(?:[\w-]+\s*\.\s*)?["']?{re.escape(name)}["']?\s*[]=.]"""
        )
        line = next((number for number, one in enumerate(self._text.splitlines(), 1) if written.match(one)), 0)
        where = f"{self._path}:{line}" if line else self._path
        return InputError(problem if problem.startswith(f"{name}:") else f"{name} {problem}", hint=hint, where=where)


def _option(option: Option, value: Any) -> Any:
    if option.kind == "bool":
        if not isinstance(value, bool):
            raise InputError("must be true or false")
        return value
    if option.kind == "int":
        return _number(value)
    return (
        (value,)
        if option.kind == "list" and isinstance(value, str)
        else (_strings(value) if option.kind == "list" else _text(value))
    )
