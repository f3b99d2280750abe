"""Two readings of the same paths → what changed between them, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from wherry.build.explain_names import Names, shown
from wherry.trace.observe import CONTENT, LINK, LIST, NODE, TREE, XATTRS, Look
from wherry.trace.values import ABSENT

__all__ = ["Parts", "changes", "joined"]

_MOST = 3
_HOLDS = "holds "


class Parts(NamedTuple):
    """A value taken apart. `node` are its words ("file 644 0:0 ..."), () when it was not asked; `names` None when the
    listing was not asked or was too long to keep.
    """

    node: tuple[str, ...]
    names: frozenset[str] | None
    rest: str

    @staticmethod
    def of(look: Look, value: str) -> Parts:
        node: tuple[str, ...] = ()
        rest = value
        if look.kinds & NODE:
            first, _, rest = value.partition("; ")
            node = tuple(first.split(" "))
        names = None
        if look.kinds & LIST and _HOLDS in rest:
            text = rest[rest.index(_HOLDS) + len(_HOLDS) :]
            if look.kinds & XATTRS:
                text = text.rpartition("; ")[0] if look.kinds & CONTENT == 0 else text.rsplit("; ", 2)[0]
            names = frozenset(filter(None, text.split("/"))) if not text[:1].isdigit() else None
        return Parts(node, names, rest)

    @property
    def is_absent(self) -> bool:
        return self.node[:1] == (ABSENT,)

    @property
    def is_file(self) -> bool:
        return self.node[:1] == ("file",)


def changes(looks: Sequence[Look], before: Sequence[str], now: Sequence[str], names: Names) -> list[str]:
    """The most telling first: files, then what appeared in or vanished from folders that were listed."""
    files: list[str] = []
    folders: list[str] = []
    said: set[str] = set()
    for look, old, new in zip(looks, before, now, strict=True):
        if old == new:
            continue
        was, is_now = Parts.of(look, old), Parts.of(look, new)
        if look.kinds & LIST and not was.is_absent and not is_now.is_absent and was.rest != is_now.rest:
            for name, text in _listed(look, was, is_now, names):
                if name not in said:
                    said.add(name)
                    folders.append(text)
        else:
            name = names.name(look.layer, look.path)
            files.append(f"{name} {_change(look, was, is_now)}")
    return [text for text in files if text.partition(" ")[0] not in said] + folders


def _listed(look: Look, was: Parts, is_now: Parts, names: Names) -> Iterator[tuple[str, str]]:
    folder = "/" + shown(look.path.decode("utf-8", "surrogateescape"))
    if was.names is None or is_now.names is None:
        yield "", f"other names in {folder}, which this step lists"
        return
    # The first letter of each name says what it is
    old, new = {one[1:] for one in was.names}, {one[1:] for one in is_now.names}
    for one in sorted(old ^ new) or sorted({name[1:] for name in was.names ^ is_now.names}):
        name = names.name(look.layer, b"/".join(filter(None, (look.path, one.encode("utf-8", "surrogateescape")))))
        what = "appeared" if one not in old else "vanished" if one not in new else "is of another kind"
        yield name, f"{name} {what} in {folder}, which this step lists"


def _change(look: Look, was: Parts, is_now: Parts) -> str:
    if was.is_absent:
        return "appeared"
    if look.kinds & TREE and not is_now.is_absent:
        return "has other files in it"
    if is_now.is_absent:
        return "vanished"
    if was.node[:1] != is_now.node[:1]:
        return f"became a {is_now.node[0]}"
    if look.kinds & LINK and was.rest != is_now.rest:
        return "points elsewhere"
    if was.rest == is_now.rest and was.node[1:2] != is_now.node[1:2]:
        return "has another mode"
    if was.rest == is_now.rest and was.node[2:3] != is_now.node[2:3]:
        return "has another owner"
    return "changed"


def joined(texts: Sequence[str]) -> str:
    """The first few, and how many more."""
    more = f", and {len(texts) - _MOST} more" if len(texts) > _MOST else ""
    return ", ".join(texts[:_MOST]) + more
