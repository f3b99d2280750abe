"""Files of a run, kept by digest in its folder: a clone where the file system can, so that weights cost no space."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

__all__ = ["described", "files_below", "keep"]

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
    from hashlib import sha256

    home = folder + "/artifacts/sha256"
    os.makedirs(home, exist_ok=True)
    temporary = "%s/.%d.%s.tmp" % (home, os.getpid(), os.urandom(4).hex())
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        try:
            is_clone = _clone(source, target)
            hash, size = sha256(), 0
            while True:
                # Of the clone, so that the digest is of what is kept, even when the program writes on
                chunk = os.read(target if is_clone else source, _CHUNK)
                if not chunk:
                    break
                hash.update(chunk)
                size += len(chunk)
                view = memoryview(chunk if not is_clone else b"")
                while view:
                    view = view[os.write(target, view) :]
            os.fsync(target)
        finally:
            os.close(target)
        os.rename(temporary, home + "/" + hash.hexdigest())
    except BaseException:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise
    finally:
        os.close(source)
    return "sha256:" + hash.hexdigest(), size


def _clone(source: int, target: int) -> bool:
    import fcntl

    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True
