"""A tar's tree onto a file system, trusting nothing of it.

Every path is resolved by openat2 with the target as "/", as a container will see it: neither "..", nor a link, nor a
hard link leads outside.

Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md, POSIX.1-2017 (pax), GNU tar's manual ("Tar
Internals").
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from wherry.oci.digest import DiffID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.image.tar.pack import Write

__all__ = ["DEFAULT_LIMITS", "Limits", "Reader", "UnpackResult", "extract", "unpack"]


class Reader(Protocol):
    """What a tar is read from: a file, a pipe, a response, `compress.reader(...)`."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; b"" at the end."""


class Limits(NamedTuple):
    """`total_bytes` bounds the stream and, apart from it, the sum of the files' sizes (holes count)."""

    total_bytes: int = 1 << 40
    entries: int = 10_000_000


DEFAULT_LIMITS = Limits()


class UnpackResult(NamedTuple):
    """`size` and `diff_id` are of the whole uncompressed stream, what follows the end blocks included.

    `replayable` False: a later entry replaced an earlier file, so the recipe can't give the stream back.
    """

    diff_id: DiffID
    size: int
    entries: int
    replayable: bool = True


def unpack(
    stream: Reader,
    folder: str,
    *,
    owners: bool = True,
    recipe: Write | None = None,
    limits: Limits = DEFAULT_LIMITS,
    cancel: Cancel | None = None,
) -> UnpackResult:
    """One layer (uncompressed, see `compress.reader`) into the empty, existing layer folder `folder`; one pass.

    Whiteouts become overlay's (0:0 devices, `trusted.overlay.opaque`). `owners` False, for those who are not root,
    leaves everything to the caller's uid. `recipe` gets all of the stream but the files' contents: with it,
    `recipe.replay` writes the same bytes again, whoever made the tar. On failure what was written stays: throw
    the folder away.
    Raises: HostileArchive (tries to leave the target, or to speak to overlayfs), InvalidSpec (broken,
    truncated, over a limit), HostError (what this user or file system can't make), Cancelled, OSError.
    """
    raise NotImplementedError


def extract(
    stream: Reader,
    root_fd: int,
    dest: str = "",
    *,
    owner: tuple[int, int] | None = None,
    keep_folders: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    cancel: Cancel | None = None,
) -> UnpackResult:
    """Any uncompressed tar into the folder `dest` below `root_fd` (which is "/" to every link), over what is there.

    As docker's ADD and cp: whiteouts mean nothing, folders merge, anything else is replaced; `keep_folders` (cp)
    refuses to put a file where a folder is, or a folder where a file is. `owner` (uid, gid) instead of the
    archive's. Raises: as `unpack`, and Conflict.
    """
    raise NotImplementedError
