"""The host's own apt sources, as far as they may shape an image: Debian's, signed by Debian's keys, over http(s).

A folder of this machine (`file:`), a source that nobody signed, a third party's repository: none of them leaks in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

__all__ = ["Source", "as_deb822", "as_lines", "choose", "parse"]

KEYRING = "/usr/share/keyrings/debian-archive-keyring"
_LINE = re.compile(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+\S+)*)\s*\Z")


class Source(NamedTuple):
    """One repository. `trusted` means: apt was told not to ask for a signature."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""
    trusted: bool = False


def parse(name: str, text: str) -> list[Source]:
    """Of one file of /etc/apt: deb822 when `name` ends in .sources, else one-line style. Unreadable parts are left out.

    Spec: sources.list(5).
    """
    return list(_deb822(text) if name.endswith(".sources") else _one_line(text))


def _one_line(text: str) -> Iterable[Source]:
    for line in text.splitlines():
        found = _LINE.match(line.partition("#")[0].strip())
        if found:
            options = dict(pair.partition("=")[::2] for pair in (found[1] or "").split())
            yield Source(found[2], found[3], tuple(found[4].split()), options.get("signed-by", ""),
                         options.get("trusted", "") == "yes")  # fmt: skip


def _deb822(text: str) -> Iterable[Source]:
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", plain):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").strip() == "no":
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                components = tuple(fields.get("components", "").split())
                signed_by, trusted = fields.get("signed-by", "").strip(), fields.get("trusted", "").strip() == "yes"
                yield Source(uri, suite, components, signed_by, trusted)


def _fields(stanza: str) -> Mapping[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line[:1].isspace():
            fields[name] = fields.get(name, "") + "\n" + line
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def choose(found: Iterable[Source], codename: str) -> tuple[Source, ...]:
    """Those that may be used for `codename`, without passwords in their addresses; Debian's own when none is left."""
    suites = {codename, f"{codename}-updates", f"{codename}-security"}
    chosen: dict[Source, None] = {}
    for source in found:
        signed = not source.trusted and (not source.signed_by or source.signed_by.startswith(KEYRING))
        web = source.uri.startswith(("http://", "https://"))
        if signed and web and source.suite in suites and source.components:
            components = tuple(c for c in source.components if c == "main") or source.components[:1]
            chosen[Source(_without_password(source.uri), source.suite, components)] = None
    if any(source.suite == codename for source in chosen):
        return tuple(chosen)
    debian, security = "http://deb.debian.org/debian", "http://deb.debian.org/debian-security"
    return (Source(debian, codename, ("main",)), Source(debian, f"{codename}-updates", ("main",)),
            Source(security, f"{codename}-security", ("main",)))  # fmt: skip


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def as_lines(sources: Iterable[Source], keyring: str) -> str:
    """For mmdebstrap."""
    return "".join(f"deb [signed-by={keyring}] {s.uri} {s.suite} {' '.join(s.components)}\n" for s in sources)


def as_deb822(sources: Iterable[Source], keyring: str) -> str:
    """/etc/apt/sources.list.d/debian.sources of the image, in the form that Debian's own images have."""
    return "\n".join(
        f"Types: deb\nURIs: {s.uri}\nSuites: {s.suite}\nComponents: {' '.join(s.components)}\nSigned-By: {keyring}\n"
        for s in sources
    )
