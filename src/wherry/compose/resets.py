"""`!reset` and `!override`: what a file takes away from those before it.

Compose specification, 13, "Reset value": https://github.com/compose-spec/compose-spec/blob/v2.1.0/13-merge.md
"""

from __future__ import annotations

from wherry.compose.tree import RESET, Map, Override, Path, Seq

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.compose.tree import Mark, Tree

__all__ = ["resettled", "take_away"]


def resettled(tree: Tree) -> tuple[Tree, list[Path]]:
    """A copy of a document's tree without the tags, and the paths that had one."""
    paths: list[Path] = []
    return _without(tree, (), paths), paths


def _without(tree: Tree, path: Path, paths: list[Path]) -> Tree:
    if tree is RESET or isinstance(tree, Override):
        paths.append(path)
        # Within `!override` nothing is looked for, as docker-compose does: the tags of its inside mean nothing
        return _bare(tree.value) if isinstance(tree, Override) else None
    if isinstance(tree, Map):
        entries = ((key, _without(value, (*path, key), paths)) for key, value in tree.items())
        return Map([(key, value) for key, value in entries if tree[key] is not RESET], dict(tree.marks))
    if isinstance(tree, Seq):
        marks: list[Mark | None] = []
        items = Seq((), marks)
        for number, item in enumerate(tree):
            value = _without(item, (*path, number), paths)
            if item is not RESET:
                items.append(value)
                marks.append(tree.marks[number])
        return items
    return tree


def _bare(tree: Tree) -> Tree:
    if tree is RESET:
        return None
    if isinstance(tree, Override):
        return _bare(tree.value)
    if isinstance(tree, Map):
        return Map({key: _bare(value) for key, value in tree.items()}, dict(tree.marks))
    if isinstance(tree, Seq):
        return Seq(map(_bare, tree), list(tree.marks))
    return tree


def take_away(tree: Tree, paths: list[Path]) -> None:
    """Remove from `tree` what stands at `paths`. An item of a list stays, as with docker-compose."""
    for path in paths:
        at = tree
        for key in path[:-1]:
            at = at.get(key) if isinstance(at, dict) else None
        if path and isinstance(at, dict):
            at.pop(path[-1], None)
