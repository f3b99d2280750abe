"""wherry.toml: what a project wants of each build, in a file at the root of its build context.

[build]
traced-cache = false        # key each RUN by its text and what is below it, as docker does
split-packages = false      # one layer for each RUN
ambient-cache = false       # no shared download caches
host-ca = false             # no certificates and proxies of this machine
"""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import Any, NamedTuple

from wherry.errors import InputError, nearest

__all__ = ["NAME", "Project", "parse", "read"]

NAME = "wherry.toml"
_LARGEST_BYTES = 1 << 20


class Project(NamedTuple):
    """The switches of [build]; None is one that the file does not name."""

    traced_cache: bool | None = None
    split_packages: bool | None = None
    ambient_cache: bool | None = None
    host_ca: bool | None = None


# Each is read by what it is for; a build only says when there is another
_TABLES = ["build", "deploy", "lint", "verify"]
_SWITCHES = {name.replace("_", "-"): name for name in Project._fields}


def read(context: str) -> Project:
    """The context's wherry.toml; nothing is said when there is none. `context` is a folder, or "-".

    Raises: InputError for a file that can't be read or says something that wherry does not know.
    """
    path = os.path.join(context, NAME)
    try:
        # No link: somebody else's context must not make us show lines of another file of this machine
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return Project()
    except OSError as fault:
        why = "it is a symbolic link" if fault.errno == errno.ELOOP else fault.strerror
        raise InputError(f"cannot read {path}: {why}", hint="put the file itself there, or take it away") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise InputError(f"cannot read {path}: it is not a file")
    with open(fd, "rb") as file:
        data = file.read(_LARGEST_BYTES + 1)
    if len(data) > _LARGEST_BYTES:
        raise InputError(f"cannot read {path}: it is larger than 1 MB")
    return parse(data, path)


def parse(data: bytes, path: str = NAME) -> Project:
    """Raises: InputError that names the file, the line, and the nearest name of what is not known."""
    import tomllib

    try:
        document = tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as fault:
        raise InputError(f"{path}: {fault}") from None
    text = data.decode()
    for name in document:
        if name not in _TABLES:
            raise _unknown(text, path, name, _TABLES, "table")
    table = document.get("build", {})
    if not isinstance(table, dict):
        raise _wrong(text, path, "build", "must be a table: [build]")
    return Project(**{_SWITCHES[name]: value for name, value in _switches(text, path, table)})


def _switches(text: str, path: str, table: dict[str, Any]) -> list[tuple[str, bool]]:
    found = []
    for name, value in table.items():
        if name not in _SWITCHES:
            raise _unknown(text, path, name, list(_SWITCHES), "switch")
        if not isinstance(value, bool):
            raise _wrong(text, path, name, f"must be true or false, not {value!r}")
        found.append((name, value))
    return found


def _unknown(text: str, path: str, name: str, known: list[str], what: str) -> InputError:
    close = nearest(name.replace("_", "-").lower(), known)
    hint = f"did you mean {close}?" if close else f"wherry knows here: {', '.join(known)}"
    return _wrong(text, path, name, f"is no {what} of wherry.toml", hint)


def _wrong(text: str, path: str, name: str, problem: str, hint: str | None = None) -> InputError:
    written = re.compile(rf"""^\s*\[?\s*(?:build\s*\.\s*)?["']?{re.escape(name)}["']?\s*[]=.]""")
    line = next((number for number, one in enumerate(text.splitlines(), 1) if written.match(one)), 0)
    where = f"{path}:{line}" if line else path
    return InputError(f"{name} {problem}", hint=hint, where=where)
