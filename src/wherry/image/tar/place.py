"""Members of a tar onto a file system: each path resolved by the kernel with the target as "/", never by us.

Nothing is written through a file that is there: it is removed first, and the new one made with O_EXCL. Folders get
their modes, attributes and times at the very end, deepest first.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from types import MappingProxyType

from wherry.errors import Conflict, HostError, HostileArchive, InvalidSpec
from wherry.fs.kernel import open_in_root
from wherry.fs.remove import remove_at
from wherry.image.tar import header, whiteout
from wherry.image.tar.archive import Archive, Member, shown
from wherry.image.tar.dress import IMPLICIT, Options, dress, mode, owner, set_xattrs

__all__ = ["Target", "clean"]

_ODD = re.compile(rb"(?:^|/)\.{0,2}(?:/|$)")
_RESERVED = re.compile(rb"(?:^|/)\.wh\.")
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_NODE_TYPES = {header.CHAR: stat.S_IFCHR, header.BLOCK_DEVICE: stat.S_IFBLK, header.FIFO: stat.S_IFIFO}
_CACHED = 64
_ARCHIVE_FAULTS = frozenset(
    {
        errno.ENAMETOOLONG,
        errno.EINVAL,
        errno.ELOOP,
        errno.ENOTDIR,
        errno.EEXIST,
        errno.EISDIR,
        errno.EFBIG,
        errno.EMLINK,
    }
)


def clean(name: bytes, what: str = "the entry") -> bytes:
    """Relative, without "." or ".."; b"" is the root. An absolute name is below the target too, as for docker.

    Raises: HostileArchive when it climbs above the root.
    """
    name = name.strip(b"/")
    if not _ODD.search(name):
        return name
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            if not parts:
                raise HostileArchive(
                    f"tar: {what} {shown(name)} leads out of the target",
                    hint="the archive was made to write elsewhere: don't use it",
                )
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)


class Target:
    """Where members go. `finish` after the last one; `close` always."""

    def __init__(self, root_fd: int, dest: bytes, archive: Archive, options: Options) -> None:
        self._root_fd, self._dest = root_fd, dest.strip(b"/")
        self._archive, self._options = archive, options
        self._folders: dict[bytes, Member | None] = {}
        self._fds: dict[bytes, int] = {}
        self._retired: list[int] = []
        self.replaced = False

    def close(self) -> None:
        """Idempotent."""
        self._retired += self._fds.values()
        self._fds.clear()
        self._close_retired()

    def _close_retired(self) -> None:
        while self._retired:
            os.close(self._retired.pop())

    def put(self, member: Member) -> None:
        """Raises: HostileArchive, InvalidSpec, HostError, Conflict, OSError."""
        try:
            self._put(member)
            # Not earlier: the member's own folder may be among them
            self._close_retired()
        except OSError as fault:
            if fault.errno in _ARCHIVE_FAULTS:
                raise InvalidSpec(f"tar: {shown(member.name)} can't be made: {fault.strerror}") from None
            if fault.errno == errno.EPERM:
                raise HostError(
                    f"unpacking {shown(member.name)} is not permitted to this user", hint="run it with sudo"
                ) from None
            fault.filename = fault.filename or os.fsdecode(member.name)
            raise

    def _put(self, member: Member) -> None:
        path = clean(member.name)
        if not path:
            return self._put_root(member)
        parent, _, name = path.rpartition(b"/")
        if self._options.layer and _RESERVED.search(path):
            return self._put_mark(parent, name, member)
        dir_fd = self._parent(parent)
        put = self._PUT.get(member.kind, Target._put_node)
        return put(self, dir_fd, name, path, member)

    def _put_root(self, member: Member) -> None:
        if member.kind != header.FOLDER:
            raise HostileArchive(
                "tar: its root is not a folder", hint="the archive was made to write elsewhere: don't use it"
            )
        if self._options.layer or self._options.root:
            self._folders[b""] = member

    def _put_mark(self, parent: bytes, name: bytes, member: Member) -> None:
        """A path that holds a name beginning with ".wh."."""
        parts = parent.split(b"/")
        if whiteout.AUFS.intersection((*parts, name)):
            return None
        if _RESERVED.search(parent):
            raise InvalidSpec(f"tar: {shown(member.name)} lies in a removed folder")
        dir_fd = self._parent(parent)
        if name == whiteout.OPAQUE:
            return self._make_opaque(dir_fd, b".")
        hidden = name[len(whiteout.PREFIX) :]
        if hidden in (b"", b".", b"..") or hidden.startswith(whiteout.PREFIX):
            raise HostileArchive(f"tar: {shown(member.name)} removes what can't be removed")
        try:
            os.mknod(hidden, stat.S_IFCHR, 0, dir_fd=dir_fd)
        except FileExistsError:
            # It removes only what lies below: what this layer brings stays, but does not merge
            if stat.S_ISDIR(os.stat(hidden, dir_fd=dir_fd, follow_symlinks=False).st_mode):
                self._make_opaque(dir_fd, hidden)
            return None
        return self._touch(dir_fd, hidden, member)

    def _make_opaque(self, dir_fd: int, name: bytes) -> None:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
        try:
            os.setxattr(fd, whiteout.OPAQUE_XATTR, b"y")
        except OSError as fault:
            if fault.errno != errno.ENOTSUP:
                raise
            raise HostError(
                "the file system of wherry's folder keeps no trusted attributes, which overlayfs needs",
                hint="choose another --root, on ext4, xfs or btrfs",
            ) from None
        finally:
            os.close(fd)

    # Folders on the way

    def _open(self, path: bytes) -> int:
        return open_in_root(self._root_fd, b"/".join(p for p in (self._dest, path) if p), _FOLDER)

    def _parent(self, path: bytes) -> int:
        """An O_PATH fd of the folder, made when missing; the cache keeps it."""
        fd = self._fds.get(path)
        if fd is not None:
            return fd
        try:
            fd = self._open(path)
        except (FileNotFoundError, NotADirectoryError):
            fd = self._make_parents(path)
        if len(self._fds) >= _CACHED:
            self._retired.append(self._fds.pop(next(iter(self._fds))))
        self._fds[path] = fd
        return fd

    def _make_parents(self, path: bytes) -> int:
        missing: list[bytes] = []
        while True:
            above, _, name = path.rpartition(b"/")
            missing.append(name)
            path = above
            try:
                fd = self._open(path)
                break
            except (FileNotFoundError, NotADirectoryError):
                if not path:
                    raise
        try:
            while missing:
                name = missing.pop()
                path = path + b"/" + name if path else name
                self._archive.count()
                self._make_folder(fd, name, path, replace=False)
                self._folders[path] = None
                new = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=fd)
                os.close(fd)
                fd = new
            return fd
        except BaseException:
            os.close(fd)
            raise

    def _make_folder(self, dir_fd: int, name: bytes, path: bytes, *, replace: bool) -> None:
        """Private to us until `finish`. `replace` removes what is there and is no folder."""
        try:
            return os.mkdir(name, 0o700, dir_fd=dir_fd)
        except FileExistsError:
            status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            return None
        removed = self._options.layer and whiteout.is_whiteout(status)
        if not removed and not replace:
            raise InvalidSpec(f"tar: {shown(path)} holds entries, but is not a folder")
        if self._options.keep_folders:
            raise Conflict(f"cannot overwrite non-directory {shown(path)} with a directory")
        self._clear(dir_fd, name, path)
        os.mkdir(name, 0o700, dir_fd=dir_fd)
        if removed:
            self._make_opaque(dir_fd, name)
        return None

    def _clear(self, dir_fd: int, name: bytes, path: bytes) -> None:
        """Make way for another entry."""
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        if self._options.keep_folders and stat.S_ISDIR(status.st_mode):
            raise Conflict(f"cannot overwrite directory {shown(path)} with a non-directory")
        self.replaced = self.replaced or not whiteout.is_whiteout(status)
        if not stat.S_ISREG(status.st_mode):
            # Open folders may lie below it, or behind it when it is a link
            self._retired += self._fds.values()
            self._fds.clear()
            for known in [one for one in self._folders if one == path or one.startswith(path + b"/")]:
                del self._folders[known]
        remove_at(dir_fd, name)

    # The members

    def _put_folder(self, dir_fd: int, name: bytes, path: bytes, member: Member) -> None:
        self._make_folder(dir_fd, name, path, replace=True)
        self._folders[path] = member

    def _put_file(self, dir_fd: int, name: bytes, path: bytes, member: Member) -> None:
        try:
            fd = os.open(name, _CREATE, 0o600, dir_fd=dir_fd)
        except FileExistsError:
            self._clear(dir_fd, name, path)
            fd = os.open(name, _CREATE, 0o600, dir_fd=dir_fd)
        try:
            if member.holes is None:
                for piece in self._archive.pieces():
                    _write(fd, piece)
                if member.stored and (recorder := self._archive.source.recorder):
                    recorder.file(path, member.stored)
            else:
                self._write_sparse(fd, member)
            dress(fd, member, self._options)
        finally:
            os.close(fd)

    def _write_sparse(self, fd: int, member: Member) -> None:
        recorder = self._archive.source.recorder
        pieces = self._archive.pieces()
        piece = memoryview(b"")
        for offset, length in member.holes or ():
            os.lseek(fd, offset, os.SEEK_SET)
            while length:
                if not piece:
                    piece = next(pieces)
                    if recorder:
                        recorder.raw(piece)
                _write(fd, piece[:length])
                length, piece = length - min(length, len(piece)), piece[length:]
        os.ftruncate(fd, member.size)

    def _put_symlink(self, dir_fd: int, name: bytes, path: bytes, member: Member) -> None:
        if not member.link:
            raise InvalidSpec(f"tar: the link {shown(path)} has no target")
        try:
            os.symlink(member.link, name, dir_fd=dir_fd)
        except FileExistsError:
            self._clear(dir_fd, name, path)
            os.symlink(member.link, name, dir_fd=dir_fd)
        self._dress_by_name(dir_fd, name, member)

    def _put_hard_link(self, dir_fd: int, name: bytes, path: bytes, member: Member) -> None:
        target = clean(member.link, "the link target")
        if target == path:
            # GNU tar writes such when a name stands twice on its command line
            return
        parent, _, base = target.rpartition(b"/")
        missing = f"tar: {shown(path)} is a hard link to {shown(target)}, which is not there"
        try:
            fd = self._open(parent)
        except (FileNotFoundError, NotADirectoryError):
            raise InvalidSpec(missing) from None
        try:
            status = os.stat(base or b".", dir_fd=fd, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode) or (self._options.layer and whiteout.is_whiteout(status)):
                raise InvalidSpec(f"tar: {shown(path)} is a hard link to {shown(target)}, which is no file")
            try:
                os.link(base, name, src_dir_fd=fd, dst_dir_fd=dir_fd, follow_symlinks=False)
            except FileExistsError:
                self._clear(dir_fd, name, path)
                os.link(base, name, src_dir_fd=fd, dst_dir_fd=dir_fd, follow_symlinks=False)
        except FileNotFoundError:
            raise InvalidSpec(missing) from None
        finally:
            os.close(fd)

    def _put_node(self, dir_fd: int, name: bytes, path: bytes, member: Member) -> None:
        kind = _NODE_TYPES[member.kind]
        if kind == stat.S_IFCHR and member.device == 0:
            raise HostileArchive(f"tar: {shown(path)} is the device 0:0, which overlayfs takes for a removal")
        try:
            os.mknod(name, kind | 0o600, member.device, dir_fd=dir_fd)
        except FileExistsError:
            self._clear(dir_fd, name, path)
            os.mknod(name, kind | 0o600, member.device, dir_fd=dir_fd)
        self._dress_by_name(dir_fd, name, member)

    def _dress_by_name(self, dir_fd: int, name: bytes, member: Member) -> None:
        """Owner, mode, attributes and time of what can't be opened."""
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
        try:
            if (ids := owner(member, self._options)) is not None:
                os.chown(name, *ids, dir_fd=dir_fd, follow_symlinks=False)
            if member.kind != header.SYMLINK:
                # By the fd: a name could be swapped for a link between mknod and chmod
                os.chmod(b"/proc/self/fd/%d" % fd, mode(member, self._options))
            set_xattrs(b"/proc/self/fd/%d/%b" % (dir_fd, name), member, self._options)
        finally:
            os.close(fd)
        self._touch(dir_fd, name, member)

    def _touch(self, dir_fd: int, name: bytes, member: Member) -> None:
        os.utime(name, ns=(member.mtime_ns, member.mtime_ns), dir_fd=dir_fd, follow_symlinks=False)

    _PUT = MappingProxyType(
        {
            header.REGULAR: _put_file,
            header.FOLDER: _put_folder,
            header.SYMLINK: _put_symlink,
            header.HARD_LINK: _put_hard_link,
        }
    )

    def finish(self) -> None:
        """Modes, attributes and times of the folders, deepest first. Raises: as `put`."""
        for path in sorted(self._folders, key=len, reverse=True):
            member = self._folders[path] or IMPLICIT
            whole = b"/".join(part for part in (self._dest, path) if part)
            try:
                fd = open_in_root(self._root_fd, whole, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            except (FileNotFoundError, NotADirectoryError):
                # Reached by a link, and replaced by its other name
                continue
            try:
                dress(fd, member, self._options)
            finally:
                os.close(fd)


def _write(fd: int, piece: memoryview) -> None:
    while piece:
        piece = piece[os.write(fd, piece) :]
