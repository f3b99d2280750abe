"""What gives a foreign tar back, byte for byte: everything of it but the files' contents, which the layer folder has.

Another tool's tar differs from ours in order, padding and headers; a push must send the bytes that the image's
DiffID names. Idea as in vbatts/tar-split, format our own: a magic line, then records. `R`, a 4 byte length, bytes as
they are; `F`, an 8 byte size, a 2 byte length, the path of the file whose content stands here (little-endian).
"""

from __future__ import annotations

import os
import stat
from struct import Struct

from wherry.errors import IntegrityError, InvalidSpec
from wherry.fs.kernel import open_in_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.image.tar.pack import Write
    from wherry.image.tar.stream import Reader

__all__ = ["Recorder", "replay"]

_MAGIC = b"wherry tar recipe 1\n"
_RAW, _FILE = Struct("<I"), Struct("<QH")
_FLUSH = 1 << 16
_CHUNK = 1 << 20


class Recorder:
    """Writes a recipe. `close` when the stream is at its end."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._raw = bytearray()
        write(_MAGIC)

    def raw(self, data: bytes | memoryview) -> None:
        """Bytes that only the recipe keeps."""
        self._raw += data
        if len(self._raw) >= _FLUSH:
            self._flush()

    def file(self, path: bytes, size: int) -> None:
        """Here stands the content of the file that lies at `path` in the layer folder."""
        self._flush()
        self._write(b"F" + _FILE.pack(size, len(path)) + path)

    def _flush(self) -> None:
        if self._raw:
            self._write(b"R" + _RAW.pack(len(self._raw)) + self._raw)
            self._raw = bytearray()

    def close(self) -> None:
        self._flush()


def replay(folder: str, recipe: Reader, write: Write, *, cancel: Cancel | None = None) -> int:
    """Give `write` the tar that `unpack(recipe=...)` read into `folder`; returns its size in bytes.

    Raises: IntegrityError when a file is not there or has another size, InvalidSpec for a broken recipe,
    Cancelled, OSError.
    """
    root_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _take(recipe, len(_MAGIC)) != _MAGIC:
            raise InvalidSpec("tar recipe: not one that this wherry can read")
        total = 0
        buffer = memoryview(bytearray(_CHUNK))
        while tag := recipe.read(1):
            if cancel:
                cancel.check()
            if tag == b"R":
                data = _take(recipe, _RAW.unpack(_take(recipe, _RAW.size))[0])
                write(data)
                total += len(data)
            elif tag == b"F":
                size, length = _FILE.unpack(_take(recipe, _FILE.size))
                _copy(root_fd, _take(recipe, length), size, buffer, write)
                total += size
            else:
                raise InvalidSpec(f"tar recipe: unknown record {tag!r}")
        return total
    finally:
        os.close(root_fd)


def _take(recipe: Reader, count: int) -> bytes:
    data = recipe.read(count)
    while len(data) < count:
        more = recipe.read(count - len(data))
        if not more:
            raise InvalidSpec("tar recipe: it ends in the middle of a record")
        data += more
    return data


def _copy(root_fd: int, path: bytes, size: int, buffer: memoryview, write: Write) -> None:
    what = f"layer file /{os.fsdecode(path)}"
    try:
        fd = open_in_root(root_fd, path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as fault:
        raise IntegrityError(what, expected=f"{size} bytes", actual=fault.strerror or "nothing") from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            raise IntegrityError(what, expected=f"{size} bytes", actual=f"{status.st_size} bytes")
        while size:
            got = os.readv(fd, (buffer[:size],))
            if not got:
                raise IntegrityError(what, expected=f"{size} more bytes", actual="its end")
            write(buffer[:got])
            size -= got
    finally:
        os.close(fd)
