"""Durations as Go writes them: 1m30s, 1.5h, 500ms."""

from __future__ import annotations

import re

__all__ = ["parse_duration_ns"]

_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6,
    "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip


def parse_duration_ns(text: str) -> int:
    """Nanoseconds, negative ones too. Raises: ValueError with Go's words."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    total = position = 0
    while position < len(rest):
        match = _PART.match(rest, position)
        if not match or len(match[1]) > 30:
            break
        whole, _, fraction = match[1].partition(".")
        unit = _UNITS[match[2]]
        total += int(whole or "0") * unit + int(fraction or "0") * unit // 10 ** len(fraction)
        position = match.end()
    if position != len(rest) or not rest or total >= 2**63:
        missing = rest.replace(".", "", 1).isdecimal()
        raise ValueError(f'time: {"missing unit in" if missing else "invalid"} duration "{text}"')
    return sign * total
