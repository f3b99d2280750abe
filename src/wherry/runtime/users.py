"""Who the container runs as: USER and --user looked up in the image's own files.

/etc/passwd and /etc/group come from the image and are hostile: they are opened inside its root only, must be regular
files, and at most 8 MB of them is read.
"""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["User", "resolve"]


class User(NamedTuple):
    """`groups` are the supplementary ones, in order, without doubles. `home` is "/" when the image names none."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/root"


def resolve(rootfs_fd: int, user: str, group_add: Sequence[str] = ()) -> User:
    """`user` is USER[:GROUP], names or numbers, "" for root. Raises: InputError with docker's message."""
    raise NotImplementedError
