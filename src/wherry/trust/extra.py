"""Libraries that come with an extra: asked for when they are needed, with a word on how to get them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wherry.errors import HostError

__all__ = ["needs"]


@contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Around the imports of an extra's libraries. Raises: HostError for one that is not installed."""
    try:
        yield
    except ImportError as fault:
        raise HostError(
            f"{what} needs the Python package {fault.name or extra}, which is not installed",
            hint=f"pip install 'wherry[{extra}]'",
        ) from None
