"""What differs between the app that is there and the one that is wished for, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["changes"]

Doc = dict[str, Any]
_BY = {"env": "name", "secrets": "name", "registries": "server", "probes": "type", "rules": "name",
       "containers": "name"}  # fmt: skip
_FIXED = ("location",)
"""Given once; Azure writes it in other letters."""


def changes(there: Doc, wished: Doc) -> tuple[str, ...]:
    """A line each, of what is wished for: what Azure adds by itself is no difference. Never a variable's value."""
    return tuple(_differences("", there, {key: value for key, value in wished.items() if key not in _FIXED}))


def _differences(path: str, there: Any, wished: Any) -> Iterator[str]:
    name = path.rpartition(".")[2]
    if name == "userAssignedIdentities":
        if {key.lower() for key in there or {}} != {key.lower() for key in wished}:
            yield f"identity: {', '.join(wished) or 'none'}"
    elif isinstance(wished, dict):
        fields = there if isinstance(there, dict) else {}
        for key, value in wished.items():
            yield from _differences(f"{path}.{key}" if path else key, fields.get(key), value)
    elif name in _BY:
        yield from _named(path, _BY[name], there or [], wished)
    elif isinstance(wished, list) and wished and isinstance(wished[0], dict):
        if len(there or []) != len(wished) or any(
            list(_differences("", old, new)) for old, new in zip(there, wished, strict=False)
        ):
            yield f"{_plain(path)}: changes"
    elif not _same(there, wished):
        yield f"{_plain(path)}: {_shown(there)} → {_shown(wished)}"


def _named(path: str, key: str, there: list[Doc], wished: list[Doc]) -> Iterator[str]:
    before, after = ({one.get(key, ""): one for one in some} for some in (there, wished))
    kind = {"env": "env", "secrets": "secret"}.get(path.rpartition(".")[2], _plain(path))
    if kind == "containers" and len(wished) == len(there) == 1:
        yield from _differences("", there[0], wished[0])
        return
    for name, value in after.items():
        if name not in before:
            yield f"{kind}: {name} is new"
        elif found := list(_differences("", before[name], value)):
            yield f"{kind}: {name} changes" if kind in ("env", "secret") else f"{kind} {name}: {'; '.join(found)}"
        elif kind == "env" and ("secretRef" in before[name]) != ("secretRef" in value):
            yield f"env: {name} changes"
    yield from (f"{kind}: {name} goes" for name in before if name not in after)


def _same(there: Any, wished: Any) -> bool:
    if there is None:
        return wished in (False, 0, "", "None") or wished == []
    if isinstance(there, str) and isinstance(wished, str) and (wished.startswith("/subscriptions/") or
                                                               wished.isalpha()):  # fmt: skip
        # Ids and words of an enumeration come back in other letters
        return there.lower() == wished.lower()
    return bool(there == wished)


def _plain(path: str) -> str:
    for prefix in ("properties.configuration.", "properties.template.", "properties."):
        path = path.removeprefix(prefix)
    return path


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)
