"""The steps that this process makes at this moment, by key: of several builds that want the same one, one makes it.

Services of a project often have a Dockerfile, or stages of one, in common, and are built side by side.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from wherry.cancel import Cancel

__all__ = ["HERE", "Underway"]

_POLL_S = 0.2


class Underway:
    """Shared by builds that may take each other's steps. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._keys: dict[str, threading.Event] = {}

    @contextmanager
    def alone(self, key: str, cancel: Cancel) -> Iterator[bool]:
        """Nobody else is in here with the same key. True: somebody was, so look whether there is anything left to do.

        Raises: Cancelled, while another one is waited for.
        """
        has_waited = False
        while True:
            with self._guard:
                other = self._keys.get(key)
                if other is None:
                    mine = self._keys[key] = threading.Event()
                    break
            has_waited = True
            while not other.wait(_POLL_S):
                cancel.check()
        try:
            yield has_waited
        finally:
            with self._guard:
                del self._keys[key]
            mine.set()


HERE = Underway()
"""This process's. Of another engine's store nothing is taken: after the wait there is nothing in the own cache."""
