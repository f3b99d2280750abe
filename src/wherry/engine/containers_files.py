"""Files that a container is given at its creation: made in its own folder, mounted read-only, and gone with it."""

from __future__ import annotations

import os

from wherry.runtime.options import MountRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NamedTuple

    from wherry.runtime.options import RunOptions
else:
    from wherry.lean import NamedTuple

__all__ = ["PlacedFile", "make", "with_mounts"]


class PlacedFile(NamedTuple):
    """A file at `target`, an absolute path in the container. Nobody but root can reach it on the host."""

    target: str
    content: bytes
    uid: int = 0
    gid: int = 0
    mode: int = 0o444


def with_mounts(options: RunOptions, bundle: str, files: Sequence[PlacedFile]) -> RunOptions:
    """The options with a mount for each of the files that `make` makes in `bundle`."""
    added = [
        MountRequest("bind", f"{bundle}/files/{place}", file.target, read_only=True, is_mount=True)
        for place, file in enumerate(files)
    ]
    return options._replace(mounts=(*options.mounts, *added)) if added else options


def make(bundle: str, files: Sequence[PlacedFile]) -> None:
    """Raises: OSError."""
    folder = f"{bundle}/files"
    os.mkdir(folder, 0o755)
    for place, file in enumerate(files):
        fd = os.open(f"{folder}/{place}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            rest = memoryview(file.content)
            while rest:
                rest = rest[os.write(fd, rest) :]
            if (file.uid, file.gid) != (os.geteuid(), os.getegid()):
                os.fchown(fd, file.uid, file.gid)
            # After its owner, whose change takes the set-uid bits away
            os.fchmod(fd, file.mode)
        finally:
            os.close(fd)
