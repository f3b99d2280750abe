"""Restart policies, as docker's: whether a container starts again after it ended, and when. No clock, no files."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FIRST_S, MOST_S, STEADY_S = 0.1, 60.0, 10.0


class Restarts:
    """The restarts since somebody last said `start`. `count` is docker's RestartCount."""

    def __init__(self, count: int = 0) -> None:
        self.count = count
        self._delay_s = 0.0

    def after(self, policy: Mapping[str, Any], code: int, ran_s: float, *, stopped: bool) -> float | None:
        """Seconds to wait before the next start, or None for no further one. Counts nothing: `count` goes up when it
        starts. `code` 0 is success; `ran_s` is how long this run was; `stopped` that somebody stopped it.

        100 ms, doubled each time up to a minute, and from the beginning again after a run of 10 s.
        """
        self._delay_s = FIRST_S if ran_s >= STEADY_S or not self._delay_s else min(self._delay_s * 2, MOST_S)
        return self._delay_s if not stopped and self._wants(policy, code) else None

    def _wants(self, policy: Mapping[str, Any], code: int) -> bool:
        if policy["name"] == "on-failure":
            return code != 0 and (policy["max"] == 0 or self.count < policy["max"])
        return policy["name"] in ("always", "unless-stopped")
