"""Streams between media: checked while they are read, plain out of compressed."""

from __future__ import annotations

from typing import Self

from wherry.errors import IntegrityError
from wherry.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from wherry.oci.descriptor import Descriptor

    class Readable(Protocol):
        def read(self, size: int, /) -> bytes: ...


__all__ = ["Checked", "copy_into", "digest_as", "digest_of"]


class Checked:
    """A stream of exactly the descriptor's bytes: what is wrong is told before the last of them is given."""

    def __init__(self, stream: Readable, blob: Descriptor, close: Callable[[], None]) -> None:
        from hashlib import new as new_hash

        self._stream, self._blob, self._close = stream, blob, close
        self._hash = new_hash(blob.digest.algorithm)
        self._left = blob.size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def readinto(self, buffer: memoryview | bytearray, /) -> int:
        """0 at the end. Raises: IntegrityError."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; all when negative. Raises: IntegrityError."""
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        if not self._left:
            # Also of what is said to be empty, where there was no last byte to tell it before
            self._verify()
            return b""
        data = self._stream.read(min(size, self._left))
        self._hash.update(data)
        self._left -= len(data)
        if not data:
            actual = self._blob.size - self._left
            raise IntegrityError(self._what, expected=f"{self._blob.size} bytes", actual=f"{actual}")
        if not self._left:
            self._verify()
        return data

    def _verify(self) -> None:
        if (actual := self._hash.hexdigest()) != self._blob.digest.hex:
            algorithm = self._blob.digest.algorithm
            raise IntegrityError(self._what, expected=self._blob.digest, actual=f"{algorithm}:{actual}")

    @property
    def _what(self) -> str:
        return f"blob {self._blob.digest.short}"

    def close(self) -> None:
        self._close()


def copy_into(reader: Checked | object, write: Callable[[memoryview], object], tell: Callable[[int], None]) -> int:
    """All of a stream that has `readinto`; `tell` gets the bytes done so far. Returns how many there were."""
    buffer = memoryview(bytearray(1 << 20))
    done = 0
    while got := reader.readinto(buffer):  # type: ignore[union-attr]
        write(buffer[:got])
        done += got
        tell(done)
    return done


def digest_of(data: bytes, like: Digest) -> Digest:
    """With the algorithm of `like`."""
    from hashlib import new as new_hash

    return Digest(f"{like.algorithm}:{new_hash(like.algorithm, data).hexdigest()}")


def digest_as(tag_or_digest: str, data: bytes) -> Digest:
    """What a manifest that is put as `tag_or_digest` is called: by the algorithm that the digest names."""
    algorithm, colon, _ = tag_or_digest.partition(":")
    return digest_of(data, Digest(tag_or_digest)) if colon and algorithm == "sha512" else Digest.of(data)
