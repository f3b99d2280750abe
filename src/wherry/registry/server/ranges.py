"""`Range` of a request: one range of bytes, or none that we know.

Spec: RFC 9110, section 14.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["UNSATISFIABLE", "wanted_range"]

UNSATISFIABLE = (-1, -1)
_ONE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


def wanted_range(headers: Mapping[str, str], size: int, etag: str) -> tuple[int, int] | None:
    """(offset, count) of the bytes asked for; None means all of them; UNSATISFIABLE means 416.

    Several ranges, other units and what is no range at all are answered with everything, as a server may.
    """
    text = headers.get("range")
    if text is None:
        return None
    condition = headers.get("if-range")
    if condition is not None and condition != etag:
        return None
    found = _ONE.fullmatch(text)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        count = min(int(found[2]), size)
        return (size - count, count) if count else UNSATISFIABLE
    first = int(found[1])
    last = int(found[2]) if found[2] else size - 1
    # RFC 9110 would have "500-0" ignored; the conformance suite of the distribution spec wants 416
    if first >= size or last < first:
        return UNSATISFIABLE
    return first, min(last, size - 1) - first + 1
