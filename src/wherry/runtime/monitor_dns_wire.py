"""DNS messages (RFC 1035, section 4), as far as a container's resolver needs them. Pure; for the monitor."""

from __future__ import annotations

TYPE_CHECKING = False

__all__ = ["AAAA", "PTR", "SERVFAIL", "A", "Question", "answer", "failure", "parse", "truncated"]

A, PTR, AAAA = 1, 12, 28
SERVFAIL, _OPT = 2, 41
_IN_CLASS = 1
_TTL_S = 0
"""A peer may be gone in the next moment."""
_PLAIN_BYTES, _MOST_BYTES = 512, 4096


class Question:
    """The one question of a query. `name` is in lower case, without the last dot; an answer by UDP has `most` bytes."""

    __slots__ = ("id", "kind", "most", "name", "raw", "recursion")

    def __init__(self, id: bytes, name: str, kind: int, raw: bytes, most: int, recursion: int) -> None:
        self.id, self.name, self.kind, self.raw, self.most, self.recursion = id, name, kind, raw, most, recursion


def parse(data: bytes) -> Question | None:
    """None for what is no standard query of one question."""
    if len(data) < 17 or data[2] & 0xF8 or data[4:6] != b"\0\1":
        return None
    labels, at = [], 12
    while at < len(data) and data[at]:
        size = data[at]
        if size > 63 or at + 1 + size >= len(data):
            return None
        labels.append(data[at + 1 : at + 1 + size])
        at += 1 + size
    if at + 5 > len(data) or at - 12 > 254:
        return None
    kind, its_class = int.from_bytes(data[at + 1 : at + 3], "big"), int.from_bytes(data[at + 3 : at + 5], "big")
    if its_class != _IN_CLASS:
        return None
    name = b".".join(labels).decode("ascii", "replace").lower()
    raw = data[12 : at + 5]
    return Question(data[:2], name, kind, raw, _room(data, at + 5), data[2] & 1)


def _room(data: bytes, at: int) -> int:
    """What an OPT record (RFC 6891) right behind the question says; it is where clients put it."""
    if data[6:10] == bytes(4) and data[10:12] != b"\0\0" and data[at : at + 3] == bytes([0, 0, _OPT]):
        return max(_PLAIN_BYTES, min(_MOST_BYTES, int.from_bytes(data[at + 3 : at + 5], "big")))
    return _PLAIN_BYTES


def _head(question: Question, flags: int, count: int) -> bytes:
    first = 0x80 | question.recursion | (flags >> 8)
    numbers = bytes([first, 0x80 | flags & 0xFF]) + b"\0\1" + count.to_bytes(2, "big") + bytes(4)
    return question.id + numbers + question.raw


def answer(question: Question, records: list[bytes]) -> bytes:
    """`records` are the data of records of the kind that was asked for; none means: the name is there, this is not."""
    body = b"".join(
        b"\xc0\x0c" + question.kind.to_bytes(2, "big") + b"\0\1" + _TTL_S.to_bytes(4, "big")
        + len(one).to_bytes(2, "big") + one
        for one in records
    )  # fmt: skip
    return _head(question, 0, len(records)) + body


def failure(question: Question, code: int) -> bytes:
    return _head(question, code, 0)


def truncated(question: Question) -> bytes:
    """Says: ask again by TCP."""
    return _head(question, 0x200, 0)


def encode_name(name: str) -> bytes:
    """A name as record data."""
    labels = [one.encode("ascii", "replace") for one in name.split(".") if 0 < len(one) < 64]
    return b"".join(bytes([len(one)]) + one for one in labels) + b"\0"
