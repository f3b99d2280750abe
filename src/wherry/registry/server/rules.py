"""Who may pull, push and delete where: a small TOML file. What no rule allows is refused.

[groups]
team = ["anna", "ben"]

[[rule]]
repositories = ["team/**"]       # `*` within one part of a name, `**` over any number of parts
groups = ["team"]                # or users = ["anna"], users = ["*"] (who has logged in), anonymous = true
actions = ["pull", "push"]       # and "delete"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from wherry.errors import InputError

__all__ = ["ACTIONS", "Rule", "Rules", "parse"]

ACTIONS = frozenset({"pull", "push", "delete"})
_KEYS = frozenset({"repositories", "users", "groups", "anonymous", "actions"})
_PATTERN = re.compile(r"(?:\*\*|[a-z0-9._*-]+)(?:/(?:\*\*|[a-z0-9._*-]+))*")


class Rule(NamedTuple):
    """`users` are names, those of the groups included; "*" is everybody who has logged in."""

    repositories: tuple[re.Pattern[str], ...]
    users: frozenset[str]
    anonymous: bool
    actions: frozenset[str]

    def allows(self, user: str, action: str, repository: str) -> bool:
        """`user` is "" for somebody who has not logged in."""
        if action not in self.actions:
            return False
        is_meant = self.anonymous or (user and (user in self.users or "*" in self.users))
        return bool(is_meant) and any(pattern.fullmatch(repository) for pattern in self.repositories)


class Rules(NamedTuple):
    rules: tuple[Rule, ...]

    def allow(self, user: str, action: str, repository: str) -> bool:
        return any(rule.allows(user, action, repository) for rule in self.rules)

    @property
    def have_anonymous(self) -> bool:
        """Whether somebody who has not logged in may do anything at all."""
        return any(rule.anonymous for rule in self.rules)


def parse(text: str, path: str) -> Rules:
    """Raises: InputError naming the file and, where it can be told, the line."""
    try:
        doc = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        said = re.search(r"at line (\d+)", str(fault))
        # Else it is at the end of the document
        line = said[1] if said else text.count("\n") + 1
        raise InputError(f"not TOML: {fault}", where=f"{path}:{line}") from None
    for key in doc.keys() - {"groups", "rule"}:
        raise InputError(f"unknown key {key!r}: expected groups and [[rule]]", where=_line(text, path, key))
    groups = _groups(doc.get("groups", {}), lambda name: _line(text, path, name))
    rules = doc.get("rule", [])
    if not isinstance(rules, list):
        raise InputError("expected [[rule]], with two brackets", where=_line(text, path, "rule"))
    return Rules(
        tuple(
            _Reader(one, groups, lambda key, at=at: _line(text, path, key, at)).read()  # type: ignore[misc]
            for one, at in zip(rules, _starts(text, len(rules)), strict=True)
        )
    )


def _groups(doc: object, where: Callable[[str], str]) -> dict[str, frozenset[str]]:
    if not isinstance(doc, dict):
        raise InputError("groups: expected a table", where=where("groups"))
    found: dict[str, frozenset[str]] = {}
    for name, members in doc.items():
        if not isinstance(members, list) or not all(isinstance(one, str) for one in members):
            raise InputError(f"group {name!r}: expected a list of users", where=where(name))
        found[name] = frozenset(members)
    return found


class _Reader:
    """One [[rule]] to a Rule. `where(key)` says the line of that key in it."""

    def __init__(self, doc: Any, groups: Mapping[str, frozenset[str]], where: Callable[[str], str]) -> None:
        self._doc, self._known, self._where = doc, groups, where

    def read(self) -> Rule:
        if not isinstance(self._doc, dict):
            raise InputError("expected [[rule]], with two brackets", where=self._where("rule"))
        for key in self._doc.keys() - _KEYS:
            raise InputError(f"unknown key {key!r}: expected {', '.join(sorted(_KEYS))}", where=self._where(key))
        patterns = self._strings("repositories")
        actions = self._strings("actions")
        for action in actions:
            if action not in ACTIONS:
                raise InputError(f"unknown action {action!r}: pull, push or delete", where=self._where("actions"))
        users = set(self._strings("users", needed=False))
        for name in self._strings("groups", needed=False):
            if name not in self._known:
                raise InputError(f"no group {name!r} in [groups]", where=self._where("groups"))
            users |= self._known[name]
        anonymous = self._doc.get("anonymous", False)
        if not isinstance(anonymous, bool):
            raise InputError("anonymous: expected true or false", where=self._where("anonymous"))
        if not users and not anonymous:
            raise InputError("a rule for nobody: give users, groups or anonymous", where=self._where(""))
        return Rule(tuple(self._pattern(one) for one in patterns), frozenset(users), anonymous, frozenset(actions))

    def _strings(self, key: str, *, needed: bool = True) -> list[str]:
        value = self._doc.get(key)
        if value is None and not needed:
            return []
        if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
            raise InputError(f"{key}: expected a list of strings", where=self._where(key if value is not None else ""))
        return value

    def _pattern(self, text: str) -> re.Pattern[str]:
        if not _PATTERN.fullmatch(text) or "***" in text:
            raise InputError(
                f"bad pattern {text!r}: parts of lower-case names, * and **", where=self._where("repositories")
            )
        return re.compile(_expression(text))


def _expression(pattern: str) -> str:
    """`**` stands for whole parts, as in `team/**` (team/a, team/a/b) and `**/app` (app, x/app)."""
    parts = pattern.split("/")
    found = ""
    for place, part in enumerate(parts):
        is_last = place == len(parts) - 1
        if part == "**":
            found += r".+" if is_last else r"(?:[^/]+/)*"
        else:
            found += re.escape(part).replace(r"\*\*", r"\*").replace(r"\*", "[^/]*") + ("" if is_last else "/")
    return found


def _starts(text: str, count: int) -> Iterator[int]:
    """The line of each [[rule]]; 0 where they are written in another way."""
    lines = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[\s*rule\s*\]\]", line)]
    return iter(lines if len(lines) == count else [0] * count)


def _line(text: str, path: str, key: str, start: int = 0) -> str:
    """FILE:LINE of `key`, from line `start` on; of `start` when there is none."""
    for number, line in enumerate(text.splitlines(), 1):
        if key and number >= start and re.match(rf"\s*(?:\[+\s*)?[\"']?{re.escape(key)}[\"']?\s*[\]=]", line):
            return f"{path}:{number}"
    return f"{path}:{start}" if start else path
