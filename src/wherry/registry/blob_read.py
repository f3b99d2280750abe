"""Blobs, verified while they arrive."""

from __future__ import annotations

from wherry.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

__all__ = ["BlobReader"]


class BlobReader:
    """A stream of exactly the descriptor's bytes.

    The last byte is handed out only after size and digest proved right; who stops before the end knows nothing of the
    bytes. Broken connections are resumed. One thread at a time.
    """

    def readinto(self, buffer: memoryview | bytearray, /) -> int:
        """Fill as much of `buffer` as there is at once; 0 at the end. Raises: IntegrityError, Unreachable, Cancelled."""
        raise Unsupported("registry client: in work")

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes (all when negative); b"" at the end."""
        raise Unsupported("registry client: in work")

    def close(self) -> None:
        """Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
