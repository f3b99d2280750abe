"""What whoever moves an image tells whoever watches: one line of a display for each layer.

`short` is the first 12 hex digits of a layer's digest (the tag or the repository for a line that is no layer), and the
key of its line. All calls are cheap, come from any thread, and never raise.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    from wherry.lean import Protocol

__all__ = ["Silent", "TransferWatch"]


class TransferWatch(Protocol):
    """`wherry.cli.transfer` draws it; `Silent` is for the Python API and for -q."""

    def start(self, short: str, what: str, total: int) -> None:
        """A phase begins, and the one before it, if any, is over: "Pulling fs layer", "Waiting", "Downloading",
        "Extracting", "Pushing", "Compressing", "Preparing". `total` in bytes, 0 when unknown.
        """

    def advance(self, short: str, done: int) -> None:
        """`done` bytes of the phase's total so far: absolute, not a step. May go back when a transfer restarts."""

    def finish(self, short: str, what: str) -> None:
        """The line is final: "Pull complete", "Already exists", "Layer already exists", "Mounted from x", "Pushed"."""

    def note(self, line: str) -> None:
        """A line of its own above the layers: "3.10: Pulling from library/python"."""


class Silent:
    """Watches nothing."""

    def start(self, short: str, what: str, total: int) -> None:
        pass

    def advance(self, short: str, done: int) -> None:
        pass

    def finish(self, short: str, what: str) -> None:
        pass

    def note(self, line: str) -> None:
        pass
