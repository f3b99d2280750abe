"""containers-registries.conf, version 2. Pure: text in, rules out.

Spec: https://github.com/containers/image/blob/v5.34.0/docs/containers-registries.conf.5.md
"""

from __future__ import annotations

import re

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, NamedTuple

    from wherry.oci.reference import Reference
else:
    from wherry.lean import NamedTuple

__all__ = ["Conf", "Mirror", "Rule", "merge", "parse"]

_WHEN = ("all", "digest-only", "tag-only")
_HEADER = re.compile(r"^\s*\[\[\s*registry\s*\]\]", re.MULTILINE)


class Mirror(NamedTuple):
    """`when` is pull-from-mirror: all, digest-only or tag-only."""

    location: str
    insecure: bool = False
    when: str = "all"

    def serves(self, reference: Reference) -> bool:
        return self.when == "all" or (self.when == "digest-only") == (reference.digest is not None)


class Rule(NamedTuple):
    """One [[registry]]. An empty `location` keeps the name's own host (for "*." prefixes)."""

    prefix: str
    location: str = ""
    insecure: bool = False
    blocked: bool = False
    mirrors: tuple[Mirror, ...] = ()
    path: str = ""

    def match(self, name: str) -> int:
        """How much of `name` (registry/repository:tag@digest) the prefix covers; -1 when it is not of this rule.

        Other than in podman today, "example.com" does not cover "example.com:5000": its own text calls that unintended.
        """
        prefix = self.prefix
        if prefix.startswith("*."):
            host, slash, _ = name.partition("/")
            suffix, _, rest = prefix[1:].partition("/")
            if not host.endswith(suffix) or not slash:
                return -1
            covered = host + ("/" + rest if rest else "")
        else:
            covered = prefix
        if not name.startswith(covered):
            return -1
        behind = name[len(covered) : len(covered) + 1]
        if behind in ("", "/", "@") or (behind == ":" and "/" in covered):
            return len(covered)
        return -1


class Conf(NamedTuple):
    """What one file says, or several together. `aliases` map short names to whole ones.

    `unqualified-search-registries` is not searched: a name without a registry is Docker Hub's, so that nobody else can
    offer it.
    """

    rules: tuple[Rule, ...] = ()
    aliases: Mapping[str, str] = {}
    credential_helpers: tuple[str, ...] = ()
    """In the order to ask; "containers-auth.json" stands for the files."""

    def rule_for(self, name: str) -> Rule | None:
        """The one with the longest prefix; one without "*." before one with it."""
        found = [(rule.match(name), not rule.prefix.startswith("*."), rule) for rule in self.rules]
        best = max(found, key=lambda one: one[:2], default=None)
        return best[2] if best and best[0] >= 0 else None


def merge(confs: Iterable[Conf]) -> Conf:
    """Later files win: by prefix and by alias. An alias to "" is taken away."""
    rules: dict[str, Rule] = {}
    aliases: dict[str, str] = {}
    helpers: tuple[str, ...] = ()
    for conf in confs:
        helpers = conf.credential_helpers or helpers
        rules.update((rule.prefix, rule) for rule in conf.rules)
        aliases.update(conf.aliases)
    return Conf(tuple(rules.values()), {short: whole for short, whole in aliases.items() if whole}, helpers)


def parse(text: str, path: str) -> Conf:
    """Raises: InputError with the file and the line."""
    import tomllib  # most machines have no such file

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        message = str(fault)
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
        line = place[1] if place and place[1] else str(text.count("\n") + 1)
        said = message[: place.start()] if place else message
        raise InputError(f"not TOML: {said}", where=f"{path}:{line}") from None
    except RecursionError:
        raise InputError("not TOML that anyone would write: nested too deeply", where=path) from None
    if isinstance(document.get("registries"), dict):
        raise InputError(
            "version 1 of registries.conf ([registries.search] and the like) is not read any more",
            where=f"{path}:{_line(text, 'registries')}",
            hint="write [[registry]] tables: containers-registries.conf(5) shows them",
        )
    tables = document.get("registry", [])
    if not isinstance(tables, list):
        raise InputError("registry: write it as [[registry]]", where=f"{path}:{_line(text, 'registry')}")
    rules = [_rule(table, path, _table_line(text, number)) for number, table in enumerate(tables)]
    helpers = document.get("credential-helpers", [])
    if not isinstance(helpers, list) or not all(isinstance(one, str) for one in helpers):
        where = f"{path}:{_line(text, 'credential-helpers')}"
        raise InputError("credential-helpers: expected a list of strings", where=where)
    return Conf(tuple(rules), _aliases(document, text, path), tuple(helpers))


