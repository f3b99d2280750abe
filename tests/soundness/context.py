"""Build contexts as data: a mapping of paths to nodes, changed by pure functions, and written to a folder.

Paths are relative and use "/"; bytes that are no UTF-8 are surrogates, as `os.fsdecode` makes them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

__all__ = ["CAPABILITY", "Context", "Node", "below", "drop", "move", "put", "sync"]

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
"""security.capability, version 2: cap_net_bind_service, permitted and effective."""


_HOLE_BYTES = 1 << 14


class Node(NamedTuple):
    """`kind` is "file", "dir", "link" or "hard". `target` is what a link says, or the path that a hard link shares.

    `mode` has the permission bits only; that of links is not used, and a hard link has that of its target.
    """

    kind: str
    mode: int = 0o644
    data: bytes = b""
    target: str = ""
    is_capable: bool = False


Context = Mapping[str, Node]


def put(tree: Context, path: str, node: Node) -> Context:
    """With `node` at `path`; folders above are made, and what stands in their way goes."""
    result = dict(drop(tree, path))
    parts = path.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        above = "/".join(parts[:depth])
        if above not in result or result[above].kind != "dir":
            result[above] = Node("dir", 0o755)
    result[path] = node
    return result


def drop(tree: Context, path: str) -> Context:
    """Without `path` and all below it."""
    return {name: node for name, node in tree.items() if name != path and not name.startswith(path + "/")}


def below(tree: Context, path: str) -> Context:
    """`path` and what is below it, named from there ("" is itself)."""
    return {
        name[len(path) :].lstrip("/"): node
        for name, node in tree.items()
        if name == path or name.startswith(path + "/")
    }


def move(tree: Context, old: str, new: str) -> Context:
    """`old` and all below it under another name; a folder does not go into itself."""
    if new == old or new.startswith(old + "/") or old not in tree:
        return tree
    taken = below(tree, old)
    result = put(drop(tree, old), new, taken[""])
    return {**result, **{f"{new}/{name}": node for name, node in taken.items() if name}}


def sync(folder: Path, old: Context, new: Context, *, in_place: bool = False, keep_times: bool = False) -> None:
    """Make the folder, which holds `old`, hold `new`, touching only what differs.

    `in_place`: files are written over, else replaced by new ones. `keep_times`: a rewritten file keeps its mtime.
    """
    root = os.fsencode(folder)
    os.makedirs(root, exist_ok=True)
    for path, node in sorted(old.items(), reverse=True):
        if node.kind == "hard" or path not in new or new[path].kind != node.kind or _shares(old, new, path):
            _remove(os.path.join(root, os.fsencode(path)))
    for path, node in sorted(new.items()):
        where = os.path.join(root, os.fsencode(path))
        if node.kind != "hard" and (old.get(path) != node or not os.path.lexists(where)):
            _write(where, node, in_place=in_place, keep_times=keep_times)
    for path, node in sorted(new.items()):
        if node.kind == "hard":
            _link(root, path, node)
    for path, node in new.items():
        if node.kind == "dir":
            os.chmod(os.path.join(root, os.fsencode(path)), node.mode)


def _shares(old: Context, new: Context, path: str) -> bool:
    """Whether a hard link pointed here: writing in place would change it too."""
    return any(node.kind == "hard" and node.target == path for tree in (old, new) for node in tree.values())


def _remove(path: bytes) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _write(path: bytes, node: Node, *, in_place: bool, keep_times: bool) -> None:
    if node.kind == "dir":
        os.makedirs(path, exist_ok=True)
        return
    times = None
    if os.path.lexists(path):
        found = os.lstat(path)
        times = (found.st_atime_ns, found.st_mtime_ns) if keep_times else None
        if node.kind == "link" or not in_place:
            os.unlink(path)
    if node.kind == "link":
        os.symlink(os.fsencode(node.target), path)
        return
    with open(path, "wb") as file:
        # Zeros in front become a hole
        file.seek(len(node.data) - len(node.data.lstrip(b"\0")) if len(node.data) > _HOLE_BYTES else 0)
        file.write(node.data[file.tell() :])
    os.chmod(path, node.mode)
    if node.is_capable:
        os.setxattr(path, "security.capability", CAPABILITY)
    if times:
        os.utime(path, ns=times)


def _link(root: bytes, path: str, node: Node) -> None:
    source, where = (os.path.join(root, os.fsencode(one)) for one in (node.target, path))
    if os.path.isfile(source) and not os.path.islink(source):
        os.link(source, where)
    else:
        _write(where, Node("file", 0o644, b""), in_place=False, keep_times=False)
