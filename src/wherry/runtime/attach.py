"""The client's end of an attached container: a terminal (or pipes) here, the monitor's socket there."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Streams"]


class Streams(NamedTuple):
    """What the caller joins to the container; -1 joins nothing. The fds stay the caller's.

    `tty` puts `stdin` into raw mode for the time being. `signals` forwards what arrives here to the container.
    `detach_keys` is docker's syntax ("" is ctrl-p,ctrl-q).
    """

    stdin: int = -1
    stdout: int = -1
    stderr: int = -1
    tty: bool = False
    signals: bool = True
    detach_keys: str = ""
