"""A hash of a network's or a volume's definition: the label that tells that it drifted from its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256

from wherry.compose.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.compose.model import Network, Volume

__all__ = ["fingerprint"]


def fingerprint(definition: Network | Volume) -> str:
    """64 hex digits, the same for equal definitions. What the host does not know (`x-` keys) does not count."""
    doc = {"kind": type(definition).__name__, **_plain(definition)}
    return sha256(json.dumps(doc, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Fields that have their default are left out: one that a later version adds changes no hash."""
    if isinstance(value, Record):
        kind = type(value)
        fields = {name: getattr(value, name) for name in kind._order if name != "extensions"}
        return {name: _plain(one) for name, one in fields.items() if one != getattr(kind, name, None)}
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
