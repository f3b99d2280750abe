"""What gives a foreign tar back, byte for byte: everything of it but the files' contents, which the layer folder has.

Another tool's tar differs from ours in order, padding and headers; a push must send the bytes that the image's
DiffID names. Idea as in vbatts/tar-split, format our own.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.image.tar.pack import Write
    from wherry.image.tar.unpack import Reader

__all__ = ["replay"]


def replay(folder: str, recipe: Reader, write: Write, *, cancel: Cancel | None = None) -> int:
    """Give `write` the tar that `unpack(recipe=...)` read into `folder`; returns its size in bytes.

    Raises: IntegrityError when a file is not there or has another size, InvalidSpec for a broken recipe, OSError.
    """
    raise NotImplementedError
