"""How far a transfer is, on a terminal only: one line that is drawn anew."""

from __future__ import annotations

import threading
import time
from typing import Self

from wherry.cli.render import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from wherry.cli.render import Output

__all__ = ["Transfer"]


class Transfer:
    """`update(key, done_bytes, total_bytes)` from any thread; the line goes away at the end."""

    def __init__(self, out: Output, what: str, *, quiet: bool = False) -> None:
        self._out = out
        self._what = what
        self._shows = out.err_is_terminal and not quiet
        self._parts: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shows and self._parts:
            self._out.status("")

    def update(self, key: str, done: int, total: int) -> None:
        """Cheap: draws ten times a second at most."""
        if not self._shows:
            return
        with self._lock:
            self._parts[key] = (done, total)
            now = time.monotonic()
            if now < self._next:
                return
            self._next = now + 0.1
            have, want = (sum(part[i] for part in self._parts.values()) for i in (0, 1))
            ended = sum(done >= total for done, total in self._parts.values())
        self._out.status(f"{self._what} {ended}/{len(self._parts)}  {human_size(have)}/{human_size(want)}")
