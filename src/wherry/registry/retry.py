"""When to try again, and how long to wait before: pure, with chance and clock given."""

from __future__ import annotations

import random
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["RETRYABLE", "Retry", "retry_after_s"]

RETRYABLE = frozenset({408, 429, 500, 502, 503, 504})


class Retry(NamedTuple):
    """Waits double from `base_s` up to `cap_s`, each shortened by chance by up to a half, so that many do not come back
    at once. A registry's own Retry-After counts instead, but never for more than `cap_s`.
    """

    tries: int = 5
    base_s: float = 0.5
    cap_s: float = 60.0
    chance: Callable[[], float] = random.random
    """From 0 up to 1."""
    clock: Callable[[], float] = time.time
    """Seconds since 1970, for a Retry-After that is a date."""

    def wait_s(self, attempt: int, retry_after: str | None = None) -> float:
        """How long to wait after the try number `attempt` (1 is the first) failed."""
        said = retry_after_s(retry_after, self.clock())
        if said is not None:
            return min(said, self.cap_s)
        longest = min(self.base_s * 2.0 ** min(attempt - 1, 30), self.cap_s)
        return longest * (1 - self.chance() / 2)


def retry_after_s(text: str | None, now_s: float) -> float | None:
    """Of a Retry-After: seconds, or a date; never negative. None when it is absent or neither.

    Spec: https://www.rfc-editor.org/rfc/rfc9110.html#field.retry-after
    """
    text = (text or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:12])
    if not text or len(text) > 64:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_s)
    except (ValueError, OverflowError):
        return None
