"""A folder as a tar, always the same bytes for the same tree.

Order: a folder's entry, then its files, whiteouts first, then its folders, each by name as bytes. Owners are
numeric. ustar where an entry fits it, one PAX header before it where not (names over 255 bytes, numbers over the
octal fields, times with nanoseconds, extended attributes).

Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md and POSIX.1-2017, pax.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from wherry.errors import InvalidSpec
from wherry.fs.tree import Folder, walk
from wherry.image.tar import header, whiteout
from wherry.image.tar.header import BLOCK, Entry
from wherry.oci.digest import DiffID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel

__all__ = ["Packer", "Write", "diff_id", "tree_to_tar"]

Write = Callable[[bytes | bytearray | memoryview], object]
"""Takes the next bytes. The buffer is only good until the call returns: copy what must stay."""

_CHUNK = 1 << 20
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KINDS = {
    stat.S_IFLNK: header.SYMLINK, stat.S_IFCHR: header.CHAR, stat.S_IFBLK: header.BLOCK_DEVICE,
    stat.S_IFIFO: header.FIFO,
}  # fmt: skip


def tree_to_tar(folder: str, write: Write, *, mtime_ns: int | None = None, cancel: Cancel | None = None) -> int:
    """The layer folder's tar, end blocks included, given to `write` in order; returns its size in bytes.

    Overlay's whiteouts become `.wh.NAME`, opaque folders get `.wh..wh..opq`, sockets are left out. `mtime_ns` replaces
    every time. The root's own entry (`./`) is there only when it is not an ordinary 0755 of root. The folder must
    not change meanwhile. Raises: InvalidSpec for what no layer can say (a file named `.wh.x`, a path over 4095
    bytes), Cancelled, OSError.
    """

    def flush(filled: memoryview) -> memoryview:
        write(filled)
        return buffer

    buffer = memoryview(bytearray(_CHUNK))
    return _layer(folder, Packer(flush, buffer, mtime_ns=mtime_ns, cancel=cancel))


def diff_id(folder: str, *, mtime_ns: int | None = None, cancel: Cancel | None = None) -> tuple[DiffID, int]:
    """The hash and the size of exactly the bytes that `tree_to_tar` writes, without keeping them. Raises: as that."""
    from wherry.image.tar.hashing import BufferHash

    with BufferHash(_CHUNK) as hashed:
        size = _layer(folder, Packer(hashed.swap, hashed.first(), mtime_ns=mtime_ns, cancel=cancel))
        return DiffID.from_hex(hashed.hexdigest()), size


def _layer(folder: str, packer: Packer) -> int:
    root_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        packer.tree(root_fd, layer=True)
    finally:
        os.close(root_fd)
    return packer.close()


class Packer:
    """Writes entries one after the other. `flush` takes each full buffer and gives the next one to fill.

    `live` is for trees that others change meanwhile: what vanishes is left out, a file that shrinks is padded.
    """

    def __init__(
        self,
        flush: Callable[[memoryview], memoryview],
        buffer: memoryview,
        *,
        mtime_ns: int | None = None,
        live: bool = False,
        cancel: Cancel | None = None,
    ) -> None:
        self._flush, self._buffer, self._filled = flush, buffer, 0
        self._mtime_ns, self._live, self._cancel = mtime_ns, live, cancel
        self._links: dict[tuple[int, int], bytes] = {}
        self.size = 0

    def tree(self, root_fd: int, start: bytes = b"", name: bytes = b"", *, layer: bool = False) -> None:
        """The folder `start` below `root_fd` and all in it, as `name` (b"" for a root: "./" only if it matters).

        `layer` turns overlay's whiteouts into a tar's. Raises: as `tree_to_tar`.
        """
        try:
            for folder in walk(root_fd, start, live=self._live):
                if self._cancel:
                    self._cancel.check()
                below = folder.path[len(start) :].lstrip(b"/")
                path = b"/".join(part for part in (name, below) if part)
                self._folder(folder, path, layer)
        except OSError as fault:
            if fault.errno == errno.ENAMETOOLONG:
                raise InvalidSpec(f"{os.fsdecode(start) or 'the tree'} holds a path longer than 4095 bytes") from None
            raise

    def _folder(self, folder: Folder, path: bytes, layer: bool) -> None:
        status = os.fstat(folder.fd)
        names = whiteout.list_xattrs(folder.fd)
        attributes = whiteout.public_xattrs(folder.fd, names) if names else ()
        if path or attributes or (status.st_mode & 0o7777, status.st_uid, status.st_gid) != (0o755, 0, 0):
            self._header(path + b"/" if path else b"./", header.FOLDER, status, xattrs=attributes)
        prefix = path + b"/" if path else b""
        files = [(os.fsencode(entry.name), entry) for entry in folder.files]
        if layer:
            if whiteout.is_opaque(folder.fd, names):
                self._whiteout(prefix + whiteout.OPAQUE, status)
            _check_names(prefix, [name for name, _ in files] + folder.folders)
            gone = [(name, entry) for name, entry in files if _is_whiteout(entry)]
            for name, entry in gone:
                self._whiteout(prefix + whiteout.PREFIX + name, entry.stat(follow_symlinks=False))
            files = [pair for pair in files if pair not in gone] if gone else files
        for name, entry in files:
            if entry.is_file(follow_symlinks=False):
                self.file(folder.fd, name, prefix + name)
            else:
                self.special(folder.fd, name, prefix + name)

    def _whiteout(self, name: bytes, status: os.stat_result) -> None:
        mtime_ns = status.st_mtime_ns if self._mtime_ns is None else self._mtime_ns
        self._put(header.encode(Entry(name, header.REGULAR, 0, 0, 0, 0, mtime_ns)))

    def file(self, dir_fd: int, name: bytes, as_name: bytes) -> None:
        """The regular file `name` in `dir_fd`, or a hard link to it when it was written before. Raises: OSError."""
        try:
            fd = os.open(name, _OPEN, dir_fd=dir_fd)
        except OSError as fault:
            if fault.errno == errno.ELOOP:
                # A link took its place since the folder was listed
                return self.special(dir_fd, name, as_name)
            if self._live and fault.errno == errno.ENOENT:
                return None
            raise
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                # Another kind took its place since the folder was listed
                return self.special(dir_fd, name, as_name)
            if status.st_nlink > 1 and self._hard_link(status, as_name):
                return None
            names = whiteout.list_xattrs(fd)
            attributes = whiteout.public_xattrs(fd, names) if names else ()
            self._header(as_name, header.REGULAR, status, size=status.st_size, xattrs=attributes)
            if status.st_size:
                self._content(fd, status.st_size, as_name)
            return None
        finally:
            os.close(fd)

    def special(self, dir_fd: int, name: bytes, as_name: bytes) -> None:
        """A link, device or FIFO; sockets are left out. Raises: OSError."""
        try:
            status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
            kind = stat.S_IFMT(status.st_mode)
            link = os.readlink(name, dir_fd=dir_fd) if kind == stat.S_IFLNK else b""
            path = b"/proc/self/fd/%d/%b" % (dir_fd, name)
            names = whiteout.list_xattrs(path)
            attributes = whiteout.public_xattrs(path, names) if names else ()
        except OSError as fault:
            if self._live and fault.errno in (errno.ENOENT, errno.EINVAL):
                return
            raise
        if kind in (stat.S_IFREG, stat.S_IFDIR):
            if self._live:
                return
            raise OSError(errno.ESTALE, "changed while it was read", os.fsdecode(as_name))
        if kind == stat.S_IFSOCK or (status.st_nlink > 1 and self._hard_link(status, as_name)):
            return
        device = (0, 0)
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            device = (os.major(status.st_rdev), os.minor(status.st_rdev))
        self._header(as_name, _KINDS[kind], status, link=link, device=device, xattrs=attributes)

    def _hard_link(self, status: os.stat_result, as_name: bytes) -> bool:
        """True when the inode was written before; then a link to it is written."""
        first = self._links.setdefault((status.st_dev, status.st_ino), as_name)
        if first is as_name:
            return False
        self._header(as_name, header.HARD_LINK, status, link=first)
        return True

    def _header(
        self,
        name: bytes,
        kind: bytes,
        status: os.stat_result,
        *,
        size: int = 0,
        link: bytes = b"",
        device: tuple[int, int] = (0, 0),
        xattrs: tuple[tuple[str, bytes], ...] = (),
    ) -> None:
        mtime_ns = status.st_mtime_ns if self._mtime_ns is None else self._mtime_ns
        mode = status.st_mode & 0o7777
        entry = Entry(name, kind, mode, status.st_uid, status.st_gid, size, mtime_ns, link, device, xattrs)
        self._put(header.encode(entry))

    def _put(self, data: bytes) -> None:
        at = self._filled
        end = at + len(data)
        if end <= len(self._buffer):
            self._buffer[at:end] = data
            self._filled = end
            return
        rest = memoryview(data)
        while rest:
            room = len(self._buffer) - self._filled
            part, rest = rest[:room], rest[room:]
            self._buffer[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            if rest:
                self._swap()

    def _swap(self) -> None:
        if self._cancel:
            self._cancel.check()
        self.size += self._filled
        self._buffer = self._flush(self._buffer[: self._filled])
        self._filled = 0

    def _content(self, fd: int, size: int, name: bytes) -> None:
        left = size
        while left:
            if self._filled == len(self._buffer):
                self._swap()
            room = self._buffer[self._filled : self._filled + left]
            got = os.readv(fd, (room,))
            if not got:
                if not self._live:
                    raise OSError(errno.ESTALE, "shrank while it was read", os.fsdecode(name))
                got = len(room)
                room[:] = bytes(got)
            self._filled += got
            left -= got
        if size % BLOCK:
            self._put(_PADDING[size % BLOCK])

    def close(self) -> int:
        """Write the end blocks and what is still in the buffer; the size of the whole in bytes."""
        self._put(header.END)
        self._swap()
        return self.size


_PADDING = [bytes(-used % BLOCK) for used in range(BLOCK)]


def _is_whiteout(entry: os.DirEntry[str]) -> bool:
    if entry.is_file(follow_symlinks=False) or entry.is_symlink():
        return False
    return whiteout.is_whiteout(entry.stat(follow_symlinks=False))


def _check_names(prefix: bytes, names: list[bytes]) -> None:
    for name in names:
        if name.startswith(whiteout.PREFIX):
            raise InvalidSpec(
                f"/{os.fsdecode(prefix + name)} can't be kept in a layer: names that begin with .wh. mean removals",
                hint="give the file another name",
            )
