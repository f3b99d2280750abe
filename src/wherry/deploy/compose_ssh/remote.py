"""What is asked of the way to the machine: the border at which tests put their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from wherry.cancel import Cancel
from wherry.host import Completed

__all__ = ["Remote", "Write"]

Write = Callable[[bytes | bytearray | memoryview], object]


class Remote(Protocol):
    """Scripts are for sh. All raise: NotSignedIn, Unreachable (of the way itself), Cancelled."""

    where: str

    def run(self, script: str, cancel: Cancel, data: bytes = b"") -> Completed:
        """`data` is what it reads. A script that fails is no error here."""

    def send(self, script: str, feed: Callable[[Write], None], cancel: Cancel) -> Completed:
        """What `feed` writes is what the script reads."""

    def lines(self, script: str, cancel: Cancel) -> Iterator[str]:
        """As they come, both outputs, until the script or `cancel` ends."""

    def tunnel(self, address: str, port: int) -> AbstractContextManager[int]:
        """A port of this machine's loopback that leads to `address`:`port` as seen from there."""

    def hostname(self) -> str:
        """The machine's name or address, as a URL needs it: an alias of ssh's is replaced."""

    def close(self) -> None: ...
