"""Secrets: how they are named on the command line, and the one place that reads their values."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from wherry.deploy.application import Secret
from wherry.errors import InputError

__all__ = ["parse", "value_of"]

_KINDS = ("file", "env", "ref")
_LARGEST_BYTES = 64 << 10


def parse(text: str) -> Secret:
    """NAME=file:PATH, NAME=env:VARIABLE, NAME=ref:PLATFORM'S NAME; NAME alone is env:NAME. Raises: InputError."""
    name, equals, source = text.partition("=")
    kind, colon, where = source.partition(":")
    if not equals:
        kind, colon, where = "env", ":", name
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise InputError(f"a secret is called as its variable is: {name[:80]!r} is no name of one")
    if not colon or kind not in _KINDS or not where:
        # What stands behind "=" may be the value itself, typed by mistake: it is not shown
        raise InputError(f"secret {name}: say where its value is, not what it is",
                         hint=f"--secret {name}=file:PATH, {name}=env:VARIABLE or {name}=ref:NAME")  # fmt: skip
    return Secret(name, kind, where)


def value_of(secret: Secret, env: Mapping[str, str], cwd: str) -> str:
    """Raises: InputError, which never holds the value."""
    if secret.kind == "env":
        if secret.where not in env:
            raise InputError(f"secret {secret.name}: the variable {secret.where} is not set here")
        return _usable(secret, env[secret.where], f"the variable {secret.where}")
    if secret.kind != "file":
        raise InputError(f"secret {secret.name} is the platform's own: its value is not read here")
    path = os.path.join(cwd, secret.where)
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST_BYTES + 1)
    except OSError as fault:
        raise InputError(f"secret {secret.name}: cannot read {path}: {fault.strerror}") from None
    if len(data) > _LARGEST_BYTES:
        raise InputError(f"secret {secret.name}: {path} is larger than 64 KiB, which no platform's store takes")
    try:
        text = data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise InputError(f"secret {secret.name}: {path} is not UTF-8 text") from None
    return _usable(secret, text, path)


def _usable(secret: Secret, value: str, where: str) -> str:
    """Raises: InputError for what most stores refuse, and no container's variable can hold."""
    if not value:
        raise InputError(f"secret {secret.name}: {where} is empty here",
                         hint="leave the secret out, or --env for a variable that is to be empty")  # fmt: skip
    if "\0" in value:
        raise InputError(f"secret {secret.name}: {where} has a NUL byte, which no variable can hold")
    return value
