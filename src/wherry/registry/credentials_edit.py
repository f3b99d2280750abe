"""Changes one member of a JSON text and leaves every other byte as it was: order, indentation, what we do not know.

docker itself reads config.json into a struct and writes it anew: keys that its version does not know are lost.
"""

from __future__ import annotations

import json

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["put", "remove"]

_SPACE = " \t\r\n"


class _Member(NamedTuple):
    """`start` is the key's first quote, `value` and `end` where the value begins and ends."""

    key: str
    start: int
    value: int
    end: int


def put(text: str, path: Sequence[str], value: dict[str, Any] | str) -> str:
    """`text` with the member at `path` set; objects on the way are made. An empty text becomes a new document.

    New members come in the order of their keys, as docker sorts them. Raises: InputError when something on the way is
    no object.
    """
    text = text if text.strip() else "{}"
    unit = _unit(text)
    at = _skip(text, 0)
    for depth, key in enumerate(path):
        members, close = _members(text, at)
        found = next((one for one in reversed(members) if one.key == key), None)
        is_last = depth == len(path) - 1
        if found is None:
            for rest in reversed(path[depth + 1 :]):
                value = {rest: value}
            return _insert(text, at, close, members, key, (value, depth + 1, unit))
        if is_last or text.startswith("null", found.value):
            for rest in reversed(path[depth + 1 :]):
                value = {rest: value}
            written = _written(value, depth + 1, unit)
            return text[: found.value] + written + text[found.end :]
        at = found.value
    return text


def remove(text: str, path: Sequence[str]) -> str:
    """`text` without the member at `path` (every one of that name); as it was when there is none."""
    while text.strip():
        at = _skip(text, 0)
        for key in path[:-1]:
            found = next((one for one in reversed(_members(text, at)[0]) if one.key == key), None)
            if found is None or text.startswith("null", found.value):
                return text
            at = found.value
        members, close = _members(text, at)
        index = next((i for i, one in enumerate(members) if one.key == path[-1]), None)
        if index is None:
            break
        text = _cut(text, at, close, members, index)
    return text


def _cut(text: str, at: int, close: int, members: list[_Member], index: int) -> str:
    if len(members) == 1:
        return text[: at + 1] + text[close:]
    if index + 1 < len(members):
        return text[: members[index].start] + text[members[index + 1].start :]
    return text[: members[index - 1].end] + text[members[index].end :]


def _insert(
    text: str, at: int, close: int, members: list[_Member], key: str, new: tuple[dict[str, Any] | str, int, str | None]
) -> str:
    value, depth, unit = new
    if not members:
        member = f"{json.dumps(key)}: {_written(value, depth, unit)}"
        inside = member if unit is None else f"\n{unit * depth}{member}\n{unit * (depth - 1)}"
        return text[: at + 1] + inside + text[close:]
    first = members[0]
    space = text[at + 1 : first.start]
    if "\n" not in space:
        unit = None
        space = space or " "
    member = f"{json.dumps(key)}: {_written(value, depth, unit)}"
    behind = next((one for one in members if one.key > key), None)
    # At the top docker has "auths" first, whatever else there is
    if depth == 1 and key == "auths":
        behind = first
    if behind is not None:
        gap = space if behind is first else text[_comma(text, behind.start) + 1 : behind.start]
        return text[: behind.start] + member + "," + gap + text[behind.start :]
    last = members[-1]
    gap = space if last is first else text[_comma(text, last.start) + 1 : last.start]
    return text[: last.end] + "," + gap + member + text[last.end :]


def _written(value: dict[str, Any] | str, depth: int, unit: str | None) -> str:
    if unit is None:
        return json.dumps(value)
    return json.dumps(value, indent=unit or None).replace("\n", "\n" + unit * depth)


def _unit(text: str) -> str | None:
    """What the document indents with; None when it stands in one line."""
    members, _ = _members(text, _skip(text, 0))
    if not members:
        return "\t"
    before = text[: members[0].start]
    line = before.rpartition("\n")[2]
    return line if "\n" in before and not line.strip() else None


def _comma(text: str, at: int) -> int:
    while text[at] != ",":
        at -= 1
    return at


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _members(text: str, at: int) -> tuple[list[_Member], int]:
    """Those of the object that begins at `at`, and where its brace closes. `text` is known to be JSON."""
    if not text.startswith("{", at):
        raise InputError("cannot be changed: expected a JSON object where its credentials are kept")
    decode = json.JSONDecoder().raw_decode
    members = []
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, end = decode(text, at)
        value = _skip(text, _skip(text, end) + 1)
        _, stop = decode(text, value)
        members.append(_Member(key, at, value, stop))
        at = _skip(text, stop)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return members, at
