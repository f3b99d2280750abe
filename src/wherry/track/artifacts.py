"""Files of a run, kept by digest in its folder: a clone where the file system can, so that weights cost no space."""

from __future__ import annotations

import os
from errno import EINVAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

__all__ = ["copied", "described", "files_below", "keep", "keep_fd"]

_CHUNK = 1 << 20
_FICLONE = 0x40049409  # linux/fs.h


def files_below(path: str, name: str) -> Iterator[tuple[str, str]]:
    """(path, name) of the file, or of each file in the folder, sorted. Links to folders are not followed."""
    if not os.path.isdir(path):
        yield path, name
        return
    for folder, folders, files in os.walk(path):
        folders.sort()
        for one in sorted(files):
            whole = os.path.join(folder, one)
            yield whole, name + "/" + os.path.relpath(whole, path)


def described(path: str) -> dict[str, Any]:
    """digest, size and number of files of a file or folder. Raises: OSError."""
    from hashlib import sha256

    if not os.path.isdir(path):
        digest, size = _hashed(path)
        return {"digest": "sha256:" + digest, "size": size, "files": 1}
    lines, total = [], 0
    for one, name in files_below(path, "."):
        if os.path.isfile(one):
            digest, size = _hashed(one)
            lines.append((os.fsencode(name[2:]), digest))
            total += size
    whole = sha256()
    for name_bytes, digest in sorted(lines):
        whole.update(digest.encode() + b"  " + name_bytes + b"\n")
    return {"digest": "sha256:" + whole.hexdigest(), "size": total, "files": len(lines)}


def _hashed(path: str) -> tuple[str, int]:
    from hashlib import sha256

    hash, size = sha256(), 0
    if not os.path.isfile(path) and os.path.exists(path):
        raise OSError(EINVAL, "not a plain file", path)  # a FIFO would wait, a device may never end
    with open(path, "rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            if not chunk:
                return hash.hexdigest(), size
            hash.update(chunk)
            size += len(chunk)


def keep(folder: str, path: str) -> tuple[str, int]:
    """Copy the file as it is now into the run's folder; (digest, bytes). The same content is kept once.

    Raises: OSError.
    """
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return keep_fd(folder, source)
    finally:
        os.close(source)


def keep_fd(folder: str, source: int) -> tuple[str, int]:
    """The same of an open file. Raises: OSError."""
    home = _home(folder)
    temporary = ".%d.%s.tmp" % (os.getpid(), os.urandom(4).hex())
    try:
        target = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444, dir_fd=home)
        try:
            try:
                digest, size = copied(source, target)
                os.fsync(target)
            finally:
                os.close(target)
            os.rename(temporary, digest, src_dir_fd=home, dst_dir_fd=home)
        except BaseException:
            try:
                os.unlink(temporary, dir_fd=home)
            except OSError:
                pass
            raise
    finally:
        os.close(home)
    return "sha256:" + digest, size


def _home(folder: str) -> int:
    """An fd of artifacts/sha256, made when missing."""
    from wherry.track.folder import open_inside

    artifacts = open_inside(folder, "artifacts", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.mkdir("sha256", dir_fd=artifacts)
    except FileExistsError:
        pass
    finally:
        os.close(artifacts)
    return open_inside(folder, "artifacts/sha256", os.O_RDONLY | os.O_DIRECTORY)


def copied(source: int, target: int) -> tuple[str, int]:
    """The digest in hex, and the bytes."""
    from hashlib import sha256

    is_clone = _clone(source, target)
    hash, size = sha256(), 0
    while True:
        # Of the clone, so that the digest is of what is kept, even when the program writes on
        chunk = os.read(target if is_clone else source, _CHUNK)
        if not chunk:
            return hash.hexdigest(), size
        hash.update(chunk)
        size += len(chunk)
        view = memoryview(chunk if not is_clone else b"")
        while view:
            view = view[os.write(target, view) :]


def _clone(source: int, target: int) -> bool:
    import fcntl

    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True
