"""Who the container runs as: USER and --user looked up in the image's own files.

/etc/passwd and /etc/group come from the image and are hostile: they are opened inside its root only, must be regular
files, and no more than 8 MB of them is read (CVE-2024-9676). Ids stay below 2^31, so that none wraps around to root
(CVE-2024-40635).
"""

from __future__ import annotations

import os
import stat

from wherry.errors import InputError
from wherry.fs.kernel import open_in_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["User", "resolve"]

_MAX_ID = (1 << 31) - 1
_MAX_FILE_BYTES = 8 << 20


class User(NamedTuple):
    """`groups` are the supplementary ones, `gid` itself first. `home` is "/" when the image names none."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = (0,)
    home: str = "/"


class _Entry(NamedTuple):
    name: str
    uid: int
    gid: int
    home: str


class _Group(NamedTuple):
    name: str
    gid: int
    members: tuple[str, ...]


def resolve(rootfs_fd: int, user: str, group_add: Sequence[str] = ()) -> User:
    """`user` is USER[:GROUP], names or numbers, "" for root. Raises: InputError with docker's message.

    As docker: with no GROUP, the user's own groups in /etc/group are supplementary ones; with a GROUP they are not.
    `group_add` comes on top of either.
    """
    name, _, group = user.partition(":")
    entry = _find_user(rootfs_fd, name)
    groups = list(_groups(rootfs_fd)) if group or group_add or entry.name else []
    gid = _find_group(groups, group) if group else entry.gid
    extra: list[int] = []
    if not group:
        extra += [one.gid for one in groups if entry.name and entry.name in one.members]
    extra += [_find_group(groups, word, "Unable") for word in group_add]
    # The primary group is among them, so that "negative" permissions of that group hold (CVE-2022-36109)
    return User(entry.uid, gid, tuple(dict.fromkeys([gid, *extra])), entry.home)


def _number(text: str) -> int | None:
    """The id, or None when `text` is a name. Raises: InputError when it is out of range."""
    if not (text.isascii() and text.removeprefix("-").removeprefix("+").isdigit()):
        return None
    # Far beyond any id, and int() of a very long text takes its time
    number = int(text) if len(text) < 20 else _MAX_ID + 1
    if not 0 <= number <= _MAX_ID:
        raise InputError(f"uids and gids must be in range 0-{_MAX_ID}", hint=f"this one was {text[:40]}")
    return number


def _find_user(rootfs_fd: int, name: str) -> _Entry:
    wanted = name or "0"
    number = _number(wanted)
    for entry in _users(rootfs_fd):
        if entry.name == wanted or (number is not None and entry.uid == number):
            return entry
    if number is None:
        raise InputError(
            f"unable to find user {wanted}: no matching entries in passwd file",
            hint="name a user of the image, or give a numeric id",
        )
    return _Entry("", number, 0, "/")


def _find_group(groups: Sequence[_Group], word: str, unable: str = "unable") -> int:
    number = _number(word)
    for one in groups:
        if one.name == word or one.gid == number:
            return one.gid
    if number is None:
        raise InputError(
            f"{unable} to find group {word}: no matching entries in group file",
            hint="name a group of the image, or give a numeric id",
        )
    return number


def _users(rootfs_fd: int) -> Iterator[_Entry]:
    for fields in _rows(rootfs_fd, "/etc/passwd", 4):
        uid, gid = _id(fields[2]), _id(fields[3])
        if uid is not None and gid is not None:
            home = fields[5] if len(fields) > 5 else ""
            yield _Entry(fields[0], uid, gid, home or "/")


def _groups(rootfs_fd: int) -> Iterator[_Group]:
    for fields in _rows(rootfs_fd, "/etc/group", 3):
        gid = _id(fields[2])
        if gid is not None:
            members = tuple(fields[3].split(",")) if len(fields) > 3 else ()
            yield _Group(fields[0], gid, members)


def _id(text: str) -> int | None:
    """An id of a file; a line with a bad one is as good as not there."""
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        return None
    number = int(text)
    return number if number <= _MAX_ID else None


def _rows(rootfs_fd: int, path: str, least: int) -> Iterator[list[str]]:
    for line in _read(rootfs_fd, path).split("\n"):
        fields = line.strip().split(":")
        if len(fields) >= least and fields[0]:
            yield fields


def _read(rootfs_fd: int, path: str) -> str:
    """The file's text, "" when there is none. Raises: InputError for anything but a regular file of decent size."""
    try:
        # O_NONBLOCK: a FIFO must not hold us up before we see that it is one
        fd = open_in_root(rootfs_fd, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as fault:
        raise InputError(f"can't read {path} of the image: {fault.strerror}") from None
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"can't read {path} of the image: it is not a regular file")
        if found.st_size > _MAX_FILE_BYTES:
            raise InputError(
                f"can't read {path} of the image: it has {found.st_size} bytes, more than {_MAX_FILE_BYTES}"
            )
        with open(fd, "rb", closefd=False) as file:
            return file.read(_MAX_FILE_BYTES).decode("utf-8", "surrogateescape")
    finally:
        os.close(fd)
