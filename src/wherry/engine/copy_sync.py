"""Single paths of this machine into a running container, and away from it: what `compose watch` does after an edit.

Each file comes under its name at once, whole: a program that reloads when its files change never reads half of one.
All paths of the container are resolved by openat2 within its root, as in `cp`, and nothing of it is run.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, suppress
from typing import NamedTuple

from wherry.errors import Conflict
from wherry.fs.kernel import RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, open_at, open_in_root
from wherry.fs.remove import remove_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from wherry.cancel import Cancel
    from wherry.engine import Engine

__all__ = ["SyncRequest", "apply", "sync_in"]

_AT_CWD = -100
_CHUNK = 1 << 20
_FOLDER = os.O_PATH | os.O_DIRECTORY
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class SyncRequest(NamedTuple):
    """`removes`: paths of the container that go, folders with all in them. Then `puts`: (path here, path there), each
    as it is by now: a file, a folder (without what is in it), a link. `only_different` leaves alone what is the same.
    """

    puts: tuple[tuple[str, str], ...] = ()
    removes: tuple[str, ...] = ()
    only_different: bool = False


def sync_in(engine: Engine, container: str, request: SyncRequest, cancel: Cancel | None = None) -> int:
    """Bring a running container up to date; how many paths were written or removed.

    All belongs to the container's user, to root when it has none. A path that is gone here is left out. Twice is as
    good as once. Raises: Conflict (read-only, something is mounted there), NotFound (the container), OSError.
    """
    from wherry.engine.copy import configured_user

    owner = configured_user(engine, container) or (0, 0)
    with ExitStack() as stack:
        with engine.containers.root_fd(container) as fd:
            root_fd = os.dup(fd)
            stack.callback(os.close, root_fd)
        try:
            count = apply(root_fd, request, owner, cancel)
        except OSError as fault:
            raise _told(fault, container) from None
    engine.events.container(engine.containers.find(container), "extract-to-dir")
    return count


def _told(fault: OSError, container: str) -> Exception:
    where = os.fsdecode(fault.filename) if fault.filename else ""
    if fault.errno == errno.EROFS:
        return Conflict(f"container {container} has {where or 'its files'} read-only")
    if fault.errno == errno.EBUSY:
        return Conflict(f"something is mounted at {where} in container {container}")
    return fault


def apply(root_fd: int, request: SyncRequest, owner: tuple[int, int], cancel: Cancel | None = None) -> int:
    """The work itself, below an open root. Raises: OSError that names the path in the container."""
    count, replaced = 0, frozenset(target for _, target in request.puts)
    for target in request.removes:
        if cancel:
            cancel.check()
        count += _remove(root_fd, target, only_folder=target in replaced)
    for source, target in request.puts:
        if cancel:
            cancel.check()
        with _Site(root_fd, owner, request.only_different) as site:
            count += site.put(source, target)
    return count


def _remove(root_fd: int, target: str, *, only_folder: bool) -> bool:
    """`only_folder` spares a file that is about to be replaced: nobody is to find it missing."""
    parent, _, name = target.rpartition("/")
    try:
        parent_fd = open_in_root(root_fd, parent or "/", _FOLDER)
    except OSError as fault:
        if fault.errno in _GONE:
            return False
        raise
    try:
        there = _lstat(parent_fd, name)
        if there is None or (only_folder and not stat.S_ISDIR(there.st_mode)):
            return False
        remove_at(parent_fd, os.fsencode(name))
    except FileNotFoundError:
        return False
    except OSError as fault:
        raise OSError(fault.errno, fault.strerror, target) from None
    finally:
        os.close(parent_fd)
    return True


class _Site:
    """Where one path is put: closes what it opened."""

    def __init__(self, root_fd: int, owner: tuple[int, int], only_different: bool) -> None:
        self._root_fd, self._owner, self._only_different = root_fd, owner, only_different
        self._stack = ExitStack()

    def __enter__(self) -> _Site:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def put(self, source: str, target: str) -> bool:
        """Whether something was written."""
        try:
            status = os.lstat(source)
            if stat.S_ISREG(status.st_mode):
                # A folder of this machine that became a link leads nowhere: only the tree itself is copied
                how = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
                fd = open_at(_AT_CWD, source, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, how)
                self._stack.callback(os.close, fd)
                status = os.fstat(fd)
            text = os.readlink(source) if stat.S_ISLNK(status.st_mode) else ""
        except OSError as fault:
            if fault.errno in _GONE or fault.errno == errno.EINVAL:
                return False  # gone, or another thing by now: the watch tells of that
            raise
        try:
            parent, _, name = target.rpartition("/")
            parent_fd = self._parents(parent)
            if stat.S_ISREG(status.st_mode):
                return self._file(fd, status, parent_fd, name)
            if stat.S_ISDIR(status.st_mode):
                return not name or self._folder(status, parent_fd, name)
            return bool(text) and self._link(text, parent_fd, name)
        except OSError as fault:
            raise OSError(fault.errno, fault.strerror, target) from None

    def _parents(self, folder: str) -> int:
        """The folder, and those above it, made where they are missing."""
        try:
            return self._open(folder or "/")
        except FileNotFoundError:
            above, _, name = folder.rpartition("/")
            above_fd = self._parents(above)
            with suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=above_fd)
                os.chown(name, *self._owner, dir_fd=above_fd, follow_symlinks=False)
            return self._open(folder)

    def _open(self, folder: str) -> int:
        fd = open_in_root(self._root_fd, folder, _FOLDER)
        self._stack.callback(os.close, fd)
        return fd

    def _folder(self, status: os.stat_result, parent_fd: int, name: str) -> bool:
        there = _lstat(parent_fd, name)
        is_new = there is None or not stat.S_ISDIR(there.st_mode)
        if is_new:
            if there is not None:
                remove_at(parent_fd, os.fsencode(name))
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=parent_fd)
        elif there is not None and stat.S_IMODE(there.st_mode) == stat.S_IMODE(status.st_mode):
            return False
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent_fd)
        try:
            if is_new:  # the owner of one that was there stays, as in docker's cp
                os.fchown(fd, *self._owner)
            os.fchmod(fd, stat.S_IMODE(status.st_mode))
        finally:
            os.close(fd)
        return True

    def _link(self, text: str, parent_fd: int, name: str) -> bool:
        there = _lstat(parent_fd, name)
        if there is not None and stat.S_ISLNK(there.st_mode) and os.readlink(name, dir_fd=parent_fd) == text:
            return False
        fresh = _fresh(name)
        os.symlink(text, fresh, dir_fd=parent_fd)
        try:
            os.chown(fresh, *self._owner, dir_fd=parent_fd, follow_symlinks=False)
            _move(parent_fd, fresh, name, there)
        except BaseException:
            _discard(parent_fd, fresh)
            raise
        return True

    def _file(self, source_fd: int, status: os.stat_result, parent_fd: int, name: str) -> bool:
        there = _lstat(parent_fd, name)
        if self._only_different and there is not None and _is_same(source_fd, status, parent_fd, name, there):
            return False
        fresh = _fresh(name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(fresh, flags, 0o600, dir_fd=parent_fd)
        try:
            try:
                self._fill(source_fd, fd, status)
            finally:
                os.close(fd)
            _move(parent_fd, fresh, name, there)
        except OSError as fault:
            _discard(parent_fd, fresh)
            if fault.errno != errno.EBUSY or there is None or not stat.S_ISREG(there.st_mode):
                raise
            self._overwrite(source_fd, status, parent_fd, name)
        except BaseException:
            _discard(parent_fd, fresh)
            raise
        return True

    def _overwrite(self, source_fd: int, status: os.stat_result, parent_fd: int, name: str) -> None:
        """A file that is mounted at its path can't be replaced."""
        fd = os.open(name, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent_fd)
        try:
            _copy(source_fd, fd)
            os.utime(fd, ns=(status.st_mtime_ns, status.st_mtime_ns))
        finally:
            os.close(fd)

    def _fill(self, source_fd: int, fd: int, status: os.stat_result) -> None:
        _copy(source_fd, fd)
        os.fchown(fd, *self._owner)
        os.fchmod(fd, stat.S_IMODE(status.st_mode))
        os.utime(fd, ns=(status.st_mtime_ns, status.st_mtime_ns))


