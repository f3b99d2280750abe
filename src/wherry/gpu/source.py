"""A spec's file → its JSON document: JSON and YAML, bounded and without YAML's surprises."""

from __future__ import annotations

import os

from wherry.errors import InvalidSpec
from wherry.oci import _decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["read_document"]


def read_document(data: bytes, path: str) -> dict[str, Any]:
    """By the name's end: .json, else YAML. Raises: InvalidSpec with the line."""
    from wherry.gpu.parse import LIMIT_BYTES

    if path.endswith(".json"):
        return _decode.load(data, os.path.basename(path), limit_bytes=LIMIT_BYTES)
    if len(data) > LIMIT_BYTES:
        raise InvalidSpec(f"{os.path.basename(path)}: {len(data)} bytes is over the limit of {LIMIT_BYTES}")
    value = _yaml(data, os.path.basename(path))
    if not isinstance(value, dict):
        raise InvalidSpec(f"{os.path.basename(path)}: expected an object")
    return value


def _yaml(data: bytes, what: str) -> object:
    """One document of JSON's types, without aliases: a page of them can mean gigabytes. Raises: InvalidSpec."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [getattr(key, "value", None) for key, _ in node.value]
            for place, key in enumerate(keys):
                if key in keys[:place]:
                    mark = node.value[place][0].start_mark
                    raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is there twice", mark)
            return super().construct_mapping(node, deep)

    try:
        # A subclass of the safe loader
        value = yaml.load(data, Loader)  # noqa: S506
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as fault:
        mark = getattr(fault, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        reason = getattr(fault, "problem", None) or str(fault).splitlines()[0]
        raise InvalidSpec(f"{what}: not YAML: {where}{reason}") from None
    _check_plain(value, what)
    return value


def _check_plain(value: object, what: str) -> None:
    """Raises: InvalidSpec for what JSON could not say: dates, keys that are no words, one list in two places."""
    seen: set[int] = set()
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, (dict, list)):
            if id(one) in seen:
                raise InvalidSpec(f"{what}: YAML's aliases (*name) are not taken")
            seen.add(id(one))
            if isinstance(one, dict) and any(not isinstance(key, str) for key in one):
                raise InvalidSpec(f"{what}: a key is no word", hint="write it in quotes")
            pending += one.values() if isinstance(one, dict) else one
        elif not (one is None or isinstance(one, (str, int, float))):
            raise InvalidSpec(f"{what}: {one} is a {type(one).__name__} to YAML", hint="write it in quotes")
