"""Which file of a step's diff goes into which layer. Pure.

A package's layer holds only what its wheel decides, whatever else is installed (owners.py). How it was installed
(RECORD itself, INSTALLER, REQUESTED, direct_url.json) stays with the rest, and so does everything that is no regular
file. A small file that several wheels bring is in the layer of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from wherry.build.split.owners import Installed, owners
from wherry.build.split.rules import Rules
from wherry.build.split.scan import Scan, join

__all__ = ["Move", "Plan", "arrange"]

_REST, _MIXED = -1, -2
# The layers beside packages and large files: what an opaque folder hides, the small packages, and the rest
_OTHERS = 3


class Move(NamedTuple):
    """`name` in `folder` (relative to the diff's root) goes to the part of this number, all below it too. `copy`: the
    part gets a copy of the file.
    """

    folder: bytes
    name: bytes
    part: int
    copy: bool = False


class Plan(NamedTuple):
    """`parts` layers are made by `moves`; what is not moved is the rest. `has_rest`: more than folders is left.

    `opaque` are the folders that hide something below and have files in `parts`: a layer under the parts must hide it.
    """

    parts: int
    moves: tuple[Move, ...]
    has_rest: bool
    opaque: tuple[bytes, ...]


def arrange(scan: Scan, installed: Sequence[Installed], rules: Rules, share: int) -> Plan | None:
    """The layers in their order: packages by name, files by path, the small packages together. None: no split.

    At most `share` layers, those of the most bytes first.
    """
    owner = owners(scan, installed)
    groups = _groups(scan, installed, owner, rules)
    most = max(0, share - _OTHERS)
    chosen = {group.key for group in sorted(groups, key=lambda one: (-one.size, one.key))[:most]}
    parts = [group.paths for group in groups if group.key in chosen]
    if any(group.is_package for group in groups if group.key in chosen):
        heavy = {group.number for group in groups if group.key in chosen}
        parts.append([path for path, numbers in owner.items() if not heavy.issuperset(numbers)])
    part_of: dict[bytes, tuple[int, ...]] = {}
    for number, paths in enumerate(parts):
        for path in paths:
            part_of[path] = (*part_of.get(path, ()), number)
    _keep_links_together(scan, part_of)
    used = sorted({number for numbers in part_of.values() for number in numbers})
    if not used:
        return None
    new = {number: at for at, number in enumerate(used)}
    return _moves(scan, {path: tuple(new[one] for one in numbers) for path, numbers in part_of.items()}, len(used))


class _Group(NamedTuple):
    """What may become one layer. `key` gives the order: packages stand before files. `number` is the package's."""

    key: tuple[int, str, bytes]
    size: int
    paths: list[bytes]
    number: int = -1

    @property
    def is_package(self) -> bool:
        return self.key[0] == 0


_Owners = Mapping[bytes, tuple[int, ...]]


def _groups(scan: Scan, installed: Sequence[Installed], owner: _Owners, rules: Rules) -> list[_Group]:
    paths: list[list[bytes]] = [[] for _ in installed]
    sizes = [0] * len(installed)
    for path, numbers in owner.items():
        for number in numbers:
            paths[number].append(path)
            sizes[number] += scan.size(path) or 0
    found = [
        _Group((0, one.package.name, one.package.folder), sizes[number], paths[number], number)
        for number, one in enumerate(installed)
        if sizes[number] >= rules.heavy
    ]
    if scan.largest >= rules.large:
        found += _large(scan, owner, rules.large)
    return sorted(found)


def _large(scan: Scan, owner: _Owners, large: int) -> Iterator[_Group]:
    """Files that belong to no distribution; one with several names is one file."""
    names = {path: paths for paths in scan.linked.values() for path in paths}
    for folder, one in scan.folders.items():
        for name, size in one.files.items():
            path = join(folder, name)
            paths = names.get(path, [path])
            if size >= large and path == min(paths) and not any(other in owner for other in paths):
                yield _Group((1, "", path), size, paths)


def _keep_links_together(scan: Scan, part_of: dict[bytes, tuple[int, ...]]) -> None:
    """A hard link exists within one layer only. All names of a file go where some of them go (conda links what it
    installs to its cache of packages); with the rest when that is more than one layer.
    """
    for paths in scan.linked.values():
        found = {part_of[path] for path in paths if path in part_of}
        if len(paths) < 2 or not found:
            continue
        numbers = found.pop()
        for path in paths:
            part_of.pop(path, None)
            if not found and len(numbers) == 1:
                part_of[path] = numbers


def _moves(scan: Scan, part_of: _Owners, parts: int) -> Plan:
    whole, has_rest = _whole(scan, part_of)
    moves: list[Move] = []
    pending = [b""]
    while pending:
        path = pending.pop()
        folder = scan.folders[path]
        for name in folder.files:
            numbers = part_of.get(join(path, name), ())
            moves += [Move(path, name, number, copy=number != numbers[-1]) for number in numbers]
        for name in folder.folders:
            part = whole[join(path, name)]
            if part == _MIXED:
                pending.append(join(path, name))
            elif part != _REST:
                moves.append(Move(path, name, part))
    opaque = tuple(path for path, one in scan.folders.items() if one.is_opaque and whole[path] != _REST)
    return Plan(parts, tuple(moves), has_rest, opaque)


def _whole(scan: Scan, part_of: _Owners) -> tuple[dict[bytes, int], bool]:
    """Of each folder the part that everything below it goes to, and whether the rest has anything but folders."""
    whole: dict[bytes, int] = {}
    has_rest = False
    for path in reversed(scan.folders):
        one = scan.folders[path]
        marks = {number for name in one.files for number in part_of.get(join(path, name), (_REST,))}
        if one.has_others or not (one.files or one.folders):
            marks.add(_REST)
        has_rest = has_rest or _REST in marks
        marks.update(whole[join(path, name)] for name in one.folders)
        whole[path] = marks.pop() if len(marks) == 1 else _MIXED
    return whole, has_rest