def _line(text: str, word: str) -> int:
    found = re.search(rf"^\s*\[*\s*[\"']?{re.escape(word)}\b", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 1


def _table_line(text: str, number: int) -> int:
    headers = list(_HEADER.finditer(text))
    return text.count("\n", 0, headers[number].end()) + 1 if number < len(headers) else 1


def _aliases(document: Mapping[str, Any], text: str, path: str) -> dict[str, str]:
    aliases = document.get("aliases", {})
    if not isinstance(aliases, dict):
        raise InputError("aliases: write it as a table", where=f"{path}:{_line(text, 'aliases')}")
    for short, whole in aliases.items():
        head = whole.partition("/")[0] if isinstance(whole, str) else ""
        if not isinstance(whole, str) or (whole and not ("." in head or ":" in head or head == "localhost")):
            raise InputError(
                f"aliases: {short[:100]}: expected a whole name, with its registry",
                where=f"{path}:{_line(text, short)}",
            )
    return aliases


class _Table:
    """One table of the file, read with its place."""

    def __init__(self, value: object, where: str, name: str) -> None:
        if not isinstance(value, dict):
            raise InputError(f"{name}: expected a table", where=where)
        self._value, self._where, self._name = value, where, name

    def flag(self, key: str) -> bool:
        value = self._value.get(key, False)
        if not isinstance(value, bool):
            raise self.fault(f"{key} is true or false")
        return value

    def text(self, key: str) -> str:
        value = self._value.get(key, "")
        if not isinstance(value, str):
            raise self.fault(f"{key} is a string")
        return value

    def location(self, key: str) -> str:
        value = self.text(key).rstrip("/")
        if "://" in value:
            raise self.fault(f"{key} has no scheme: write host[:port][/path]")
        if any(c.isspace() or not c.isprintable() or c in "?#\\" for c in value) or "/../" in f"/{value}/":
            raise self.fault(f"{key} is not host[:port][/path]")
        return value

    def tables(self, key: str) -> list[object]:
        value = self._value.get(key, [])
        if not isinstance(value, list):
            raise self.fault(f"{key}: write it as [[registry.{key}]]")
        return value

    def has(self, key: str) -> bool:
        return key in self._value

    def fault(self, text: str) -> InputError:
        return InputError(f"{self._name}: {text}", where=self._where)


def _rule(value: object, path: str, line: int) -> Rule:
    where = f"{path}:{line}"
    table = _Table(value, where, "[[registry]]")
    prefix, location = table.location("prefix"), table.location("location")
    if not prefix and not location:
        raise table.fault("has neither prefix nor location")
    if prefix.startswith("*.") and len(prefix) < 3:
        raise table.fault("prefix: a host follows the *.")
    if "*" in prefix.removeprefix("*."):
        raise table.fault("prefix: a * stands at its beginning only, as in *.example.com")
    if prefix and not prefix.startswith("*.") and not location:
        raise table.fault("has a prefix and no location")
    if not prefix and location.startswith("*."):
        raise table.fault("location has no *")
    only = table.flag("mirror-by-digest-only")
    mirrors = tuple(_mirror(one, where, only=only) for one in table.tables("mirror"))
    return Rule(prefix or location, location, table.flag("insecure"), table.flag("blocked"), mirrors, path)


def _mirror(value: object, where: str, *, only: bool) -> Mirror:
    table = _Table(value, where, "[[registry.mirror]]")
    location = table.location("location")
    if not location:
        raise table.fault("has no location")
    when = table.text("pull-from-mirror")
    if when and only:
        raise table.fault("pull-from-mirror does not go with mirror-by-digest-only")
    if when and when not in _WHEN:
        raise table.fault(f"pull-from-mirror is one of {', '.join(_WHEN)}")
    return Mirror(location, table.flag("insecure"), when or ("digest-only" if only else "all"))
