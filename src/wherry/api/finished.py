"""How a command in a container ended, and what it wrote."""

from __future__ import annotations

from typing import NamedTuple

from wherry.errors import WherryError

__all__ = ["CommandFailed", "Finished"]

_TAIL_CHARS = 2000


class Finished(NamedTuple):
    """`code` is docker's: the command's own, 128+n after signal n. On a terminal (-t) all is `stdout`."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text; what is not UTF-8 in it becomes U+FFFD."""
        return self.stdout.decode("utf-8", "replace")


class CommandFailed(WherryError):
    """A command ended with another code than 0. `finished` has its outputs."""

    code = "command-failed"

    def __init__(self, what: str, finished: Finished) -> None:
        tail = (finished.stderr or finished.stdout).decode("utf-8", "replace").strip()[-_TAIL_CHARS:]
        super().__init__(f"{what} ended with code {finished.code}" + (f":\n{tail}" if tail else ""))
        self.finished = finished
        self.exit_code = finished.code
