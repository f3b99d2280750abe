"""Patterns of .dockerignore with many stars, matched by a set of states: no more than length x length steps, where a
regular expression made of `.*/.*/.*/` tries every way to cut the path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

__all__ = ["STAR", "matcher"]

STAR = "[^/]*"
_ENTER, _LOOP, _REST = "enter", "loop", "rest"
_Item = str | re.Pattern[str]


def matcher(tokens: Sequence[tuple[str, str]]) -> Callable[[str], bool]:
    """Of the tokens of `ignore`: ("plain", text), ("regex", STAR or one character's), ("deep", "")."""
    items: list[_Item] = []
    for position, (kind, text) in enumerate(tokens):
        if kind == "deep":
            items += [_REST] if position == len(tokens) - 1 else [_ENTER, _LOOP]
        elif text == STAR:
            items.append(STAR)
        else:
            items.append(re.compile(text if kind == "regex" else re.escape(text), re.DOTALL))
    return lambda path: _fits(items, path)


def _fits(items: Sequence[_Item], path: str) -> bool:
    states = _closure(items, {0})
    for char in path:
        after = set()
        for state in states:
            if state == len(items):
                continue
            item = items[state]
            if isinstance(item, re.Pattern):
                if item.fullmatch(char):
                    after.add(state + 1)
            elif item == STAR:
                after.update([state] if char != "/" else ())
            elif item in {_LOOP, _REST} and char != "\n":
                after.update([state, state + 1] if item == _LOOP and char == "/" else [state])
        states = _closure(items, after)
        if not states:
            return False
    return len(items) in states


def _closure(items: Sequence[_Item], states: set[int]) -> set[int]:
    """What may match nothing is passed: a star, and `**/` as a whole."""
    found, todo = set(states), list(states)
    while todo:
        state = todo.pop()
        item = items[state] if state < len(items) else ""
        ways = (state + 1, state + 2) if item == _ENTER else (state + 1,) if item in (STAR, _REST) else ()
        for way in ways:
            if way not in found:
                found.add(way)
                todo.append(way)
    return found
