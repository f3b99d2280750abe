"""The `--name=value` words of an instruction, checked against what it knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from wherry.dockerfile.span import Span
from wherry.errors import nearest

__all__ = ["BOOLEAN", "MANY", "ONE", "Flags", "read_flags"]

ONE = "one"
MANY = "many"
BOOLEAN = "boolean"


class Flags(NamedTuple):
    """`given` holds each flag's values in order."""

    given: Mapping[str, list[str]]

    def one(self, name: str) -> str:
        """ "" when it is not given."""
        return self.given.get(name, [""])[-1]

    def many(self, name: str) -> tuple[str, ...]:
        return tuple(self.given.get(name, ()))

    def on(self, name: str) -> bool:
        return self.one(name) == "true"

    def maybe(self, name: str) -> bool | None:
        """None when it is not given."""
        return self.on(name) if name in self.given else None


_NONE = Flags({})


def read_flags(words: Iterable[str], known: Mapping[str, str], span: Span) -> Flags:
    """`known` is name to ONE, MANY or BOOLEAN. Raises: DockerfileError."""
    if not words:
        return _NONE
    given: dict[str, list[str]] = {}
    for word in words:
        name, equals, value = word[2:].partition("=")
        place = span.at(f"--{name}")
        kind = known.get(name)
        if kind is None:
            close = nearest(name, tuple(known))
            did_you = f" (did you mean --{close}?)" if close else ""
            flags = ", ".join(f"--{one}" for one in known)
            raise place.error(
                f"unknown flag: --{name}{did_you}",
                hint=f"the flags here are {flags}" if known else "this instruction has no flags",
            )
        if name in given and kind != MANY:
            raise place.error(f"duplicate flag specified: --{name}")
        if kind == BOOLEAN and not equals:
            value = "true"
        elif not equals or (kind == BOOLEAN and not value):
            raise place.error(f"missing a value on flag: --{name}", hint=f"write --{name}=...")
        if kind == BOOLEAN:
            value = value.lower()
            if value not in {"true", "false"}:
                raise place.error(f"expecting boolean value for flag --{name}, not: {value}")
        given.setdefault(name, []).append(value)
    return Flags(given)
