"""WWW-Authenticate: what a registry wants to see.

Spec: https://www.rfc-editor.org/rfc/rfc9110.html#section-11.6.1 and
https://github.com/distribution/distribution/blob/v3.0.0/docs/content/spec/auth/token.md
"""

from __future__ import annotations

from wherry.errors import RegistryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["Challenge", "best", "parse"]

_LONGEST = 16 << 10
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
# What registries in the wild leave unquoted, beyond a token: URLs and scopes
_LOOSE = _TOKEN | frozenset("/:?=&@()[]{}<>")


class Challenge(NamedTuple):
    """`scheme` and the names of `parameters` are in lower case."""

    scheme: str
    parameters: Mapping[str, str]

    @property
    def scopes(self) -> tuple[str, ...]:
        return tuple(self.parameters.get("scope", "").split())


def best(headers: Iterable[str]) -> Challenge | None:
    """The strongest challenge that wherry can meet: Bearer with a realm, else Basic. Raises: RegistryError."""
    found = [one for header in headers for one in parse(header)]
    for one in found:
        if one.scheme == "bearer" and one.parameters.get("realm"):
            return one
    return next((one for one in found if one.scheme == "basic"), None)


def parse(header: str) -> list[Challenge]:
    """The challenges of one header, in its order. Tolerates missing quotes and stray commas; linear in its length.

    Raises: RegistryError when it is longer than any honest one.
    """
    if len(header) > _LONGEST:
        raise RegistryError(f"the registry asks for a login in {len(header)} bytes: refused", status=401)
    found: list[tuple[str, dict[str, str]]] = []
    at = 0
    while True:
        at = _skip(header, at, " \t,")
        word, at = _run(header, at, _TOKEN)
        if not word:
            # Not a token and no separator: step over one character, so that the rest still counts
            if at >= len(header):
                break
            at += 1
            continue
        after = _skip(header, at, " \t")
        if found and header[after : after + 1] == "=":
            value, at = _value(header, _skip(header, after + 1, " \t"))
            # The first of a name counts: a second one is somebody's addition
            found[-1][1].setdefault(word.lower(), value)
        else:
            found.append((word.lower(), {}))
    return [Challenge(scheme, parameters) for scheme, parameters in found]


def _skip(text: str, at: int, what: str) -> int:
    while at < len(text) and text[at] in what:
        at += 1
    return at


def _run(text: str, at: int, alphabet: frozenset[str]) -> tuple[str, int]:
    end = at
    while end < len(text) and text[end] in alphabet:
        end += 1
    return text[at:end], end


def _value(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] != '"':
        return _run(text, at, _LOOSE)
    taken: list[str] = []
    at += 1
    while at < len(text) and text[at] != '"':
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
        taken.append(text[at])
        at += 1
    return "".join(taken), at + 1
