"""Reading logs in docker's json-file format: {"log", "stream", "time"}, one object a line, over rotated files."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["LogQuery"]


class LogQuery(NamedTuple):
    """`tail` -1 is all lines. `since_ns` and `until_ns` are ns since the epoch, 0 for no bound."""

    follow: bool = False
    tail: int = -1
    since_ns: int = 0
    until_ns: int = 0
    timestamps: bool = False
