"""Which rules run and how bad each is: from flags, comments in the file, and the files of a project."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from wherry.dockerfile.shell import SPACE
from wherry.dockerfile.span import Span, printable
from wherry.errors import InputError
from wherry.lint.rule import LEVELS, Level, Rule

__all__ = ["Checks", "Choice", "Pragmas", "at_least", "parse_checks"]

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
_CHECK = re.compile(r"check[\t\n\f\r ]*=[\t\n\f\r ]*(.+)", re.IGNORECASE)
_IGNORE = re.compile(r"(?:hadolint|wherry lint)[ \t]+(global[ \t]+)?ignore[ \t]*=[ \t]*([^#]+?)[ \t]*(?:#.*)?")


def at_least(level: Level, threshold: Level) -> bool:
    """`level` is as bad as `threshold`, or worse."""
    return LEVELS.index(level) <= LEVELS.index(threshold)


class Checks(NamedTuple):
    """BuildKit's options: `# check=skip=A,B;experimental=C;error=true`."""

    skip: frozenset[str] = frozenset()
    skips_all: bool = False
    experimental: frozenset[str] = frozenset()
    all_experimental: bool = False
    is_error: bool = False

    def allows(self, rule: Rule) -> bool:
        if rule.is_experimental:
            return self.all_experimental or rule.name in self.experimental
        return not (self.skips_all or rule.name in self.skip)


def parse_checks(text: str) -> Checks:
    """Each option at most once. Raises: InputError, with BuildKit's words."""
    checks = Checks()
    if not text.strip(SPACE):
        return checks
    for part in text.strip(SPACE).split(";", 2):
        name, equals, value = part.partition("=")
        name, value = name.strip(SPACE), value.strip(SPACE)
        if not equals:
            raise InputError(f'invalid check option "{printable(part)}"', hint="as check=skip=RULE,RULE;error=true")
        names = frozenset(one.strip(SPACE) for one in value.split(","))
        if name == "skip":
            checks = checks._replace(skips_all=True) if value == "all" else checks._replace(skip=names)
        elif name == "experimental":
            every = value == "all"
            checks = checks._replace(all_experimental=True) if every else checks._replace(experimental=names)
        elif name == "error" and value in _TRUE + _FALSE:
            checks = checks._replace(is_error=value in _TRUE)
        elif name == "error":
            raise InputError(f'failed to parse check option "{printable(part)}"', hint="error=true or error=false")
        else:
            raise InputError(f'invalid check option "{printable(name)}"', hint="it is skip, experimental or error")
    return checks


class Pragmas(NamedTuple):
    """What comments of the file switch off: rules by the instruction's first line, and rules for the whole file."""

    at: Mapping[int, frozenset[str]]
    checks: Mapping[int, Checks]
    everywhere: frozenset[str] = frozenset()

    @classmethod
    def read(cls, lines: tuple[str, ...], spans: Iterable[Span]) -> Pragmas:
        """`spans` are the instructions; a comment belongs to the one below it, other comments between them or not."""
        at: dict[int, frozenset[str]] = {}
        checks: dict[int, Checks] = {}
        everywhere: frozenset[str] = frozenset()
        for span in spans:
            for number in range(span.first - 1, 0, -1):
                line = lines[number - 1].strip(SPACE)
                if not line.startswith("#"):
                    break
                comment = line[1:].strip(SPACE)
                if match := _IGNORE.fullmatch(comment):
                    names = frozenset(name for name in re.split(r"[\s,]+", match[2]) if name)
                    if match[1]:
                        everywhere |= names
                    else:
                        at[span.first] = at.get(span.first, frozenset()) | names
                elif (match := _CHECK.fullmatch(comment)) and span.first not in checks:
                    try:
                        checks[span.first] = parse_checks(match[1].partition(" ")[0])
                    except InputError:
                        pass  # as BuildKit: a comment that says nothing it knows is a comment
        return cls(at, checks, everywhere)

    def allows(self, rule: Rule, first: int) -> bool:
        """For a hit on the instruction that begins at line `first`."""
        if rule.name in self.everywhere or rule.name in self.at.get(first, ()):
            return False
        checks = self.checks.get(first)
        return checks is None or rule.is_experimental or rule.family != "buildkit" or checks.allows(rule)

    def enables(self, rule: Rule, first: int) -> bool:
        """An experimental rule that a comment asks for."""
        checks = self.checks.get(first)
        return checks is not None and checks.allows(rule)


class Choice(NamedTuple):
    """`only` () means all. `levels` override a rule's own. `checks` is the directive of the file or what replaces it.

    `obeys_pragmas` false: comments of hadolint's form switch nothing off.
    """

    only: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    levels: Mapping[str, Level] = {}
    checks: Checks = Checks()
    obeys_pragmas: bool = True

    def level(self, rule: Rule) -> Level:
        """What it counts as here."""
        level = self.levels.get(rule.name, rule.level)
        return "info" if level == "ignore" and rule.name in self.only else level

    def looks_for(self, rule: Rule) -> bool:
        """It is run: it is told, or it has a twin of another name that is silenced with it."""
        if self.only and rule.name not in self.only:
            return False
        return self.wants(rule) or (self.level(rule) != "ignore" and not rule.is_experimental)

    def wants(self, rule: Rule) -> bool:
        """It runs at all; an experimental one may be asked for by a comment, which shows later."""
        if rule.name in self.ignore or (self.only and rule.name not in self.only):
            return False
        if self.level(rule) == "ignore":
            return False
        return rule.family != "buildkit" or rule.is_experimental or self.checks.allows(rule)
