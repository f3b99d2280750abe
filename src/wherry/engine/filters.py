"""--filter of every list and prune: its keys, moments and labels."""

from __future__ import annotations

import re

from wherry.errors import InputError
from wherry.store.images import created_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["Filter", "boolean", "by_key", "has_label", "invalid", "matches", "parse_filters", "parse_moment"]

_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|us|m|s)")
_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}


class Filter(NamedTuple):
    """One `--filter key=value`; key "label!" is `label!=...`."""

    key: str
    value: str


def parse_filters(texts: Sequence[str], allowed: Sequence[str]) -> tuple[Filter, ...]:
    """Of "key=value" texts. Raises: InputError with docker's message."""
    found = []
    for text in filter(None, texts):
        key, equals, value = text.partition("=")
        key = key.strip().lower()
        if not equals:
            fault = InputError(
                f'invalid argument "{text}" for "-f, --filter" flag: bad format of filter (expected name=value)'
            )
            fault.exit_code = 125  # as for every flag
            raise fault
        if key not in allowed:
            raise InputError(
                f"invalid filter '{key}'", hint=f"known here: {', '.join(k for k in allowed if k[-1] != '!')}"
            )
        found.append(Filter(key, value.strip()))
    return tuple(found)


# More digits than any time has make an infinite one
_LONGEST = 100


def parse_moment(text: str, now_ns: int) -> int:
    """ "24h", "1h30m" (ago), a unix time, or RFC 3339, as ns since the epoch. Raises: InputError."""
    if len(text) > _LONGEST:
        raise InputError(f'failed to parse value as time or duration: "{text:.60}"')
    if text and "".join(n + u for n, u in _SPAN.findall(text)) == text:
        return now_ns - int(sum(float(n) * _UNIT_S[u] for n, u in _SPAN.findall(text)) * 1e9)
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return int(float(text) * 1e9)
    for candidate in (text, text + "Z", text + "T00:00:00Z"):
        if moment := created_ns(candidate):
            return moment
    raise InputError(
        f'failed to parse value as time or duration: "{text}"', hint="as 24h, 2026-01-31 or 2026-01-31T12:00:00Z"
    )


def has_label(labels: Mapping[str, str], wanted: str) -> bool:
    """`wanted` is KEY or KEY=VALUE."""
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


def by_key(filters: Sequence[Filter]) -> dict[str, list[str]]:
    """The values of each key, in order."""
    found: dict[str, list[str]] = {}
    for one in filters:
        found.setdefault(one.key, []).append(one.value)
    return found


def invalid(key: str, value: str) -> InputError:
    """docker's message about a value."""
    return InputError(f"invalid filter '{key}={value}'")


def boolean(key: str, values: Sequence[str]) -> bool:
    """One of 0, 1, false, true; given twice, they agree. Raises: InputError."""
    is_true, is_false = bool({"1", "true"} & set(values)), bool({"0", "false"} & set(values))
    if is_true == is_false:
        raise invalid(key, f"[{' '.join(values)}]")
    return is_true


def matches(values: Sequence[str], *texts: str) -> bool:
    """Whether one of the values is a text, or a regular expression that fits somewhere in it; a bad one fits none."""
    return any(value in texts or any(_searches(value, text) for text in texts) for value in values)


def _searches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False
