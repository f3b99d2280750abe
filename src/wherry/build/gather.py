"""The sources of a COPY as they are now: what to copy, in order, and the digest of it all."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from wherry.build import cachekey, pattern
from wherry.build.filehash import FileHashes
from wherry.build.graph import Copy
from wherry.build.resolve import lstat, resolve
from wherry.build.tree import Entry, Match, Tree, find, walk
from wherry.cancel import Cancel
from wherry.errors import BuildError

__all__ = ["Gathered", "digest", "files", "gather", "whole"]


class Gathered(NamedTuple):
    """`partial`: folders are only there as the way to what is in them, and keep what the destination has."""

    match: Match
    entries: tuple[Entry, ...]
    partial: bool = False


def gather(tree: Tree, op: Copy, cancel: Cancel) -> list[Gathered]:
    """In the order of the sources. Raises: NotFound, BuildError, Cancelled."""
    try:
        return _gather(tree, op, cancel)
    except RecursionError:
        raise BuildError(f"folders in {tree.what} are nested too deeply", hint="hide them by .dockerignore") from None


def _gather(tree: Tree, op: Copy, cancel: Cancel) -> list[Gathered]:
    result = []
    excludes = _matcher(op.excludes) if op.excludes else None
    for source in op.sources:
        cancel.check()
        if op.parents:
            result.append(_with_parents(tree, source, excludes))
            continue
        for match in find(tree, source):
            if excludes and not match.is_folder and (excludes(match.name) or excludes(match.path)):
                continue
            result.append(Gathered(match, tuple(walk(tree, match.path, excludes))))
    return result


def digest(tree: Tree, gathered: Sequence[Gathered], hashes: FileHashes, cancel: Cancel) -> str:
    """Of names and content. Reads the files that are not remembered. Raises: BuildError, Cancelled."""
    return whole(gathered, files(tree, gathered, hashes, cancel))


def files(tree: Tree, gathered: Sequence[Gathered], hashes: FileHashes, cancel: Cancel) -> dict[str, str]:
    """Each file's digest by its `source`. Reads those that are not remembered. Raises: BuildError, Cancelled."""
    return hashes.digests(tree, [entry for one in gathered for entry in one.entries], cancel)


def whole(gathered: Sequence[Gathered], digests: Mapping[str, str]) -> str:
    """Of names and content, made of what `files` gave."""
    return cachekey.content([(one.match.name, one.entries) for one in gathered], digests)


def _matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    from wherry.dockerfile.ignore import Matcher

    return Matcher(patterns).excludes


def _with_parents(tree: Tree, source: str, excludes: Callable[[str], bool] | None) -> Gathered:
    """--parents: the path behind the pivot "/./" (or the whole path) is kept at the destination."""
    before, pivot, behind = source.partition("/./")
    base, wanted = (before, behind) if pivot else ("", source)
    wanted = posixpath.normpath("/" + wanted.lstrip("/")).lstrip("/")
    base = resolve(tree.root_fd, base)
    if not pattern.has_wildcards(wanted):
        find(tree, f"{base}/{wanted}".strip("/"))  # it must be there
    includes = _matcher([wanted]) if wanted else lambda _: True
    found = lstat(tree.root_fd, base)
    match = Match(base.rpartition("/")[2], base, found is not None)
    return Gathered(match, tuple(_included(walk(tree, base, excludes), includes)), partial=True)


def _included(entries: Iterator[Entry], includes: Callable[[str], bool]) -> Iterator[Entry]:
    """Those that fit, and the folders above them."""
    waiting: list[Entry] = []
    for entry in entries:
        while waiting and not _is_above(waiting[-1].path, entry.path):
            waiting.pop()
        if entry.path and includes(entry.path):
            yield from waiting
            waiting.clear()
            yield entry
        elif entry.is_folder:
            waiting.append(entry)


def _is_above(folder: str, path: str) -> bool:
    return not folder or path.startswith(folder + "/")
