"""Fills a new volume with what the image has at its target, as docker does at first use.

The image's tree is hostile: paths are resolved inside its root by the kernel (CVE-2022-23648), links are copied and
never followed, FIFOs and devices are made anew and never opened. A volume that holds anything is left as it is
(CVE-2020-1726).
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from wherry.fs.kernel import open_in_root
from wherry.fs.tree import Folder, open_folder, walk

__all__ = ["copy_up"]

_CHUNK = 1 << 30
_NO_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
# Each entry is made whole under this name, and then gets its own: what a kill leaves has no other
_PART = ".wherry-copying"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def copy_up(rootfs_fd: int, target: str, folder: str, *, marker: str) -> bool:
    """Copy the tree at `target` into the empty `folder`. False when there was nothing to do.

    A copy that was killed is gone on with: the file `marker` ("": none) says that one is under way. Nothing that is
    there is ever replaced or removed: another container may have written it meanwhile. Raises: OSError.
    """
    if not (marker and os.path.exists(marker)) and os.listdir(folder):
        return False
    try:
        source = open_in_root(rootfs_fd, target, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as fault:
        # Nothing there, or no folder: the volume stays as it is
        if fault.errno in _NO_FOLDER:
            return False
        raise
    try:
        if marker:
            os.close(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        sink = os.open(folder, _FOLDER)
        try:
            _Copy(sink).tree(source)
        finally:
            os.close(sink)
        if marker:
            os.unlink(marker)
    finally:
        os.close(source)
    return True


class _Copy:
    """Of one tree into an empty folder; remembers hard links, so that a file with two names stays one."""

    def __init__(self, sink: int) -> None:
        self._sink = sink
        self._links: dict[tuple[int, int], tuple[bytes, str]] = {}

    def tree(self, source: int) -> None:
        """One folder is open at a time on each side, however wide or deep the image is."""
        for folder in walk(source):
            try:
                there = open_folder(self._sink, folder.path)
            except OSError as fault:
                if fault.errno not in _NO_FOLDER:
                    raise
                # Somebody put something else there since a copy was killed: it stays, and nothing goes below
                folder.folders.clear()
                continue
            try:
                with suppress(FileNotFoundError):
                    os.unlink(_PART, dir_fd=there)
                for name in folder.folders:
                    with suppress(FileExistsError):
                        os.mkdir(name, 0o700, dir_fd=there)
                for entry in folder.files:
                    self._entry(entry.name, folder, there)
                status = os.fstat(folder.fd)
                os.fchown(there, status.st_uid, status.st_gid)
                os.fchmod(there, stat.S_IMODE(status.st_mode))
                _xattrs(folder.fd, there)
                os.utime(there, ns=(status.st_atime_ns, status.st_mtime_ns))
            finally:
                os.close(there)

    def _entry(self, name: str, folder: Folder, there: int) -> None:
        status = os.lstat(name, dir_fd=folder.fd)
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFSOCK or (status.st_nlink > 1 and self._link(name, folder.path, there, status)):
            return
        if kind == stat.S_IFREG:
            self._file(name, folder.fd, there, status)
        else:
            if kind == stat.S_IFLNK:
                os.symlink(os.readlink(name, dir_fd=folder.fd), _PART, dir_fd=there)
            else:
                os.mknod(_PART, status.st_mode, status.st_rdev, dir_fd=there)
                os.chmod(_PART, stat.S_IMODE(status.st_mode), dir_fd=there)
            os.chown(_PART, status.st_uid, status.st_gid, dir_fd=there, follow_symlinks=False)
            os.utime(_PART, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=there, follow_symlinks=False)
        with suppress(FileExistsError):
            os.link(_PART, name, src_dir_fd=there, dst_dir_fd=there, follow_symlinks=False)
        os.unlink(_PART, dir_fd=there)

    def _link(self, name: str, path: bytes, there: int, status: os.stat_result) -> bool:
        key = (status.st_dev, status.st_ino)
        if key not in self._links:
            self._links[key] = (path, name)
            return False
        folder, first = self._links[key]
        try:
            fd = open_folder(self._sink, folder)
            try:
                os.link(first, name, src_dir_fd=fd, dst_dir_fd=there, follow_symlinks=False)
            finally:
                os.close(fd)
        except FileExistsError:
            return True
        except OSError as fault:
            if fault.errno not in _NO_FOLDER:
                raise
            # The first name is gone since: this one is the first now
            self._links[key] = (path, name)
            return False
        return True

    def _file(self, name: str, here: int, there: int, status: os.stat_result) -> None:
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
        try:
            sink = os.open(_PART, _NEW, 0o600, dir_fd=there)
            try:
                _bytes(source, sink)
                os.fchown(sink, status.st_uid, status.st_gid)
                os.fchmod(sink, stat.S_IMODE(status.st_mode))
                # After the owner, whose change takes file capabilities away
                _xattrs(source, sink)
                os.utime(sink, ns=(status.st_atime_ns, status.st_mtime_ns))
            finally:
                os.close(sink)
        finally:
            os.close(source)


def _bytes(source: int, sink: int) -> None:
    try:
        while os.copy_file_range(source, sink, _CHUNK):
            pass
    except OSError as fault:
        if fault.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        while os.sendfile(sink, source, None, _CHUNK):
            pass


def _xattrs(source: int, sink: int) -> None:
    for name in os.listxattr(source):
        if not name.startswith("trusted."):
            with suppress(OSError):
                os.setxattr(sink, name, os.getxattr(source, name))