def _lstat(parent_fd: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _fresh(name: str) -> str:
    """A name for a moment. Hidden, and with an ending that no reloader looks at."""
    short = os.fsdecode(os.fsencode(name)[:200])
    return f".{short}.{os.urandom(4).hex()}~"


def _move(parent_fd: int, fresh: str, name: str, there: os.stat_result | None) -> None:
    if there is not None and stat.S_ISDIR(there.st_mode):
        remove_at(parent_fd, os.fsencode(name))
    os.rename(fresh, name, src_dir_fd=parent_fd, dst_dir_fd=parent_fd)


def _discard(parent_fd: int, name: str) -> None:
    with suppress(OSError):
        os.unlink(name, dir_fd=parent_fd)


def _copy(source_fd: int, fd: int) -> None:
    from wherry.fs.atomic import write_all

    for chunk in _chunks(source_fd):
        write_all(fd, chunk)


def _chunks(fd: int) -> Iterable[bytes]:
    offset = 0
    while chunk := os.pread(fd, _CHUNK, offset):
        offset += len(chunk)
        yield chunk


def _is_same(source_fd: int, status: os.stat_result, parent_fd: int, name: str, there: os.stat_result) -> bool:
    if not stat.S_ISREG(there.st_mode) or there.st_size != status.st_size:
        return False
    if stat.S_IMODE(there.st_mode) != stat.S_IMODE(status.st_mode):
        return False
    if there.st_mtime_ns == status.st_mtime_ns:
        return True
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent_fd)
    try:
        return all(os.pread(fd, _CHUNK, at * _CHUNK) == chunk for at, chunk in enumerate(_chunks(source_fd)))
    finally:
        os.close(fd)
