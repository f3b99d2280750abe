"""From the shared libraries that an interpreter asks for to the Debian packages that hold them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from wherry.host import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.bootstrap.elf import Elf
    from wherry.host import Host

__all__ = ["Libraries", "owners", "parse_cache", "parse_owners", "wanted"]

_CACHE = re.compile(r"\s*(\S+) \(([^)]*)\) => (\S+)")


class Libraries(NamedTuple):
    """`packages` is sorted. `missing` are libraries that no Debian package of this machine holds."""

    packages: tuple[str, ...]
    missing: tuple[str, ...]


def wanted(files: Iterable[tuple[str, Elf]]) -> tuple[str, ...]:
    """The libraries that `files` ask for and do not bring themselves, sorted."""
    needed: set[str] = set()
    brought: set[str] = set()
    for path, one in files:
        needed.update(one.needed)
        brought.update({os.path.basename(path), one.soname})
    return tuple(sorted(needed - brought))


def parse_cache(text: str) -> dict[str, str]:
    """`ldconfig -p`: library to path, the first (preferred) one of each name for 64 bit."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _CACHE.match(line)
        if match and "64" in match[2]:
            found.setdefault(match[1], match[3])
    return found


def parse_owners(text: str) -> dict[str, str]:
    """`dpkg-query --search`: path to package, without its architecture."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        names, separator, path = line.partition(": ")
        if separator and not names.startswith("diversion by"):
            found[path] = names.partition(",")[0].partition(":")[0]
    return found


def owners(host: Host, sonames: Iterable[str]) -> Libraries:
    """Asks the host's linker and dpkg. Raises: HostError when it has neither."""
    cache = parse_cache(host.run(Command(["/sbin/ldconfig", "-p"])).stdout.decode())
    paths = {name: os.path.realpath(cache[name]) for name in sonames if name in cache}
    if not paths:
        return Libraries((), tuple(sorted(set(sonames) - paths.keys())))
    asked = sorted({form for path in paths.values() for form in _forms(path)})
    known = parse_owners(host.run(Command(["dpkg-query", "--search", *asked])).stdout.decode())
    return _match(paths, known, sonames)


def _match(paths: Mapping[str, str], known: Mapping[str, str], sonames: Iterable[str]) -> Libraries:
    packages, missing = set(), []
    for name in sorted(sonames):
        package = next((known[form] for form in _forms(paths.get(name, "")) if form in known), None)
        if package:
            packages.add(package)
        else:
            missing.append(name)
    return Libraries(tuple(sorted(packages)), tuple(missing))


def _forms(path: str) -> tuple[str, ...]:
    """/usr/lib and /lib are one folder on merged systems, and dpkg may know a file by either name."""
    return (path, path.removeprefix("/usr")) if path.startswith("/usr/lib") else (path, "/usr" + path)
