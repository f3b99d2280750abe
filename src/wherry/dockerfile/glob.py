"""Patterns of `${name#pattern}` and its kin: `?` is one character, `*` any number, a backslash makes either plain.

Matched by a set of states, so that no pattern takes more than length x length steps (a regular expression made of
`.*a.*a.*a` does). A newline is matched by neither, as in BuildKit.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["PatternError", "replace", "trim_prefix", "trim_suffix"]

_ANY = 0  # one character
_STAR = 1
_Tokens = Sequence[str | int]


class PatternError(ValueError):
    """A backslash before a character that needs none."""


def _tokens(pattern: str) -> list[str | int]:
    """Raises: PatternError."""
    tokens: list[str | int] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "\\":
            escaped = pattern[position : position + 1]
            position += 1
            if not escaped or escaped not in "*?\\}/":
                raise PatternError(f"invalid escape '\\{escaped}'")
            tokens.append(escaped)
        elif char == "*":
            if tokens[-1:] != [_STAR]:
                tokens.append(_STAR)
        else:
            tokens.append(_ANY if char == "?" else char)
    return tokens


def _end(tokens: _Tokens, text: str, start: int, longest: bool) -> int:
    """Where the shortest or longest match from `start` ends; -1 without one."""
    states = _closure({0}, tokens)
    found = start if len(tokens) in states else -1
    for position in range(start, len(text)):
        if (found >= 0 and not longest) or not states:
            break
        char = text[position]
        after = set()
        for state in states:
            if state == len(tokens):
                continue
            token = tokens[state]
            if token == char or (token == _ANY and char != "\n"):
                after.add(state + 1)
            elif token == _STAR and char != "\n":
                after.add(state)
        states = _closure(after, tokens)
        if len(tokens) in states:
            found = position + 1
    return found


def _closure(states: set[int], tokens: _Tokens) -> set[int]:
    """A star may match nothing."""
    for state in list(states):
        if state < len(tokens) and tokens[state] == _STAR:
            states.add(state + 1)  # two stars never stand together: one step is enough
    return states


def trim_prefix(value: str, pattern: str, longest: bool) -> str:
    """`value` without what the pattern matches at its start. Raises: PatternError."""
    end = _end(_tokens(pattern), value, 0, longest)
    return value if end < 0 else value[end:]


def trim_suffix(value: str, pattern: str, longest: bool) -> str:
    """`value` without what the pattern matches at its end. Raises: PatternError."""
    end = _end(_tokens(pattern)[::-1], value[::-1], 0, longest)
    return value if end < 0 else value[: len(value) - end]


def replace(value: str, pattern: str, replacement: str, every: bool) -> str:
    """The first, or every, longest match replaced. Raises: PatternError."""
    tokens = _tokens(pattern)
    result: list[str] = []
    position = last_end = 0
    while position <= len(value):
        end = _end(tokens, value, position, longest=True)
        if end < 0:
            position += 1
            continue
        # An empty match right after a match is none, as in Go
        if end > last_end or position == 0:
            result += [value[last_end:position], replacement]
            last_end = end
        if not every:
            break
        position = max(end, position + 1)
    return "".join([*result, value[last_end:]])
