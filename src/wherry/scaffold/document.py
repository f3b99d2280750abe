"""Facts as a JSON document: for `--format json`, and for the expected facts of tests."""

from __future__ import annotations

from typing import Any

from wherry.scaffold.facts import Where

__all__ = ["document"]


def document(value: object) -> Any:
    """JSON's Python values: a mapping for each type of facts, "file:line" for a place."""
    if isinstance(value, Where):
        return str(value)
    fields = getattr(value, "_fields", None)
    if fields is not None:
        return {name: document(getattr(value, name)) for name in fields}
    if isinstance(value, tuple | list):
        return [document(one) for one in value]
    return value
