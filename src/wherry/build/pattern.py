"""File name patterns of COPY: Go's filepath.Match.

Spec: https://pkg.go.dev/path/filepath@go1.23#Match
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["has_wildcards", "is_valid", "literal", "match", "plain"]


def has_wildcards(text: str) -> bool:
    """`*`, `?` or `[` that no backslash makes plain."""
    return re.search(r"[*?\[]", re.sub(r"\\.", "", text, flags=re.DOTALL)) is not None


def plain(text: str) -> str:
    """A component without wildcards as the file's name."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def literal(path: str) -> str:
    """The pattern that fits this path and no other: `plain` gives it back."""
    return re.sub(r"([*?\[\\])", r"\\\1", path)


def is_valid(pattern: str) -> bool:
    """Whether every bracket is closed and no backslash stands at the end."""
    return all(_compile(part) is not None for part in pattern.split("/") if has_wildcards(part))


def match(pattern: str, name: str) -> bool:
    """One path component. False for a pattern that is not valid."""
    compiled = _compile(pattern)
    return compiled is not None and compiled.fullmatch(name) is not None


@lru_cache(maxsize=512)
def _compile(pattern: str) -> re.Pattern[str] | None:
    pieces = [""]  # what stands between the stars
    rest = pattern
    while rest:
        char, rest = rest[0], rest[1:]
        if char == "*":
            pieces += [""] if pieces[-1] or len(pieces) == 1 else []
        elif char == "?":
            pieces[-1] += "."
        elif char == "[":
            found = _class(rest)
            if found is None:
                return None
            pieces[-1] += found[0]
            rest = found[1]
        else:
            if char == "\\":
                if not rest:
                    return None
                char, rest = rest[0], rest[1:]
            pieces[-1] += re.escape(char)
    first, *others = pieces
    # The first fit of each piece is as good as any later one: nothing has to be tried twice, however many stars
    middle = "".join(f"(?>.*?{piece})" for piece in others[:-1])
    last = f".*{others[-1]}" if others else ""
    return re.compile(first + middle + last, re.DOTALL)


def _class(rest: str) -> tuple[str, str] | None:
    """The regular expression of what stands behind "[", and what follows its "]"."""
    negated = rest.startswith("^")
    rest = rest[1:] if negated else rest
    ranges: list[str] = []
    count = 0
    while True:
        if rest.startswith("]") and count:
            return _as_class(ranges, negated), rest[1:]
        low, rest = _character(rest)
        if low is None:
            return None
        high: str | None = low
        if rest.startswith("-"):
            high, rest = _character(rest[1:])
        if high is None:
            return None
        count += 1
        if low <= high:  # [z-a] is allowed, and fits nothing
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")


def _as_class(ranges: list[str], negated: bool) -> str:
    if not ranges:
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{''.join(ranges)}]"


def _character(rest: str) -> tuple[str | None, str]:
    if not rest or rest[0] in "-]":
        return None, rest
    if rest[0] == "\\":
        return (rest[1], rest[2:]) if len(rest) > 1 else (None, "")
    return rest[0], rest[1:]
