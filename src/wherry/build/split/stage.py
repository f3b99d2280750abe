"""A step's diff taken apart into layer folders, by renames alone."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence

from wherry.build.resolve import lstat
from wherry.build.split.arrange import Plan, arrange
from wherry.build.split.owners import Installed
from wherry.build.split.rules import Rules
from wherry.build.split.scan import Scan
from wherry.fs.tree import open_folder
from wherry.image.packages import record
from wherry.image.tar import whiteout

__all__ = ["plan", "stage"]

_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def plan(upper: str, scan: Scan, rules: Rules, share: int) -> Plan | None:
    """What `stage` shall do; None when the diff stays one layer. Reads the RECORDs in `upper`. Raises: OSError."""
    infos = scan.infos()
    if share < 2 or not (infos or scan.largest >= rules.large):
        return None
    installed: list[Installed] = []
    root_fd = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in infos:
            if package := record.named(folder):
                data = record.read(root_fd, folder + b"/RECORD")
                installed.append(Installed(package, tuple(record.claims(data, folder))))
    finally:
        os.close(root_fd)
    found = arrange(scan, installed, rules, share)
    if found and found.parts == 1 and not found.has_rest:
        return None
    return found


def stage(folder: str, plan: Plan, lowers: Sequence[str], clamp_ns: int) -> list[str]:
    """Take `folder`/fs apart: the folders whose /fs are the layers, base first, all with times `clamp_ns`.

    Merged they are what `folder`/fs was above `lowers`: each holds the folders above its files with the same owner,
    mode and attributes. The last one is mostly `folder` itself, with the rest. It is no use any more when this raises.
    Raises: OSError.
    """
    upper = f"{folder}/fs"
    root_fd = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        hiding = [path for path in plan.opaque if _is_below(lowers, path)]
        staged = [_hide(folder, root_fd, hiding, clamp_ns)] if hiding else []
        for path in plan.opaque:
            _show(root_fd, path)
        parts = [_Part(f"{folder}/part-{number}", root_fd) for number in range(plan.parts)]
        try:
            touched = _move(root_fd, plan, parts)
            for part in parts:
                part.seal(clamp_ns)
        finally:
            for part in parts:
                part.close()
        for path in touched:
            _clamp(root_fd, path, clamp_ns)
    finally:
        os.close(root_fd)
    return [*staged, *(part.folder for part in parts), *([folder] if plan.has_rest else [])]


def _is_below(lowers: Sequence[str], path: bytes) -> bool:
    """Whether a folder stands in some layer below. An upper folder may be marked opaque without: it hides nothing."""
    for lower in lowers:
        fd = os.open(lower, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found = lstat(fd, os.fsdecode(path))
        finally:
            os.close(fd)
        if found and stat.S_ISDIR(found.st_mode):
            return True
    return False


def _hide(folder: str, root_fd: int, paths: Sequence[bytes], clamp_ns: int) -> str:
    """The layer under the parts: only opaque folders, so that nothing of the same names shows through from below."""
    part = _Part(f"{folder}/hides", root_fd)
    try:
        for path in paths:
            fd = part.open(path)
            os.setxattr(fd, whiteout.OPAQUE_XATTR, b"y")
        part.seal(clamp_ns)
    finally:
        part.close()
    return part.folder


def _show(root_fd: int, path: bytes) -> None:
    fd = open_folder(root_fd, path)
    try:
        os.removexattr(fd, whiteout.OPAQUE_XATTR)
    finally:
        os.close(fd)


def _move(root_fd: int, plan: Plan, parts: Sequence[_Part]) -> list[bytes]:
    """Returns the folders that something was taken out of."""
    touched: dict[bytes, None] = {}
    here, fd = b"", os.dup(root_fd)
    try:
        for move in plan.moves:
            if move.folder != here:
                os.close(fd)
                here, fd = move.folder, -1
                fd = open_folder(root_fd, here)
            touched[here] = None
            if move.copy:
                parts[move.part].copy(fd, here, move.name)
            else:
                os.rename(move.name, move.name, src_dir_fd=fd, dst_dir_fd=parts[move.part].open(here))
    finally:
        if fd >= 0:
            os.close(fd)
    return list(touched)


def _clamp(root_fd: int, path: bytes, clamp_ns: int) -> None:
    fd = open_folder(root_fd, path)
    try:
        os.utime(fd, ns=(clamp_ns, clamp_ns))
    finally:
        os.close(fd)


class _Part:
    """A layer folder that is being filled: `open` makes folders in it like those at `like_fd`."""

    def __init__(self, folder: str, like_fd: int) -> None:
        self.folder = folder
        self._like_fd = like_fd
        self._made: list[bytes] = []
        self._known: set[bytes] = set()
        os.mkdir(folder, 0o700)
        os.mkdir(f"{folder}/fs", 0o700)
        self._root_fd = os.open(f"{folder}/fs", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._here, self._fd = b"", os.dup(self._root_fd)
        self._dress(self._root_fd, b"")
        self._made.append(b"")
        self._known.add(b"")

    def open(self, path: bytes) -> int:
        """The folder, made when it is missing, with all above it; the fd is good until the next call."""
        if path == self._here:
            return self._fd
        if path not in self._known:
            self._make(path)
        os.close(self._fd)
        self._fd = -1
        self._here, self._fd = path, open_folder(self._root_fd, path)
        return self._fd

    def _make(self, path: bytes) -> None:
        parts = path.split(b"/")
        for count in range(1, len(parts) + 1):
            here = b"/".join(parts[:count])
            if here in self._known:
                continue
            # By the fd of the one above: a whole path may be longer than a system call takes
            above_fd = open_folder(self._root_fd, b"/".join(parts[: count - 1]))
            try:
                os.mkdir(parts[count - 1], 0o700, dir_fd=above_fd)
            finally:
                os.close(above_fd)
            fd = open_folder(self._root_fd, here)
            try:
                self._dress(fd, here)
            finally:
                os.close(fd)
            self._made.append(here)
            self._known.add(here)

    def _dress(self, fd: int, path: bytes) -> None:
        like_fd = open_folder(self._like_fd, path)
        try:
            _dress(fd, like_fd)
        finally:
            os.close(like_fd)

    def copy(self, from_fd: int, folder: bytes, name: bytes) -> None:
        """The small file `name` of the folder open as `from_fd`, with everything that it has."""
        to_fd = self.open(folder)
        with open(os.open(name, os.O_RDONLY | _FILE, dir_fd=from_fd), "rb") as source:
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, 0o600, dir_fd=to_fd)
            with open(fd, "wb") as target:
                target.write(source.read())
                target.flush()
                _dress(fd, source.fileno())
                status = os.fstat(source.fileno())
                os.utime(fd, ns=(status.st_mtime_ns, status.st_mtime_ns))

    def seal(self, clamp_ns: int) -> None:
        """The times of all folders that were made here."""
        for path in self._made:
            _clamp(self._root_fd, path, clamp_ns)

    def close(self) -> None:
        """Idempotent."""
        for fd in (self._fd, self._root_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._root_fd = -1


def _dress(fd: int, like_fd: int) -> None:
    """As the other: owner, then mode (a change of owner clears the set-id bits), then attributes."""
    status = os.fstat(like_fd)
    os.fchown(fd, status.st_uid, status.st_gid)
    os.fchmod(fd, stat.S_IMODE(status.st_mode))
    for name, value in whiteout.public_xattrs(like_fd, whiteout.list_xattrs(like_fd)):
        _set(fd, name, value)


def _set(fd: int, name: str, value: bytes) -> None:
    try:
        os.setxattr(fd, name, value)
    except OSError as fault:
        if fault.errno not in (errno.ENOTSUP, errno.EPERM) or name == "security.capability":
            raise
