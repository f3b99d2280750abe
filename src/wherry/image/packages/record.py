"""What an installed Python distribution says of itself: the name of its dist-info folder and the RECORD in it.

Spec: https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import csv
import io
import os
import posixpath
import re
import stat
from collections.abc import Iterator
from typing import NamedTuple

from wherry.fs.kernel import RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, open_in_root

__all__ = ["INSTALLERS", "SUFFIX", "Claim", "Package", "claims", "named", "read"]

SUFFIX = b".dist-info"
INSTALLERS = frozenset({b"RECORD", b"INSTALLER", b"REQUESTED", b"direct_url.json", b"uv_cache.json", b"uv_build.json"})
"""Files of a dist-info folder that tell how it was installed, not what: they differ for the same wheel."""

_LIMIT_BYTES = 64 << 20


class Package(NamedTuple):
    """`name` is normalized (PEP 503); `folder` the path of the dist-info folder below the tree's root."""

    name: str
    version: str
    folder: bytes

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Claim(NamedTuple):
    """A file that RECORD names. `size` in bytes is None where RECORD does not say it, and `digest` ""."""

    path: bytes
    size: int | None
    digest: str = ""


def named(folder: bytes) -> Package | None:
    """By the folder's name, "scikit_learn-1.5.0.dist-info"; None when it has no such name."""
    text = os.fsdecode(folder.rpartition(b"/")[2].removesuffix(SUFFIX)).encode("utf-8", "replace").decode()
    name, dash, version = text.partition("-")
    if not folder.endswith(SUFFIX) or not (name and dash and version):
        return None
    return Package(re.sub(r"[-_.]+", "-", name).lower(), version, folder)


def claims(record: bytes, folder: bytes) -> Iterator[Claim]:
    """The files that the RECORD of the dist-info `folder` names, as paths below the root; in its order.

    An absolute path, and one that leads out of site-packages ("../../../bin/x"), counts from the image's root. Paths
    through links are not resolved. What is no RECORD gives nothing.
    """
    site = folder.rpartition(b"/")[0]
    text = record.decode("utf-8", "surrogateescape")
    try:
        for row in csv.reader(io.StringIO(text, newline=""), strict=True):
            if not row or not row[0]:
                continue
            path = os.fsencode(row[0])
            if path.startswith(b"/") or b".." in path or b"./" in path or b"//" in path:
                path = posixpath.normpath(b"/" + site + b"/" + path if path[:1] != b"/" else path).lstrip(b"/")
            elif site:
                path = site + b"/" + path
            size = row[2] if len(row) > 2 else ""
            known = size.isascii() and size.isdecimal() and len(size) < 19
            yield Claim(path, int(size) if known else None, row[1] if len(row) > 1 else "")
    except csv.Error:
        return


def read(root_fd: int, path: bytes) -> bytes:
    """A RECORD or another small file; b"" when it is not there, no regular file, behind a link, or too long.

    Raises: OSError.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = open_in_root(root_fd, path, flags, resolve=RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as fault:
        import errno

        if fault.errno in (errno.ELOOP, errno.ENXIO):
            return b""
        raise
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LIMIT_BYTES:
            return b""
        with open(fd, "rb", closefd=False) as file:
            return file.read(_LIMIT_BYTES)
    finally:
        os.close(fd)
