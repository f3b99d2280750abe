"""A Compose file's tree: plain dicts and lists that know where each of their entries was written.

`Map` is a dict and `Seq` a list; all other code may treat them as such. What is made of them by code that does not care
is a plain dict or list, and then the nearest container above still says where it came from.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, NamedTuple

    from wherry.compose.source import Source

    Tree = Any  # Map, Seq, str, int, float, bool or None
else:
    from wherry.lean import NamedTuple

    Tree = object

__all__ = [
    "HERE", "RESET", "Document", "Map", "Mark", "Override", "Path", "Seq", "Tree", "child", "dotted", "find",
]  # fmt: skip

HERE = None
"""In tables of places, which are mappings by key: what is known of the place itself. A key may be "", but not None."""
Path = tuple["str | int", ...]


class Mark(NamedTuple):
    """Where an entry stands: its key, and its value. Lines and columns count from 1."""

    source: Source
    key_line: int
    key_column: int
    line: int
    column: int


class Map(dict[str, Tree]):
    """A mapping. `marks` has a Mark for each key that a file wrote; code that adds keys need not add any."""

    __slots__ = ("marks",)

    def __init__(
        self, entries: Iterable[tuple[str, Tree]] | dict[str, Tree] = (), marks: dict[str, Mark] | None = None
    ):
        super().__init__(entries)
        self.marks: dict[str, Mark] = {} if marks is None else marks


class Seq(list[Tree]):
    """A sequence. `marks` is parallel to the items as far as it goes."""

    __slots__ = ("marks",)

    def __init__(self, items: Iterable[Tree] = (), marks: list[Mark | None] | None = None):
        super().__init__(items)
        self.marks: list[Mark | None] = [] if marks is None else marks


class _Reset:
    """Stands where `!reset` was."""

    def __repr__(self) -> str:
        return "RESET"


RESET = _Reset()


class Override:
    """Stands around a value that was tagged `!override`."""

    __slots__ = ("value",)

    def __init__(self, value: Tree) -> None:
        self.value = value


class Document:
    """One document of a file. `has_tags`: a RESET or an Override stands somewhere in its tree."""

    __slots__ = ("has_tags", "tree")

    def __init__(self, tree: Tree, has_tags: bool) -> None:
        self.tree = tree
        self.has_tags = has_tags


def child(node: Tree, key: str | int) -> tuple[Tree, Mark | None]:
    """The entry of `node` at `key` and where it was written, as far as is known; (None, None) when it is not there."""
    mark = None
    if isinstance(node, dict):
        if isinstance(node, Map):
            mark = node.marks.get(str(key))
        return node.get(str(key)), mark
    if isinstance(node, list) and isinstance(key, int):
        if isinstance(node, Seq) and 0 <= key < len(node.marks):
            mark = node.marks[key]
        return (node[key] if 0 <= key < len(node) else None), mark
    return None, None


def find(tree: Tree, path: Path, top: Mark | None = None) -> Mark | None:
    """Where the entry at `path` was written; the nearest entry above it, when that is not known."""
    found = top
    for key in path:
        tree, mark = child(tree, key)
        found = mark or found
    return found


def dotted(path: Path) -> str:
    """ "services.web.ports[0]"."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text
