"""Durations as Go writes them: 1m30s, 1.5h, 500ms."""

from __future__ import annotations

__all__ = ["duration_text", "parse_duration_ns"]

_DIGITS = frozenset("0123456789")
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
        end = _digits_end(rest, position)
        if rest[end : end + 1] == ".":
            end = _digits_end(rest, end + 1)
        number = rest[position:end]
        name = next((name for name in (rest[end : end + 2], rest[end : end + 1]) if name in _UNITS), "")
        if number in {"", "."} or not name or len(number) > 30:
            break
        whole, _, fraction = number.partition(".")
        total += int(whole or "0") * _UNITS[name] + int(fraction or "0") * _UNITS[name] // 10 ** len(fraction)
        position = end + len(name)
    if position != len(rest) or not rest or total >= 2**63:
        missing = rest.replace(".", "", 1).isdecimal()
        raise ValueError(f'time: {"missing unit in" if missing else "invalid"} duration "{text}"')
    return sign * total


def _digits_end(text: str, at: int) -> int:
    while text[at : at + 1] in _DIGITS:
        at += 1
    return at


def duration_text(ns: int) -> str:
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
