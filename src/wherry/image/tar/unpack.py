"""A tar's tree onto a file system, trusting nothing of it.

Every path is resolved by openat2 with the target as "/", as a container will see it: neither "..", nor a link, nor a
hard link leads outside.

Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md, POSIX.1-2017 (pax), GNU tar's manual ("Tar
Internals").
"""

from __future__ import annotations

import os
from typing import NamedTuple

from wherry.image.tar.archive import Archive
from wherry.image.tar.dress import Options
from wherry.image.tar.hashing import ReadAhead
from wherry.image.tar.place import Target
from wherry.image.tar.recipe import Recorder
from wherry.image.tar.stream import DEFAULT_LIMITS, Limits, Reader, Source
from wherry.oci.digest import DiffID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.image.tar.pack import Write

__all__ = ["DEFAULT_LIMITS", "Limits", "Reader", "UnpackResult", "extract", "unpack"]


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
    recorder = Recorder(recipe) if recipe else None
    with ReadAhead(stream) as ahead:
        source = Source(ahead, limits, recorder, cancel)
        archive = Archive(source, limits)
        root_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # Whatever the caller's umask is: this is the root that a container sees
            os.fchmod(root_fd, 0o755)
            replaced = _place(archive, root_fd, b"", Options(layer=True, owners=owners))
        finally:
            os.close(root_fd)
        source.drain()
        if recorder:
            recorder.close()
        return UnpackResult(DiffID.from_hex(ahead.hexdigest()), source.size, archive.entries, not replaced)


def _place(archive: Archive, root_fd: int, dest: bytes, options: Options) -> bool:
    """Everything; whether something was replaced."""
    target = Target(root_fd, dest, archive, options)
    try:
        while (member := archive.next()) is not None:
            target.put(member)
        target.finish()
        return target.replaced
    finally:
        target.close()


def extract(  # noqa: PLR0913 - each is a word of its own to the callers, most of whom say one
    stream: Reader,
    root_fd: int,
    dest: str = "",
    *,
    owner: tuple[int, int] | None = None,
    keep_folders: bool = False,
    harmless: bool = False,
    root: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    cancel: Cancel | None = None,
) -> int:
    """Any uncompressed tar into the folder `dest` below `root_fd` (which is "/" to every link), over what is there.

    As docker's ADD and cp: whiteouts mean nothing, folders merge, anything else is replaced; `keep_folders` (cp)
    refuses to put a file where a folder is, or a folder where a file is. `owner` (uid, gid) instead of the
    archive's; `harmless` drops set-id bits and capabilities, and leaves devices to their owner; `root` gives the folder
    itself what the archive says of "./". Reads to the end of the stream; returns the count of entries.
    Raises: as `unpack`, and Conflict.
    """
    source = Source(stream, limits, None, cancel)
    archive = Archive(source, limits)
    options = Options(owner=owner, keep_folders=keep_folders, harmless=harmless, root=root)
    _place(archive, root_fd, os.fsencode(dest), options)
    source.drain()
    return archive.entries
