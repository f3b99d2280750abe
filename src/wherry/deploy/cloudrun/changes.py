"""What differs between the service that is there and the one that is wished for, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["changes"]

Doc = dict[str, Any]


def changes(there: Doc, wished: Doc) -> tuple[str, ...]:
    """A line each, of what is wished for: what Google adds by itself is no difference. Variables by their names."""
    return tuple(_differences("", there, wished))


def _differences(path: str, there: Any, wished: Any) -> Iterator[str]:
    if isinstance(wished, dict):
        fields = there if isinstance(there, dict) else {}
        for key, value in wished.items():
            yield from _differences(f"{path}.{key}" if path else key, fields.get(key), value)
    elif path.endswith(".env"):
        yield from _variables(there or [], wished)
    elif isinstance(wished, list) and wished and isinstance(wished[0], dict):
        found = there if isinstance(there, list) else []
        for index, value in enumerate(wished):
            yield from _differences(path, found[index] if index < len(found) else None, value)
        if len(found) > len(wished):
            yield f"{path}: {len(found)} → {len(wished)}"
    elif there != wished and not (there is None and wished in (False, 0, "", [])):
        # proto3's JSON leaves out what is zero
        yield f"{_plain(path)}: {_shown(there)} → {_shown(wished)}"


def _variables(there: list[Doc], wished: list[Doc]) -> Iterator[str]:
    before, after = ({one["name"]: one for one in some} for some in (there, wished))
    for name in after:
        if name not in before:
            yield f"env: {name} is new"
        elif _differ(before[name], after[name]):
            yield f"env: {name} changes"
    yield from (f"env: {name} goes" for name in before if name not in after)


def _differ(before: Doc, after: Doc) -> bool:
    return bool(
        before.get("value", "") != after.get("value", "") or before.get("valueSource") != after.get("valueSource")
    )


def _plain(path: str) -> str:
    return path.removeprefix("template.containers.").removeprefix("template.")


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)
