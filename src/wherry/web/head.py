"""The head of a request, read strictly: what two readers could understand in two ways is refused.

Spec: RFC 9112, sections 2 to 6. No bare line feeds, no folded lines, no space before a colon, no two lengths.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from wherry.web.limits import BadRequest, Limits

__all__ = ["Head", "parse_head"]

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_LINE = re.compile(rb"(%s{1,32}) ([!-\"$-~]{1,16384}) HTTP/(1\.[01]|\d\.\d)\r\n" % _TOKEN)
_FIELD = re.compile(rb"(%s{1,256}):([^\x00-\x08\x0a-\x1f\x7f]*)\r\n" % _TOKEN)
_ABSOLUTE = re.compile(r"https?://[^/?]*", re.IGNORECASE)
# A list of these is no list: the second one is somebody's trick
_SINGLE = frozenset(
    {"host", "content-length", "transfer-encoding", "content-range", "content-type", "range", "authorization", "expect"}
)
_LENGTH = re.compile(r"[0-9]{1,18}")


class Head(NamedTuple):
    """`target` as it was sent, but in origin form; `fields` by lower-case name. `length` is None for a chunked body."""

    method: str
    target: str
    fields: Mapping[str, str]
    length: int | None
    keep_alive: bool
    old: bool = False
    """HTTP/1.0: no chunks can be sent to it, and no 100."""


def parse_head(data: bytes, limits: Limits) -> Head:
    """`data` ends with the empty line. Raises: BadRequest."""
    line = _LINE.match(data)
    if line is None:
        raise BadRequest(400, "malformed request line")
    version = line[3]
    if version not in (b"1.1", b"1.0"):
        raise BadRequest(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    fields = _fields(data, line.end(), limits.fields)
    old = version == b"1.0"
    length = _length(fields, old=old)
    if not old and "host" not in fields:
        raise BadRequest(400, "no Host")
    tokens = {token.strip().lower() for token in fields.get("connection", "").split(",")}
    keep_alive = ("keep-alive" in tokens) if old else ("close" not in tokens)
    return Head(line[1].decode(), _origin_form(line[2].decode()), fields, length, keep_alive, old)


def _fields(data: bytes, at: int, most: int) -> dict[str, str]:
    fields: dict[str, str] = {}
    end = len(data) - 2
    count = 0
    while at < end:
        found = _FIELD.match(data, at)
        if found is None:
            raise BadRequest(400, "malformed header")
        count += 1
        if count > most:
            raise BadRequest(431, f"more than {most} headers")
        name = found[1].decode().lower()
        value = found[2].strip(b" \t").decode("latin-1")
        if name in fields:
            if name in _SINGLE:
                raise BadRequest(400, f"two {name} headers")
            value = f"{fields[name]}, {value}"
        fields[name] = value
        at = found.end()
    return fields


def _length(fields: Mapping[str, str], *, old: bool) -> int | None:
    """RFC 9112 section 6.3; both lengths at once are refused rather than one believed (request smuggling)."""
    coding = fields.get("transfer-encoding")
    stated = fields.get("content-length")
    if coding is not None:
        if stated is not None:
            raise BadRequest(400, "both Transfer-Encoding and Content-Length")
        if old:
            raise BadRequest(400, "Transfer-Encoding in HTTP/1.0")
        if coding.lower() != "chunked":
            raise BadRequest(501, "the only Transfer-Encoding known here is chunked")
        return None
    if stated is None:
        return 0
    if not _LENGTH.fullmatch(stated):
        raise BadRequest(400, "malformed Content-Length")
    return int(stated)


def _origin_form(target: str) -> str:
    """Proxies send absolute targets, which a server must take (RFC 9112 section 3.2.2)."""
    if target[0] == "/":
        return target
    found = _ABSOLUTE.match(target)
    if found:
        rest = target[found.end() :]
        return rest if rest.startswith("/") else "/" + rest
    if target == "*":
        return target
    raise BadRequest(400, "malformed request target")
