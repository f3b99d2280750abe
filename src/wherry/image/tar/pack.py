"""A folder as a tar, always the same bytes for the same tree.

Order: a folder's entry, then its whiteouts, its other files, then its folders, each by name as bytes. Owners are
numeric. ustar where an entry fits it, one PAX header before it where not (names over 255 bytes, numbers over the
octal fields, times with nanoseconds, extended attributes).

Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md and POSIX.1-2017, pax.
"""

from __future__ import annotations

from collections.abc import Callable

from wherry.oci.digest import DiffID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel

__all__ = ["Write", "diff_id", "tree_to_tar"]

Write = Callable[[bytes | bytearray | memoryview], object]
"""Takes the next bytes. The buffer is only good until the call returns: copy what must stay."""


def tree_to_tar(folder: str, write: Write, *, mtime_ns: int | None = None, cancel: Cancel | None = None) -> int:
    """The layer folder's tar, end blocks included, given to `write` in order; returns its size in bytes.

    Overlay's whiteouts become `.wh.NAME`, opaque folders get `.wh..wh..opq`, sockets are left out. `mtime_ns` replaces
    every time. The root's own entry (`./`) is there only when it is not an ordinary 0755 of root. The folder must
    not change meanwhile. Raises: InvalidSpec for what no layer can say (a file named `.wh.x`, a path over 4095
    bytes), Cancelled, OSError.
    """
    raise NotImplementedError


def diff_id(folder: str, *, mtime_ns: int | None = None, cancel: Cancel | None = None) -> tuple[DiffID, int]:
    """The hash and the size of exactly the bytes that `tree_to_tar` writes, without keeping them. Raises: as that."""
    from hashlib import sha256

    hashed = sha256()
    size = tree_to_tar(folder, hashed.update, mtime_ns=mtime_ns, cancel=cancel)
    return DiffID.from_hex(hashed.hexdigest()), size
