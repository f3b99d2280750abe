"""Go's time.Duration and time.Time as text."""

from __future__ import annotations

__all__ = ["duration", "moment"]


def duration(ns: int) -> str:
    """1h2m3.5s, 1.5ms, 0s."""
    value, sign = abs(int(ns)), "-" if ns < 0 else ""
    if not value:
        return "0s"
    for unit, name in ((1, "ns"), (1000, "µs"), (1_000_000, "ms")):
        if value < unit * 1000:
            return f"{sign}{_fraction(value, unit)}{name}"
    minutes, rest = divmod(value, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{_fraction(rest, 1_000_000_000)}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{sign}{hours}h{text}" if hours else sign + text


def _fraction(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = len(str(unit)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0") if rest else str(whole)


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
