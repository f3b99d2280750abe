"""Reading a layer folder without following a link in it: the one source of answers, and of their values.

Whatever a step can be told is told from here, and what a look is worth is worked out from here, so that the two can't
drift apart.
"""

from __future__ import annotations

import errno
import os
import stat

__all__ = ["Entry", "entries", "is_opaque", "node_attributes", "xattr_names"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

OPAQUE = b"trusted.overlay.opaque"
PRIVATE = b"trusted.overlay."
_NO_XATTR = (errno.ENODATA, errno.EOPNOTSUPP)
_FOLDER_BYTES = 4096
_DT_DIR, _DT_REG, _DT_LNK = 4, 8, 10


class Entry(NamedTuple):
    """One name of a folder. `kind` is a DT_* number."""

    name: bytes
    kind: int
    inode: int


class Attributes(NamedTuple):
    """What a step may learn of a node. `device` is st_rdev."""

    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int
    links: int
    device: int


def node_attributes(found: os.stat_result) -> Attributes:
    """Of a folder neither size nor links: file systems differ in them, and they would tell what it holds."""
    is_folder = stat.S_ISDIR(found.st_mode)
    return Attributes(
        found.st_mode, found.st_uid, found.st_gid, found.st_mtime_ns,
        _FOLDER_BYTES if is_folder else found.st_size, 1 if is_folder else found.st_nlink, found.st_rdev,
    )  # fmt: skip


def entries(fd: int) -> list[Entry]:
    """What the folder `fd` (not O_PATH) holds, sorted by name."""
    with os.scandir(fd) as found:
        return sorted(Entry(os.fsencode(one.name), _kind(one), one.inode()) for one in found)


def _kind(one: os.DirEntry[str]) -> int:
    # The first three are known without a look at the file
    if one.is_file(follow_symlinks=False):
        return _DT_REG
    if one.is_dir(follow_symlinks=False):
        return _DT_DIR
    if one.is_symlink():
        return _DT_LNK
    return one.stat(follow_symlinks=False).st_mode >> 12


def is_opaque(fd: int) -> bool:
    """Whether this folder of a layer hides all that is below it. O_PATH will do."""
    return xattr(fd, OPAQUE) == b"y"


def xattr(fd: int, name: bytes) -> bytes | None:
    """None when there is no such attribute, or when the file system has none at all."""
    try:
        return os.getxattr(f"/proc/self/fd/{fd}", name)
    except OSError as fault:
        if fault.errno in _NO_XATTR:
            return None
        raise


def xattr_names(fd: int) -> list[bytes]:
    """Sorted, without those by which overlayfs keeps its own books."""
    try:
        found = map(os.fsencode, os.listxattr(f"/proc/self/fd/{fd}"))
    except OSError as fault:
        if fault.errno in _NO_XATTR:
            return []
        raise
    return sorted(name for name in found if not name.startswith(PRIVATE))
