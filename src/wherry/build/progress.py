"""What a build tells whoever watches it. Calls come from several threads."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "Quiet"]


class Progress(Protocol):
    """`key` names a step for as long as the build runs. A step is started once and ended once."""

    def start(self, key: str, name: str) -> None:
        """A step begins, or is found in the cache."""

    def cached(self, key: str) -> None:
        """It ended: the cache had it."""

    def output(self, key: str, data: bytes) -> None:
        """A piece of what the step writes, cut anywhere."""

    def done(self, key: str) -> None:
        """It ended well."""

    def failed(self, key: str, message: str) -> None:
        """It ended badly; the build ends too."""

    def cancelled(self, key: str) -> None:
        """It was stopped because another failed, or by Ctrl-C."""

    def note(self, text: str) -> None:
        """A warning or notice to the user, whole lines."""


class Quiet:
    """Says nothing."""

    def start(self, key: str, name: str) -> None: ...

    def cached(self, key: str) -> None: ...

    def output(self, key: str, data: bytes) -> None: ...

    def done(self, key: str) -> None: ...

    def failed(self, key: str, message: str) -> None: ...

    def cancelled(self, key: str) -> None: ...

    def note(self, text: str) -> None: ...
