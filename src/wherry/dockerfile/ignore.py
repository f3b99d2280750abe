"""The .dockerignore file: patterns that hide parts of the context. The last line that matches wins.

Spec: https://docs.docker.com/build/concepts/context/#dockerignore-files
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from wherry.dockerfile import states
from wherry.dockerfile.shell import SPACE
from wherry.errors import InputError

__all__ = ["Matcher"]

_LARGEST_BYTES = 1 << 20
_MANY_STARS, _LONG_PATH = 3, 256


class _Pattern(NamedTuple):
    """`parts` are the pattern's path segments; `matches` takes one path, not its parents."""

    is_exception: bool
    parts: tuple[str, ...]
    matches: Callable[[str], object]


class Matcher:
    """Answers for paths relative to the context, with `/` between names and none at the start.

    Folders' answers are kept, so that a walk asks each pattern once for each path.
    """

    __slots__ = ("_folders", "_patterns")

    def __init__(self, patterns: Iterable[str]) -> None:
        """Each pattern as a line of the file, comments already out. Raises: InputError."""
        self._patterns = [one for text in patterns if (one := _pattern(text))]
        self._folders: dict[str, int] = {"": 0}

    @classmethod
    def of_file(cls, data: bytes, name: str = ".dockerignore") -> Matcher:
        """Raises: InputError that names the line."""
        if len(data) > _LARGEST_BYTES:
            raise InputError(f"{len(data) >> 20} MiB are too much for a list of patterns", where=name)
        matcher = cls(())
        lines = data.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape").split("\n")
        for number, line in enumerate(lines, 1):
            if line.startswith("#"):  # only in the first column: " #x" is a pattern
                continue
            try:
                pattern = _pattern(line)
            except InputError as fault:
                raise InputError(fault.message, hint=fault.hint, where=f"{name}:{number}") from None
            if pattern:
                matcher._patterns.append(pattern)
        return matcher

    def __bool__(self) -> bool:
        """False when nothing can be excluded."""
        return bool(self._patterns)

    @property
    def has_exceptions(self) -> bool:
        """A line begins with `!`."""
        return any(pattern.is_exception for pattern in self._patterns)

    def excludes(self, path: str) -> bool:
        """Whether the path, or a folder that it is in, is excluded and not taken back by a later line with `!`."""
        plain = path.rstrip("/") or path
        if plain in {"", "."}:
            return False
        above = self._matched(posixpath.dirname(plain))
        for position in range(len(self._patterns) - 1, -1, -1):
            pattern = self._patterns[position]
            if above >> position & 1 or pattern.matches(plain):
                return not pattern.is_exception
        return False

    def prunes(self, path: str) -> bool:
        """Whether the folder is excluded with all that can be below it: a walk need not go in."""
        if not self.excludes(path):
            return False
        plain = path.rstrip("/")
        last = self._matched(plain).bit_length()
        parts = plain.split("/")
        return not any(one.is_exception and _may_be_below(one.parts, parts) for one in self._patterns[last:])

    def _matched(self, folder: str) -> int:
        """The patterns that match the folder or one above it, as bits."""
        known = self._folders.get(folder)
        if known is None:
            known = self._matched(posixpath.dirname(folder)) if folder != "/" else 0
            for position, pattern in enumerate(self._patterns):
                if not known >> position & 1 and pattern.matches(folder):
                    known |= 1 << position
            self._folders[folder] = known
        return known


def _may_be_below(pattern: tuple[str, ...], folder: list[str]) -> bool:
    """Whether the pattern could match a path inside the folder. True when in doubt."""
    for position, part in enumerate(pattern):
        if "**" in part or position >= len(folder):
            return True
        if part != folder[position] and not any(char in part for char in "*?[\\"):
            return False
    return False


