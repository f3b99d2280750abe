"""Go's time.Time as text. `wherry.durations` has time.Duration."""

from __future__ import annotations

__all__ = ["moment"]


def moment(text: str) -> str:
    """2024-01-02 15:04:05.5 +0000 UTC, of RFC 3339."""
    date, _, clock = text.partition("T")
    sign = max(clock.rfind("+"), clock.rfind("-"))
    if clock.endswith("Z"):
        clock, zone = clock[:-1], "+0000 UTC"
    elif sign > 0:
        zone = clock[sign:].replace(":", "")
        clock, zone = clock[:sign], f"{zone} {zone}" if zone != "+0000" else "+0000 UTC"
    else:
        return text
    if "." in clock:
        clock = clock.rstrip("0").rstrip(".")
    return f"{date} {clock} {zone}"
