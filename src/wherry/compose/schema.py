"""The Compose specification's JSON schema, and docker-compose's words for what breaks it.

`compose-spec.json` beside this is the specification's own (Apache-2.0) without its descriptions. A valid tree is told
from a broken one by closures that are compiled when they are first needed; only a broken one is walked again to find
the fault that docker-compose would name: the one with the longest path, types before others.
"""

from __future__ import annotations

from wherry.compose.source import fault_in
from wherry.lean import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from wherry.compose.tree import Tree

    Check = Callable[[Any], bool]

__all__ = ["check", "schema"]

_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list, tuple), "string": (str,), "boolean": (bool,), "null": (type(None),),
}  # fmt: skip


@cache
def schema() -> dict[str, Any]:
    """Give the schema as plain values."""
    from posixpath import dirname

    from wherry.lean_json import loads

    with open(f"{dirname(__file__)}/compose-spec.json", "rb") as file:
        found: dict[str, Any] = loads(file.read())
    return found


def check(tree: Tree, where: str) -> None:
    """
    Check a merged tree.

    Raises:
        ComposeError: it breaks the schema: `validating FILE: services.web Additional property foo is not allowed`.
    """
    if _compiled("")(tree):
        return
    from wherry.compose.schema_faults import find_fault

    path, message, is_key, hint = find_fault(tree)
    raise fault_in(tree, path, f"validating {where}: {message}", key=is_key, hint=hint)


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """Follow `$ref`."""
    while reference := node.get("$ref"):
        node = schema()["$defs"][reference.rpartition("/")[2]]
    return node


@cache
def _compiled(name: str) -> Check:
    """The check of a definition, or of the whole."""
    return _compile(schema()["$defs"][name] if name else schema())


def _compile(node: Any) -> Check:
    if node is True or node == {}:
        return lambda _value: True
    if reference := node.get("$ref"):
        name = reference.rpartition("/")[2]

        def is_right(value: Any) -> bool:  # late: definitions refer to each other
            return _compiled(name)(value)

        return is_right
    checks: list[Check] = []
    if "oneOf" in node:
        checks.append(_one_of([_compile(each) for each in node["oneOf"]]))
    if "enum" in node:
        allowed = node["enum"]
        checks.append(lambda value: value in allowed)
    by_kind: dict[str, Check] = {}
    if {"properties", "patternProperties", "required", "additionalProperties"} & node.keys():
        by_kind["object"] = _object(node)
    if {"items", "uniqueItems"} & node.keys():
        by_kind["array"] = _array(node)
    if {"format", "pattern"} & node.keys():
        by_kind["string"] = _string(node)
    if {"minimum", "maximum"} & node.keys():
        by_kind["number"] = _number(node)
    checks.insert(0, _typed(node.get("type"), by_kind))
    return checks[0] if len(checks) == 1 else lambda value: all(each(value) for each in checks)


def kind(value: Any) -> str:
    """JSON schema's name of a value's type; "infinite" is what JSON can't say."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "object"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, list):
        return "array"
    if value is None:
        return "null"
    if isinstance(value, int) or value.is_integer():
        return "integer"
    return "infinite" if value - value else "number"


def _typed(types: str | list[str] | None, by_kind: dict[str, Check]) -> Check:
    wanted = [types] if isinstance(types, str) else types

    def is_right(value: Any) -> bool:
        found = kind(value)
        if wanted is not None and found not in wanted and not (found == "integer" and "number" in wanted):
            return False
        deeper = by_kind.get("number" if found == "integer" else found)
        return deeper is None or deeper(value)

    return is_right


def _one_of(choices: list[Check]) -> Check:
    return lambda value: sum(choice(value) for choice in choices) == 1


def _object(node: dict[str, Any]) -> Check:
    compiled: dict[str, Check] = {}
    properties = node.get("properties", {})
    patterns = [(_fitting(text), _compile(each)) for text, each in node.get("patternProperties", {}).items()]
    required = node.get("required", ())
    more = node.get("additionalProperties", True)
    other = _compile(more) if isinstance(more, dict) else lambda _value: bool(more)

    def is_right(value: dict[str, Any]) -> bool:
        for key, entry in value.items():
            fit = compiled.get(key)
            if fit is None and key in properties:
                fit = compiled[key] = _compile(properties[key])
            if fit is not None and not fit(entry):
                return False
            matching = [each for fits, each in patterns if fits(key)]
            if not all(each(entry) for each in matching) or not (fit or matching or other(entry)):
                return False
        return all(key in value for key in required)

    return is_right


_IN_NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"


def _fitting(pattern: str) -> Check:
    """Whether a key fits a pattern; plain names do so without `re`."""
    if pattern == "^x-":
        return lambda key: bool(key[:2] == "x-")
    takes_names = pattern in {"^[a-zA-Z0-9._-]+$", "^.+$", ".+"}

    def fits(key: str) -> bool:
        if takes_names and key and not key.strip(_IN_NAMES):
            return True
        import re

        return re.search(pattern, key) is not None

    return fits


def _array(node: dict[str, Any]) -> Check:
    each = _compile(node["items"]) if "items" in node else None
    is_unique = node.get("uniqueItems", False)

    def is_right(value: list[Any]) -> bool:
        return (each is None or all(map(each, value))) and not (is_unique and repeated(value))

    return is_right


def repeated(value: list[Any]) -> tuple[int, int] | None:
    """The first two equal items."""
    seen: dict[str, int] = {}
    for at, entry in enumerate(value):
        text = f"s{entry}" if isinstance(entry, str) else _told(entry)
        if text in seen:
            return seen[text], at
        seen[text] = at
    return None


def _told(entry: Any) -> str:
    if isinstance(entry, dict):
        return f"{{{','.join(f'{key}:{_told(entry[key])}' for key in sorted(entry))}}}"
    if isinstance(entry, list):
        return f"[{','.join(map(_told, entry))}]"
    return repr(entry) if isinstance(entry, str) else f"={entry}"


def has_format(name: str, value: str) -> bool:
    """Whether a string has a format: only durations are checked, as docker does."""
    if name != "duration":
        return True
    from wherry.durations import parse_duration_ns

    try:
        parse_duration_ns(value)
    except ValueError:
        return False
    return True


def _string(node: dict[str, Any]) -> Check:
    pattern, form = node.get("pattern"), node.get("format", "")
    if pattern is None:
        return lambda value: has_format(form, value)
    words = [word for word in pattern.split("|") if word.isidentifier()]

    def is_right(value: str) -> bool:
        if value in words:
            return has_format(form, value)
        import re

        return re.search(pattern, value) is not None and has_format(form, value)

    return is_right


def _number(node: dict[str, Any]) -> Check:
    low, high = node.get("minimum", float("-inf")), node.get("maximum", float("inf"))
    return lambda value: low <= value <= high
