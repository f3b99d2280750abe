"""Where contracts and their defaults are: contract.yaml with the files that it names, and [verify] of wherry.toml."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from wherry.contract.model import Contract
from wherry.errors import InputError, nearest

__all__ = ["Defaults", "defaults", "load", "save"]

NAME = "contract.yaml"
_LIMIT_BYTES = 256 << 20


def load(path: str) -> Contract:
    """Raises: InputError with file and line."""
    from wherry.contract.read import read

    folder = os.path.dirname(path)
    return read(_bytes(path), path, lambda name: _bytes(os.path.join(folder, name)))


def save(contract: Contract, path: str, note: str) -> None:
    """Atomic, each file of it. Raises: OSError."""
    from wherry.contract.write import files, write
    from wherry.fs.atomic import replace_file

    for name, data in files(contract).items():
        replace_file(os.path.join(os.path.dirname(path), name), data, 0o644)
    replace_file(path, write(contract, note), 0o644)


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(_LIMIT_BYTES + 1)
    except OSError as fault:
        raise InputError(f"cannot read {path}: {fault.strerror}") from None
    if len(data) > _LIMIT_BYTES:
        raise InputError(f"cannot read {path}: it is larger than {_LIMIT_BYTES >> 20} MiB")
    return data


class Defaults(NamedTuple):
    """[verify] of wherry.toml: what the command line and the contract do not say. "" and None: not said."""

    contract: str = ""
    cpus: str = ""
    memory: str = ""
    user: str = ""
    writable: bool | None = None
    attach: bool | None = None


def defaults(folder: str) -> Defaults:
    """Of FOLDER/wherry.toml, when there is one. Raises: InputError naming file and line."""
    from wherry.build import project

    project.read(folder)
    path = os.path.join(folder, project.NAME)
    if not os.path.exists(path):
        return Defaults()
    import tomllib

    data = _bytes(path).decode()
    table = tomllib.loads(data).get("verify", {})
    if not isinstance(table, dict):
        raise InputError("verify must be a table: [verify]", where=path)
    for name, value in table.items():
        _check(name, value, path, data)
    return Defaults(**table)


def _check(name: str, value: Any, path: str, text: str) -> None:
    line = next((number for number, one in enumerate(text.splitlines(), 1) if one.strip().startswith(name)), 1)
    where = f"{path}:{line}"
    if name not in Defaults._fields:
        close = nearest(name, Defaults._fields)
        hint = f"did you mean {close}?" if close else f"wherry knows here: {', '.join(Defaults._fields)}"
        raise InputError(f"{name} is no key of [verify]", hint=hint, where=where)
    kind = bool if name in {"writable", "attach"} else str
    if not isinstance(value, kind):
        wanted = "true or false" if kind is bool else "a text in quotes"
        raise InputError(f"{name} must be {wanted}, not {value!r}", where=where)
