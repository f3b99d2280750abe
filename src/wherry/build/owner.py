"""--chown and the owner of WORKDIR: names looked up in the image's own passwd and group files."""

from __future__ import annotations

import os
import stat

from wherry.errors import InputError, nearest
from wherry.fs.kernel import open_in_root

__all__ = ["is_numeric", "lookup"]

_LIMIT_BYTES = 8 << 20
_MAX_ID = (1 << 31) - 1


def is_numeric(text: str) -> bool:
    """Whether no file of the image is needed."""
    return all(part.isdecimal() for part in text.split(":"))


def lookup(root_fd: int, text: str) -> tuple[int, int]:
    """(uid, gid) of USER[:GROUP]. A number alone is both; a name brings its own group; nothing before ":" is root.

    Differs from docker: a name that the image does not know is an error; BuildKit gives the files to root in silence.
    Raises: InputError.
    """
    user, colon, group = text.partition(":")
    uid, gid = 0, 0
    if user.isdecimal():
        uid = gid = _number(user)
    elif user:
        fields = _find(root_fd, "etc/passwd", user, "user")
        uid, gid = _number(fields[2]), _number(fields[3])
    if colon and group:
        gid = _number(group) if group.isdecimal() else _number(_find(root_fd, "etc/group", group, "group")[2])
    return uid, gid


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 10 or int(text) > _MAX_ID:
        raise InputError(f"invalid id {text[:40]!r}", hint=f"ids are from 0 to {_MAX_ID}")
    return int(text)


def _find(root_fd: int, path: str, name: str, what: str) -> list[str]:
    names = []
    for line in _lines(root_fd, path):
        fields = line.split(":")
        if len(fields) >= 3 + (what == "user"):
            if fields[0] == name:
                return fields
            names.append(fields[0])
    close = nearest(name, names)
    hint = f"did you mean {close}?" if close else f"make the {what} in a RUN before, or use its number"
    raise InputError(f"unknown {what} {name!r}: it is not in the image's /{path}", hint=hint)


def _lines(root_fd: int, path: str) -> list[str]:
    try:
        fd = open_in_root(root_fd, path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return []
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return []
        return file.read(_LIMIT_BYTES).decode("utf-8", "replace").splitlines()
