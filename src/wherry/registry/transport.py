"""HTTP: one exchange after the other over pooled connections."""

from __future__ import annotations

__all__ = ["Transport"]


class Transport:
    """Thread-safe."""
