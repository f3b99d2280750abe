"""Where `cp` reads and writes: paths on either side, always resolved by the kernel within that side's root.

Docker's rules, watched with Docker 26.1 (tests/unit/engine/test_copy_paths.py has the table).
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from typing import NamedTuple

from wherry.errors import Conflict, NotFound
from wherry.fs.kernel import open_in_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.image.tar.pack import Packer, Write

__all__ = ["Dest", "Side", "Source", "arrange", "find_dest", "find_source", "pack"]

_MOST_LINKS = 40
_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR})


class Side(NamedTuple):
    """One end of a copy. `container` is its name as given, "" for this machine.

    `path` is absolute there, clean but for what it ends with: "/" asks for a folder, "/." for what is in it.
    """

    root_fd: int
    path: str
    container: str = ""

    @classmethod
    def of(cls, root_fd: int, path: str, *, base: str = "/", container: str = "") -> Side:
        """`path` as the user wrote it, relative to `base`. ".." is taken away lexically, as docker does."""
        clean = posixpath.normpath(posixpath.join("/", base, path)).replace("//", "/", 1)
        ending = path.rpartition("/")[2] if path else ""
        if ending == ".":
            clean = clean.rstrip("/") + "/."
        elif not ending and clean != "/":
            clean += "/"
        return cls(root_fd, clean, container)

    @property
    def plain(self) -> str:
        """Without the ending."""
        return self.path.removesuffix(".").rstrip("/") or "/" if self.wants_folder else self.path

    @property
    def wants_folder(self) -> bool:
        return self.path.endswith(("/", "/."))

    @property
    def wants_content(self) -> bool:
        """What is in the folder, not the folder: also for a root, which has no name of its own."""
        return self.path.endswith("/.") or self.path == "/"

    @property
    def name(self) -> str:
        return self.plain.rpartition("/")[2]

    def missing(self) -> NotFound:
        """The error for a path that is not there."""
        if not self.container:
            return NotFound(f"lstat {self.plain}: no such file or directory")
        return NotFound(
            f"Could not find the file {self.plain} in container {self.container}",
            hint=f"`wherry cp {self.container}:{posixpath.dirname(self.plain)} - | tar tv` shows what is there",
        )


class Source(NamedTuple):
    """What is copied: `base` in the folder `parent_fd` (the caller closes). `name` is "" for a folder's content."""

    parent_fd: int
    base: bytes
    name: bytes
    is_folder: bool
    is_regular: bool


class Dest(NamedTuple):
    """Where to: `name` in the folder `parent` (paths within the side's root, which may go through links)."""

    parent: str
    name: str
    exists: bool
    is_folder: bool
    wants_folder: bool

    @property
    def whole(self) -> str:
        return posixpath.join(self.parent, self.name)


def _settle(root_fd: int, path: str, *, follow: bool) -> tuple[int, str, str, os.stat_result | None]:
    """(fd of the parent folder, its path, the last name, its status or None), behind links when `follow`.

    The name is "." when a link leads to a folder by "/", "." or "..". The caller closes the fd. Raises: OSError.
    """
    for _ in range(_MOST_LINKS):
        parent, _, name = path.rstrip("/").rpartition("/")
        if name in ("", ".", ".."):
            parent, name = path, "."
        fd = open_in_root(root_fd, parent or "/", os.O_PATH | os.O_DIRECTORY)
        try:
            try:
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                return fd, parent or "/", name, None
            if not (follow and stat.S_ISLNK(status.st_mode)):
                return fd, parent or "/", name, status
            path = posixpath.join(parent or "/", os.readlink(name, dir_fd=fd))
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def find_source(side: Side, *, follow: bool) -> Source:
    """Raises: NotFound, Conflict (a folder was asked for), OSError."""
    try:
        # "link/" means the folder that the link points at, under the link's name
        fd, _, base, status = _settle(side.root_fd, side.plain, follow=follow or side.wants_folder)
    except OSError as fault:
        if fault.errno in _MISSING:
            raise side.missing() from None
        raise
    if status is None:
        os.close(fd)
        raise side.missing()
    is_folder = stat.S_ISDIR(status.st_mode)
    if side.wants_folder and not is_folder:
        os.close(fd)
        raise Conflict(f"lstat {side.path}: not a directory")
    return Source(
        fd,
        os.fsencode(base),
        b"" if side.wants_content else os.fsencode(side.name),
        is_folder,
        stat.S_ISREG(status.st_mode),
    )


def find_dest(side: Side) -> Dest:
    """What is at the destination, behind links. Raises: NotFound (its parent is missing), Conflict, OSError."""
    try:
        fd, parent, name, status = _settle(side.root_fd, side.plain, follow=True)
    except OSError as fault:
        if fault.errno not in _MISSING:
            raise
        above = posixpath.dirname(side.plain)
        if fault.errno == errno.ENOTDIR:
            raise Conflict(f"{above} is not a directory") from None
        if side.container:
            raise side._replace(path=above).missing() from None
        raise NotFound(f'invalid output path: directory "{above}" does not exist') from None
    os.close(fd)
    is_folder = status is not None and stat.S_ISDIR(status.st_mode)
    exists = status is not None and (is_folder or not side.wants_folder)
    return Dest(parent, name, exists, is_folder, side.wants_folder)


def arrange(name: bytes, is_folder: bool, dest: Dest) -> tuple[str, bytes]:
    """(the folder to write into, the name to write as), by docker's rules. Pure. Raises: Conflict, NotFound.

    The name is b"" for the content of a folder that goes into one that is there.
    """
    if dest.is_folder:
        return dest.whole, name
    if dest.exists and is_folder:
        raise Conflict(f"cannot copy directory: {dest.whole} is a file")
    if not dest.exists and not is_folder and dest.wants_folder:
        raise NotFound(f"no such directory: {dest.whole}", hint="a path that ends in / must be a directory that exists")
    return dest.parent, os.fsencode(dest.name)


def pack(source: Source, name: bytes, write: Write, cancel: Cancel | None = None) -> int:
    """The source as a tar under `name`, however it changes meanwhile; its size in bytes. Raises: OSError."""
    from wherry.engine.tar_pipe import live_packer

    packer = live_packer(write, cancel)
    if source.is_folder:
        _pack_folder(packer, source, name)
    elif source.is_regular:
        packer.file(source.parent_fd, source.base, name)
    else:
        packer.special(source.parent_fd, source.base, name)
    return packer.close()


def _pack_folder(packer: Packer, source: Source, name: bytes) -> None:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(source.base, flags, dir_fd=source.parent_fd)
    try:
        packer.tree(fd, name=name)
    finally:
        os.close(fd)
