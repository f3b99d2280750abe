"""Owner, mode, attributes and times of what an archive makes."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from wherry.errors import HostError
from wherry.image.tar import header
from wherry.image.tar.archive import Member, shown

__all__ = ["IMPLICIT", "Options", "dress", "mode", "owner", "set_xattrs"]

IMPLICIT_NS = 315_532_800_000_000_000
"""1980-01-01: the time of folders that the archive uses and does not have."""

IMPLICIT = Member(b"", header.FOLDER, 0o755, 0, 0, 0, 0, IMPLICIT_NS, b"", 0, (), None)


class Options(NamedTuple):
    """`layer`: whiteouts mean removals. `owners` False: never chown. `owner`: this one for all.

    `harmless`: no set-id bit, no capability, and devices for their owner only. `root`: the archive's "./" says what the
    target itself becomes, as in a layer.
    """

    layer: bool = False
    owners: bool = True
    owner: tuple[int, int] | None = None
    keep_folders: bool = False
    harmless: bool = False
    root: bool = False


def mode(member: Member, options: Options) -> int:
    """The permission bits to set."""
    if not options.harmless:
        return member.mode
    return member.mode & (0o600 if member.kind in {header.CHAR, header.BLOCK_DEVICE} else 0o1777)


def owner(member: Member, options: Options) -> tuple[int, int] | None:
    """The uid and gid to set; None to leave what is."""
    if not options.owners:
        return None
    return options.owner or (member.uid, member.gid)


def dress(fd: int, member: Member, options: Options) -> None:
    """An open file's or folder's owner, mode, attributes, time; in this order.

    A change of owner clears the set-id bits and the capabilities. Raises: HostError, OSError.
    """
    if (ids := owner(member, options)) is not None:
        os.fchown(fd, *ids)
    os.fchmod(fd, mode(member, options))
    if member.xattrs:
        set_xattrs(fd, member, options)
    os.utime(fd, ns=(member.mtime_ns, member.mtime_ns))


def set_xattrs(target: int | bytes, member: Member, options: Options) -> None:
    """Of an fd, or of a path whose last component is not followed. Raises: HostError, OSError."""
    for name, value in member.xattrs:
        if options.harmless and name == "security.capability":
            continue
        try:
            os.setxattr(target, name, value, follow_symlinks=isinstance(target, int))
        except OSError as fault:
            # Only user.* may be lost: on links and devices Linux keeps none, and some file systems nowhere
            if name.startswith("user.") and fault.errno in (errno.EPERM, errno.ENOTSUP):
                continue
            if fault.errno == errno.ENOTSUP and name != "security.capability":
                continue
            if fault.errno == errno.EPERM and not options.owners:
                continue
            if fault.errno in (errno.ENOSPC, errno.E2BIG, errno.ENOTSUP):
                raise HostError(
                    f"unpacking {shown(member.name)}: the file system can't keep its attribute {name}",
                    hint="choose another --root, on ext4, xfs or btrfs",
                ) from None
            raise
