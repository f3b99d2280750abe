"""Writing gathered entries into a tree: one file, folder, link or device at a time, by folder fds."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress

from wherry.build.resolve import lstat, make_folders, open_folder
from wherry.build.tree import Entry, Tree
from wherry.cancel import Cancel
from wherry.errors import BuildError
from wherry.fs.atomic import write_all

__all__ = ["Placer", "copy_bytes"]

_PIECE_BYTES = 8 << 20
_SMALL_BYTES = 64 << 10
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Placer:
    """Copies entries of `tree` below `root_fd`. `owner` None keeps each entry's own; `mode` maps st_mode to bits.

    `upper` is the upper folder of the overlay that `root_fd` shows, when every path is placed once: what is new then
    goes straight there, which takes half the time (docs/adr/0157-copy-writes-beside-the-overlay.md).
    Close it when done: it keeps the folders open that it used last.
    """

    def __init__(
        self,
        tree: Tree,
        root_fd: int,
        owner: tuple[int, int] | None,
        mode: Callable[[int], int] | None,
        cancel: Cancel,
        upper: str | None = None,
    ) -> None:
        self.tree = tree
        self.root_fd = root_fd
        self.owner = owner
        self.mode = mode
        self.cancel = cancel
        self._from = _Folder(tree.root_fd)
        self._to = _Target(root_fd, upper)
        self._placed: dict[tuple[int, int], str] = {}

    def close(self) -> None:
        self._from.close()
        self._to.close()

    def begin(self) -> None:
        """Another match: its files are never links to those of the one before."""
        self._placed.clear()
        self._to.forget()

    def put(self, entry: Entry, path: str, top: str, *, partial: bool = False) -> None:
        """`path` is where (below the root, no links in it), `top` the path of the whole match.

        Raises: BuildError, OSError, Cancelled.
        """
        self.cancel.check()
        if entry.is_folder:
            self._folder(entry, path, is_top=path == top, partial=partial)
            return
        folder, _, name = path.rpartition("/")
        to_fd = self._to.fd(folder)
        if name in self._to.names:
            self._clear(to_fd, name, path)
        elif self._to.upper_fd >= 0:
            to_fd = self._to.upper_fd
        # The first of the linked files may have been left out by a pattern: then this one is the first
        if entry.hard and self._link(entry, to_fd, name):
            return
        self._placed[entry.device, entry.inode] = path
        if entry.is_file:
            self._file(entry, to_fd, name)
        elif entry.link:
            os.symlink(entry.link, name, dir_fd=to_fd)
            os.chown(name, *self._owner(entry), dir_fd=to_fd, follow_symlinks=False)
        else:
            os.mknod(name, stat.S_IFMT(entry.mode) | 0o600, entry.rdev, dir_fd=to_fd)
            os.chown(name, *self._owner(entry), dir_fd=to_fd, follow_symlinks=False)
            os.chmod(name, self._mode(entry), dir_fd=to_fd)

    def _link(self, entry: Entry, to_fd: int, name: str) -> bool:
        """Whether it could be made a link to the file that came here before. Raises: OSError."""
        first = self._placed.get((entry.device, entry.inode))
        if first is None:
            return False
        folder, _, base = first.rpartition("/")
        # Both in the same view: the kernel links within one mount only
        fd = open_folder(self._to.upper_root_fd if to_fd == self._to.upper_fd else self.root_fd, folder)
        try:
            os.link(base, name, src_dir_fd=fd, dst_dir_fd=to_fd, follow_symlinks=False)
        finally:
            os.close(fd)
        return True

    def _owner(self, entry: Entry) -> tuple[int, int]:
        return self.owner or (entry.uid, entry.gid)

    def _mode(self, entry: Entry) -> int:
        return self.mode(entry.mode) if self.mode else stat.S_IMODE(entry.mode)

    def _folder(self, entry: Entry, path: str, *, is_top: bool, partial: bool) -> None:
        """The folder that a source names lends its content only; those inside it come with owner and mode."""
        found = lstat(self.root_fd, path)
        if found is not None and not stat.S_ISDIR(found.st_mode):
            raise BuildError(f"cannot copy to non-directory: /{path}", hint="remove it before, or choose another name")
        if is_top:
            make_folders(self.root_fd, path, self.owner or (0, 0))
            return
        if found is None:
            os.mkdir(path, 0o700, dir_fd=self.root_fd)
            self._to.made(path)
        elif partial:
            return
        fd = self._to.fd(path)
        _dress(fd, self._owner(entry), self._mode(entry))
        _set_xattrs(fd, entry)

    def _clear(self, to_fd: int, name: str, path: str) -> None:
        try:
            os.unlink(name, dir_fd=to_fd)
        except FileNotFoundError:
            return
        except IsADirectoryError:
            raise BuildError(
                f"cannot replace to directory /{path} with file", hint="remove the folder before, or end with a slash"
            ) from None

    def _file(self, entry: Entry, to_fd: int, name: str) -> None:
        folder, _, source = entry.source.rpartition("/")
        try:
            in_fd = os.open(source, _READ, dir_fd=self._from.fd(folder))
        except FileNotFoundError:
            raise self._changed(entry) from None
        try:
            is_small = entry.size <= _SMALL_BYTES
            if not is_small:
                self.check(entry, in_fd)
            mode = self._mode(entry)
            out_fd = os.open(name, _CREATE, mode & 0o777, dir_fd=to_fd)
            try:
                if is_small:
                    write_all(out_fd, os.read(in_fd, entry.size))
                else:
                    copy_bytes(in_fd, out_fd, entry.size, self.cancel)
                _dress(out_fd, self._owner(entry), mode)
                _set_xattrs(out_fd, entry)
            finally:
                os.close(out_fd)
            self.check(entry, in_fd)
        finally:
            os.close(in_fd)

    def check(self, entry: Entry, fd: int) -> None:
        """What is copied must be what was hashed. Raises: BuildError."""
        found = os.fstat(fd)
        if (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns) != (
            entry.inode, entry.size, entry.mtime_ns, entry.ctime_ns,
        ):  # fmt: skip
            raise self._changed(entry)

    def _changed(self, entry: Entry) -> BuildError:
        return BuildError(
            f'"/{entry.source}" in {self.tree.what} changed while it was copied',
            hint="build again when nothing writes to it, or name it in .dockerignore",
        )


class _Folder:
    """The folder that was used last stays open: entries come folder by folder."""

    def __init__(self, root_fd: int) -> None:
        self._root_fd = root_fd
        self._path: str | None = None
        self._fd = -1

    def fd(self, path: str) -> int:
        if path != self._path:
            self._leave()
            self._fd = open_folder(self._root_fd, path)
            self._path = path
        return self._fd

    def close(self) -> None:
        self._leave()

    def _leave(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._path = -1, None


class _Target(_Folder):
    """The same for the folder that is written to. `names` is what it held before this match; `upper_fd` the same folder
    in the overlay's upper folder, -1 when there is none (yet).
    """

    def __init__(self, root_fd: int, upper: str | None) -> None:
        super().__init__(root_fd)
        self.names: frozenset[str] = frozenset()
        self.upper_fd = -1
        self.upper_root_fd = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if upper else -1
        self._held: dict[str, frozenset[str]] = {}

    def fd(self, path: str) -> int:
        if path != self._path:
            super().fd(path)
            if path not in self._held:
                self._held[path] = frozenset(os.listdir(self._fd))
            self.names = self._held[path]
        if self.upper_fd < 0 <= self.upper_root_fd:
            # It is there from the first change of the folder on
            with suppress(FileNotFoundError, NotADirectoryError):
                self.upper_fd = open_folder(self.upper_root_fd, path)
        return self._fd

    def made(self, path: str) -> None:
        """A new folder, which holds nothing."""
        self._held[path] = frozenset()

    def forget(self) -> None:
        """What was placed counts as held from now on."""
        self._leave()
        self._held.clear()

    def _leave(self) -> None:
        super()._leave()
        if self.upper_fd >= 0:
            os.close(self.upper_fd)
        self.upper_fd = -1

    def close(self) -> None:
        super().close()
        if self.upper_root_fd >= 0:
            os.close(self.upper_root_fd)
        self.upper_root_fd = -1


def _dress(fd: int, owner: tuple[int, int], mode: int) -> None:
    """Owner, then mode (a change of owner clears the set-id bits); only what differs: each costs a journal entry."""
    found = os.fstat(fd)
    if (found.st_uid, found.st_gid) != owner:
        os.fchown(fd, *owner)
        found = os.fstat(fd)
    if stat.S_IMODE(found.st_mode) != mode:
        os.fchmod(fd, mode)


def _set_xattrs(fd: int, entry: Entry) -> None:
    for name, value in entry.xattrs:
        try:
            os.setxattr(fd, name, value)
        except OSError as fault:
            if fault.errno not in (errno.ENOTSUP, errno.EPERM) or name == "security.capability":
                raise


def copy_bytes(in_fd: int, out_fd: int, size: int, cancel: Cancel) -> None:
    """All of the file, in the kernel: shared blocks where the file system can, else page cache to page cache."""
    left = size
    send = _copy_range
    while left > 0:
        cancel.check()
        try:
            count = send(in_fd, out_fd, min(left, _PIECE_BYTES))
        except OSError as fault:
            if send is _send or fault.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            send = _send
            continue
        if count == 0:
            break
        left -= count


def _copy_range(in_fd: int, out_fd: int, count: int) -> int:
    return os.copy_file_range(in_fd, out_fd, count)


def _send(in_fd: int, out_fd: int, count: int) -> int:
    return os.sendfile(out_fd, in_fd, None, count)
