"""What is wrong with a tree that breaks the schema: the fault docker-compose names, of all there are."""

from __future__ import annotations

import re

from wherry.compose.go_values import format_float
from wherry.compose.schema import has_format, kind, repeated, resolved, schema
from wherry.errors import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Path = tuple[str, ...]

__all__ = ["find_fault"]


class _Fault:
    def __init__(self, path: Path, kind: str, text: str, at: Path | None = None) -> None:
        self.path, self.kind, self.text = path, kind, text
        self.raw = text
        """The words where it is the reason behind another fault."""
        self.at = at
        """The place in the file, where it is not that of the path: a key."""
        self.hint: str | None = None


class _Result:
    """Faults in the order they were found, and how far the value got: the better of two choices is told by that."""

    def __init__(self) -> None:
        self.faults: list[_Fault] = []
        self.score = 0

    def add(self, path: Path, kind: str, text: str, at: Path | None = None) -> None:
        self.faults.append(_Fault(path, kind, text, at))
        self.score -= 1

    def merge(self, other: _Result) -> None:
        self.faults += other.faults
        self.score += other.score


def find_fault(tree: Any) -> tuple[tuple[str | int, ...], str, bool, str | None]:
    """Give the place, docker-compose's message, whether the place is a key, and what was perhaps meant."""
    if (found := _infinite(tree)) is not None:
        return found[0], f"json: unsupported value: {format_float(found[1])}", False, None
    result = _Result()
    _look(schema(), tree, (), result)
    faults = result.faults
    best = 0
    for at, fault in enumerate(faults):
        depth, deepest = _depth(fault), _depth(faults[best])
        if depth > deepest or (depth == deepest and fault.kind == "type" and faults[best].kind != "type"):
            best = at
    fault = faults[best]
    text = fault.text
    if fault.kind == "one_of" and best + 1 < len(faults):
        text = faults[best + 1].raw
    where = ".".join(fault.path) or "(root)"
    place = fault.path if fault.at is None else fault.at
    keys = tuple(
        int(key) if key.isdigit() and at and _is_list(tree, place[:at]) else key for at, key in enumerate(place)
    )
    return keys, f"{where} {text}", fault.at is not None, fault.hint


def _infinite(tree: Any) -> tuple[tuple[str | int, ...], float] | None:
    """The first number that JSON can't say, and where it stands."""
    if isinstance(tree, float):
        return ((), tree) if kind(tree) == "infinite" else None
    for key, each in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        if (found := _infinite(each)) is not None:
            return (key, *found[0]), found[1]
    return None


def _depth(fault: _Fault) -> int:
    return len(".".join(fault.path).split("."))


def _is_list(tree: Any, path: Path) -> bool:
    for key in path:
        tree = tree[int(key)] if isinstance(tree, list) else tree.get(key)
    return isinstance(tree, list)


_NAMES = {"object": "mapping", "array": "list"}


def _type_text(types: list[str]) -> str:
    named = [_NAMES.get(each, each) for each in types]
    return f"must be a {', '.join(named[:-1])} or {named[-1]}" if len(named) > 1 else f"must be a {named[0]}"


def _look(node: Any, value: Any, path: Path, result: _Result) -> None:
    node = resolved(node) if isinstance(node, dict) else {}
    found = kind(value)
    types = node.get("type")
    wanted = [types] if isinstance(types, str) else types
    if wanted is not None and found not in wanted and not (found == "integer" and "number" in wanted):
        result.add(path, "type", _type_text(wanted))
        expected = f"[{','.join(wanted)}]" if len(wanted) > 1 else wanted[0]
        result.faults[-1].raw = f"Invalid type. Expected: {expected}, given: {found}"
        return
    if "oneOf" in node:
        _look_one_of(node["oneOf"], value, path, result)
    result.score += 1
    if found == "array":
        _look_array(node, value, path, result)
    elif found == "object":
        _look_object(node, value, path, result)
    elif found == "string":
        _look_string(node, value, path, result)
    elif found in {"integer", "number"}:
        _look_number(node, value, path, result)
    if "enum" in node and value not in node["enum"]:
        allowed = ", ".join(map(_quoted, node["enum"]))
        result.add(path, "enum", f"{'.'.join(path)} must be one of the following: {allowed}")
    result.score += 2
    if found == "object":
        for key, each in node.get("properties", {}).items():
            if key in value:
                _look(each, value[key], (*path, key), result)


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _look_one_of(choices: list[Any], value: Any, path: Path, result: _Result) -> None:
    fitting, best = 0, None
    for choice in choices:
        tried = _Result()
        _look(choice, value, path, tried)
        if not tried.faults:
            fitting += 1
        elif not fitting and (best is None or tried.score > best.score):
            best = tried
    if fitting != 1:
        result.add(path, "one_of", "Must validate one and only one schema (oneOf)")
        if not fitting and best is not None:
            result.merge(best)


def _look_array(node: dict[str, Any], value: list[Any], path: Path, result: _Result) -> None:
    if "items" in node:
        for at, entry in enumerate(value):
            tried = _Result()
            _look(node["items"], entry, (*path, str(at)), tried)
            result.merge(tried)
    if node.get("uniqueItems") and (pair := repeated(value)):
        result.add(path, "unique", f"array items[{pair[0]},{pair[1]}] must be unique")
    result.score += 1


def _look_object(node: dict[str, Any], value: dict[str, Any], path: Path, result: _Result) -> None:
    for key in node.get("required", ()):
        if key in value:
            result.score += 1
        else:
            result.add(path, "required", f"{key} is required")
    properties, more = node.get("properties", {}), node.get("additionalProperties", True)
    for key in sorted(value):
        tried = _Result()
        is_matched = False
        for pattern, each in node.get("patternProperties", {}).items():
            if re.search(pattern, key):
                is_matched = True
                _look(each, value[key], (*path, key), tried)
        result.merge(tried)
        result.score += is_matched
        if key in properties or is_matched:
            continue
        if more is False:
            result.add(path, "additional", f"Additional property {key} is not allowed", (*path, key))
            close = nearest(key, list(properties))
            result.faults[-1].hint = f"did you mean {close}?" if close else None
        elif isinstance(more, dict):
            tried = _Result()
            _look(more, value[key], (*path, key), tried)
            result.merge(tried)
    result.score += 1


def _look_string(node: dict[str, Any], value: str, path: Path, result: _Result) -> None:
    if "pattern" in node and not re.search(node["pattern"], value):
        result.add(path, "pattern", f"Does not match pattern '{node['pattern']}'")
    if "format" in node and not has_format(node["format"], value):
        result.add(path, "format", f"Does not match format '{node['format']}'")
    result.score += 1


def _look_number(node: dict[str, Any], value: float, path: Path, result: _Result) -> None:
    if "minimum" in node and value < node["minimum"]:
        result.add(path, "minimum", f"Must be greater than or equal to {node['minimum']}")
    if "maximum" in node and value > node["maximum"]:
        result.add(path, "maximum", f"Must be less than or equal to {node['maximum']}")
    result.score += 1
