"""Which distributions of a step's diff have a right to which file. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wherry.build.split.scan import Scan, join
from wherry.image.packages.record import INSTALLERS, SUFFIX, Claim, Package

__all__ = ["Installed", "owners"]

# A file that several packages bring is in the layer of each: more than this is no __init__.py
_SHARED_BYTES = 1 << 20


class Installed(NamedTuple):
    package: Package
    claims: Sequence[Claim]


def owners(scan: Scan, installed: Sequence[Installed]) -> dict[bytes, tuple[int, ...]]:
    """By path, the numbers of the distributions in `installed` whose RECORD names the file with the size that it has.

    Several have the same file when all say the same digest (nvidia/__init__.py, which each nvidia wheel brings), and
    then what Python compiled of it. A file that they do not agree on has no owner, nor has one that tells how a package
    was installed.
    """
    named: dict[bytes, dict[int, str]] = {}
    wrong: set[bytes] = set()
    for number, one in enumerate(installed):
        for claim in one.claims:
            size = scan.size(claim.path)
            if size is None or _is_installers(claim.path):
                continue
            if claim.size not in (None, size):
                wrong.add(claim.path)
            named.setdefault(claim.path, {})[number] = claim.digest
    return {
        path: tuple(claims)
        for path, claims in named.items()
        if path not in wrong and (len(claims) == 1 or _agree(scan, path, named))
    }


def _is_installers(path: bytes) -> bool:
    folder, _, name = path.rpartition(b"/")
    return name in INSTALLERS and folder.endswith(SUFFIX)


def _agree(scan: Scan, path: bytes, named: Mapping[bytes, Mapping[int, str]]) -> bool:
    claims = named[path]
    source = _source(path)
    if source in named:
        # pip writes no digest for what it compiles
        return named[source].keys() == claims.keys() and _agree(scan, source, named)
    digests = set(claims.values())
    return len(digests) == 1 and "" not in digests and (scan.size(path) or 0) <= _SHARED_BYTES


def _source(path: bytes) -> bytes:
    """ "d/__pycache__/x.cpython-311.pyc" → "d/x.py"; b"" for anything else."""
    folder, _, name = path.rpartition(b"/")
    above, _, last = folder.rpartition(b"/")
    if last != b"__pycache__" or not name.endswith(b".pyc"):
        return b""
    return join(above, name.split(b".")[0] + b".py")
