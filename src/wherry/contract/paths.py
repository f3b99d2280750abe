"""Places in a JSON document: a pattern such as $.predictions[*].score, and the concrete path of one value.

A subset of JSONPath: names, indexes, the wildcard, and descendants of a name; no filters, slices or unions.
Spec: https://www.rfc-editor.org/rfc/rfc9535#section-2
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from wherry.errors import InputError

__all__ = ["Path", "Pattern", "shown"]

Path = tuple[str | int, ...]
"""From the root: a name for a member, a number for an element."""

_PIECE = re.compile(
    r"""(?P<deep>\.\.)?(?:(?<=\.\.)(?P<deepname>[^\W\d][\w-]*|\*)|\.(?P<name>[^\W\d][\w-]*|\*)"""
    r"""|\[(?P<index>\d{1,9}|\*)\]|\['(?P<single>(?:[^'\\]|\\.)*)'\]|\["(?P<double>(?:[^"\\]|\\.)*)"\])"""
)
_PLAIN = re.compile(r"[^\W\d][\w-]*")


class Pattern(NamedTuple):
    """`steps` are (is it at any depth below, name or index; None for the wildcard)."""

    text: str
    steps: tuple[tuple[bool, str | int | None], ...]

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Raises: InputError."""
        if not text.startswith("$"):
            raise InputError(f"{text!r} is no JSON path", hint="it begins with $: $.predictions[*].score")
        steps, at = [], 1
        while at < len(text):
            found = _PIECE.match(text, at)
            if not found:
                raise InputError(f"{text!r} is no JSON path: wrong at {text[at:]!r}",
                                 hint="$.name, $[0], $.list[*].name, $['odd name'] or $..name")  # fmt: skip
            steps.append((bool(found["deep"]), _key(found)))
            at = found.end()
        return cls(text, tuple(steps))

    @classmethod
    def of(cls, path: Path) -> Pattern:
        """The pattern that only this path fits."""
        return cls(shown(path), tuple((False, key) for key in path))

    def fits(self, path: Path) -> bool:
        """Whether this very value is meant."""
        return _fits(self.steps, path)

    def covers(self, path: Path) -> bool:
        """Whether it, or what it is part of, is meant."""
        return any(_fits(self.steps, path[:length]) for length in range(len(path), -1, -1))


def _key(found: re.Match[str]) -> str | int | None:
    if (index := found["index"]) is not None:
        return None if index == "*" else int(index)
    for quoted in ("single", "double"):
        if (text := found[quoted]) is not None:
            return re.sub(r"\\(.)", r"\1", text)
    name = found["name"] or found["deepname"]
    return None if name == "*" else name


def _fits(steps: tuple[tuple[bool, str | int | None], ...], path: Path) -> bool:
    if not steps:
        return not path
    is_deep, key = steps[0]
    for skipped in range(len(path) if is_deep else min(1, len(path))):
        one = path[skipped]
        same = key is None or (one == key and isinstance(one, str) == isinstance(key, str))
        if same and _fits(steps[1:], path[skipped + 1 :]):
            return True
    return False


def shown(path: Path) -> str:
    """As a pattern would be written."""
    text = "$"
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        elif _PLAIN.fullmatch(key):
            text += f".{key}"
        else:
            text += f"[{json.dumps(key, ensure_ascii=False)}]"
    return text
