"""--secret and --ssh: what a build is given that no key, layer or record may hold. Pure; docker's messages.

Spec: https://docs.docker.com/reference/cli/docker/buildx/build/ (--secret, --ssh)
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.errors import InputError

__all__ = ["LARGEST_BYTES", "SecretSource", "SshSource", "parse_secret", "parse_ssh"]

LARGEST_BYTES = 500 << 10


class SecretSource(NamedTuple):
    """One --secret. `kind` is "file", "env", or "" when neither was said: then a variable named like the id comes
    before a file named so. `path` and `variable` are as written, "" when not given.
    """

    id: str
    kind: str = ""
    path: str = ""
    variable: str = ""


class SshSource(NamedTuple):
    """One --ssh. `paths` is one agent's socket, or private keys; () is the agent of SSH_AUTH_SOCK."""

    id: str
    paths: tuple[str, ...] = ()


def parse_secret(text: str) -> SecretSource:
    """`id=x[,src=path|,env=VAR][,type=file|env]`. Raises: InputError."""
    found = SecretSource("")
    for field in _fields(text):
        key, equals, value = field.partition("=")
        if not equals:
            raise InputError(f"invalid field '{field}' must be a key=value pair", hint="as --secret id=NAME,src=FILE")
        match key.lower():
            case "type":
                if value not in {"file", "env"}:
                    raise InputError(f'unsupported secret type "{value}"', hint="file or env")
                found = found._replace(kind=value)
            case "id":
                found = found._replace(id=value)
            case "source" | "src":
                found = found._replace(path=value)
            case "env":
                found = found._replace(variable=value)
            case _:
                raise InputError(f"unexpected key '{key}' in '{field}'", hint="the keys are id, src, env and type")
    if not found.id:
        raise InputError("secret missing ID", hint="as --secret id=NAME,src=FILE")
    return _settled(found)


def _settled(one: SecretSource) -> SecretSource:
    """`type=env,src=NAME` names a variable, as in docker."""
    if one.kind == "env" and not one.variable:
        return one._replace(variable=one.path or one.id, path="")
    if one.variable:
        return one._replace(kind="env", path="")
    if one.path:
        return one._replace(kind="file")
    return one._replace(path=one.id) if one.kind == "file" else one


def parse_ssh(text: str) -> SshSource:
    """`default`, or `id=path[,path]`. Raises: InputError."""
    name, _, paths = text.partition("=")
    if not name:
        raise InputError(f"invalid argument {text!r} for --ssh", hint="as --ssh default, or --ssh NAME=KEY")
    return SshSource(name, tuple(path for path in paths.split(",") if path))


def _fields(text: str) -> list[str]:
    import csv

    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as fault:
        raise InputError(f"failed to parse csv secret: {fault}") from None
    if len(rows) != 1 or not rows[0]:
        raise InputError("a secret is empty", hint="as --secret id=NAME,src=FILE")
    return rows[0]
