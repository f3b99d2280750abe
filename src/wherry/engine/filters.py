"""--filter of every list and prune: its keys, moments and labels."""

from __future__ import annotations

import re
from typing import NamedTuple

from wherry.errors import InputError
from wherry.store.images import created_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Filter", "has_label", "parse_filters", "parse_moment"]

_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|us|m|s)")
_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}


class Filter(NamedTuple):
    """One `--filter key=value`; key "label!" is `label!=...`."""

    key: str
    value: str


def parse_filters(texts: Sequence[str], allowed: Sequence[str]) -> tuple[Filter, ...]:
    """Of "key=value" texts. Raises: InputError with docker's message."""
    found = []
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip().lower()
        if not equals:
            raise InputError(
                f'invalid argument {text!r} for "-f, --filter" flag: bad format of filter (expected name=value)'
            )
        if key not in allowed:
            raise InputError(
                f"invalid filter '{key}'", hint=f"known here: {', '.join(k for k in allowed if k[-1] != '!')}"
            )
        found.append(Filter(key, value.strip()))
    return tuple(found)


def parse_moment(text: str, now_ns: int) -> int:
    """ "24h", "1h30m" (ago), a unix time, or RFC 3339, as ns since the epoch. Raises: InputError."""
    if text and "".join(n + u for n, u in _SPAN.findall(text)) == text:
        return now_ns - int(sum(float(n) * _UNIT_S[u] for n, u in _SPAN.findall(text)) * 1e9)
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return int(float(text) * 1e9)
    for candidate in (text, text + "Z", text + "T00:00:00Z"):
        if moment := created_ns(candidate):
            return moment
    raise InputError(f"invalid time {text!r}", hint="as 24h, 2026-01-31 or 2026-01-31T12:00:00Z")


def has_label(labels: Mapping[str, str], wanted: str) -> bool:
    """`wanted` is KEY or KEY=VALUE."""
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)