def _pattern(line: str) -> _Pattern | None:
    """None for a blank line. Raises: InputError."""
    text = line.strip(SPACE)
    is_exception = text.startswith("!")
    if is_exception:
        text = text[1:].strip(SPACE)
    if not text:
        if is_exception:
            raise InputError('illegal exclusion pattern: "!"', hint="write what it takes back, as !docs/README.md")
        return None
    clean = posixpath.normpath(text)
    if clean.startswith("/"):
        clean = clean.lstrip("/") or "/"
    return _Pattern(is_exception, tuple(clean.split("/")), _compile(clean))


def _compile(pattern: str) -> Callable[[str], object]:
    """As moby's patternmatcher: plain names, and `**` first or last, need no regular expression. Raises: InputError."""
    tokens = _tokens(pattern)
    kinds = [kind for kind, _ in tokens]
    if "regex" not in kinds:
        plain = "".join(text for kind, text in tokens if kind == "plain")
        if "deep" not in kinds:
            return plain.__eq__
        if kinds[0] == "deep" and kinds.count("deep") == 1:
            # `**/x` and `**x` both mean "ends with": the second finds yx, too, as docker does
            if pattern.startswith("**/") and plain:
                return lambda path: path == plain or path.endswith(f"/{plain}")
            return lambda path: path.endswith(plain)
        if kinds.count("deep") == 1 and kinds[-1] == "deep":
            return lambda path: path.startswith(plain)
    expression = ""
    for position, (kind, text) in enumerate(tokens):
        if kind != "deep":
            expression += text if kind == "regex" else re.escape(text)
        else:
            expression += ".*" if position == len(tokens) - 1 else "(?:.*/)?"
    try:
        quick = re.compile(expression).fullmatch
    except re.error:  # a range such as z-a
        raise _bad(pattern) from None
    stars = sum(kind == "deep" or text == states.STAR for kind, text in tokens)
    if stars < _MANY_STARS:
        return quick
    slow = states.matcher(tokens)
    # A regular expression is quicker, but for hostile patterns it takes length^stars steps
    return slow if stars > _MANY_STARS else lambda path: quick(path) if len(path) < _LONG_PATH else slow(path)


def _bad(pattern: str) -> InputError:
    return InputError(
        f"syntax error in pattern {pattern!r}", hint="[a-z], ?, * and ** are special; \\ makes them plain"
    )


def _tokens(pattern: str) -> list[tuple[str, str]]:
    """("plain", text), ("regex", expression) for ? * [...] and escapes, ("deep", "") for `**` with a slash after it."""
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        if pattern.startswith("**", position):
            position += 3 if pattern.startswith("/", position + 2) else 2
            tokens.append(("deep", ""))
            continue
        position += 1
        if char == "*":
            tokens.append(("regex", states.STAR))
        elif char == "?":
            tokens.append(("regex", "[^/]"))
        elif char == "[":
            expression, position = _set(pattern, position)
            tokens.append(("regex", expression))
        elif char == "\\":
            if position == len(pattern):
                raise _bad(pattern)
            tokens.append(("regex", re.escape(pattern[position])))
            position += 1
        else:
            tokens.append(("plain", char))
    return tokens


def _set(pattern: str, position: int) -> tuple[str, int]:
    """From behind `[` to behind `]`: single characters and ranges, `^` first means none of them."""
    negated = pattern.startswith("^", position)
    position += negated
    ranges: list[str] = []
    while not ranges or not pattern.startswith("]", position):
        low, position = _member(pattern, position)
        high = low
        if pattern.startswith("-", position):
            high, position = _member(pattern, position + 1)
        ranges.append(f"{re.escape(low)}-{re.escape(high)}")
    return f"[{'^' if negated else ''}{''.join(ranges)}]", position + 1


def _member(pattern: str, position: int) -> tuple[str, int]:
    char = pattern[position : position + 1]
    if char == "\\":
        position += 1
        char = pattern[position : position + 1]
    elif char in {"-", "]"}:
        raise _bad(pattern)
    if not char:
        raise _bad(pattern)
    return char, position + 1
