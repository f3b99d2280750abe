"""Small trees and tars for the tests: made by code, so that each test shows what it is about."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from wherry.image.tar import header, pack, pax, unpack
from wherry.image.tar.header import Entry
from wherry.image.tar.unpack import UnpackResult

IS_ROOT = os.geteuid() == 0
YEAR_2001_NS = 1_000_000_000 * 10**9


def entry(
    name: bytes, kind: bytes = header.REGULAR, data: bytes = b"", *, link: bytes = b"", mode: int = 0o644,
    device: tuple[int, int] = (0, 0), xattrs: tuple[tuple[str, bytes], ...] = (), mtime_ns: int = YEAR_2001_NS,
) -> bytes:  # fmt: skip
    """One member's bytes, owned by whoever runs the test."""
    made = Entry(name, kind, mode, os.geteuid(), os.getegid(), len(data), mtime_ns, link, device, xattrs)
    return header.encode(made) + data + bytes(-len(data) % 512)


def special(kind: bytes, data: bytes) -> bytes:
    """A header that changes the next one: PAX "x" and "g", GNU's "L" and "K"."""
    return header.encode(Entry(b"special", kind, 0o644, 0, 0, len(data))) + data + bytes(-len(data) % 512)


def paxed(*records: tuple[bytes, bytes]) -> bytes:
    return special(b"x", pax.encode(records))


def tar(*members: bytes) -> bytes:
    return b"".join(members) + header.END


def packed(folder: Path, **options: int) -> bytes:
    out = bytearray()
    size = pack.tree_to_tar(str(folder), out.__iadd__, **options)
    assert size == len(out)
    return bytes(out)


def unpacked(data: bytes, folder: Path, **options: object) -> UnpackResult:
    folder.mkdir(exist_ok=True)
    return unpack.unpack(io.BytesIO(data), str(folder), owners=IS_ROOT, **options)  # type: ignore[arg-type]


Listing = dict[bytes, tuple[object, ...]]


def listing(folder: Path, *, without: str = "") -> Listing:
    """Everything below the folder that a tar keeps, by path; hard links as sets of paths.

    The entry `without` of the folder is passed over, unread: an archive may have made folders that only root enters.
    """
    found: Listing = {}
    inodes: dict[int, list[bytes]] = {}
    for where, folders, files in os.walk(os.fsencode(folder)):
        if without and where == os.fsencode(folder):
            folders[:] = [name for name in folders if name != os.fsencode(without)]
        for name in folders + files:
            path = os.path.join(where, name)
            status = os.lstat(path)
            content: object = None
            # A hostile archive may make files that only root can read; these tests run as any user
            if stat.S_ISREG(status.st_mode) and os.access(path, os.R_OK):
                with open(path, "rb") as file:
                    content = file.read()
            elif stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            short = os.path.relpath(path, os.fsencode(folder))
            xattrs = {
                key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)
            }
            # Linux gives links no modes, and their permission bits differ by file system
            mode = status.st_mode if not stat.S_ISLNK(status.st_mode) else stat.S_IFLNK
            found[short] = (mode, status.st_uid, status.st_gid, status.st_mtime_ns, content, xattrs)
            if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                inodes.setdefault(status.st_ino, []).append(short)
    for paths in inodes.values():
        for path in paths:
            found[path] += (tuple(sorted(paths)),)
    return found


def outside(folder: Path) -> Callable[[], bool]:
    """Plant a witness beside `folder`; the result says whether all beside it is as it was."""
    parent = folder.parent
    (parent / "witness").mkdir()
    (parent / "witness" / "file").write_bytes(b"untouched")
    os.utime(parent / "witness", ns=(1, 1))
    before = listing(parent, without=folder.name)

    def untouched() -> bool:
        return listing(parent, without=folder.name) == before

    return untouched


def names(folder: Path) -> Sequence[bytes]:
    return sorted(listing(folder))
