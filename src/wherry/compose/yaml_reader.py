"""YAML to trees that know their places: by libyaml's events, one node at a time.

The tree is made here and not by PyYAML's constructors, so that scalars mean what they mean to docker-compose (see
`scalars`), a key given twice is a fault that names both places, `!reset` and `!override` are seen wherever they stand,
and a file of a few lines that stands for millions of nodes is refused before they are made.
An alias gives the very object of its anchor again: whoever changes trees copies them first (`interpolate` does).
YAML 1.2.2: https://yaml.org/spec/1.2.2/
"""

from __future__ import annotations

from wherry.compose import scalars
from wherry.compose.source import fault_at
from wherry.compose.tree import RESET, Document, Map, Mark, Override, Seq

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from wherry.compose.source import Source
    from wherry.compose.tree import Tree
    from wherry.errors import ComposeError

__all__ = ["documents"]

_DEEPEST = 200  # levels; docker-compose takes 10,000, but no real file has more than twenty
_MOST_BY_ALIAS = 100_000  # nodes that aliases stand for in one file, each time they are used
_TAG = "tag:yaml.org,2002:"


def documents(source: Source) -> Iterator[Document]:
    """
    The documents of a file in order, each when the one before has been taken.

    Raises:
        ComposeError: what is not YAML, with line and column; a key twice; an unknown anchor; too deep or too much.
    """
    reader = _Reader(source)
    while (tree := reader.next_document()) is not _END:
        yield Document(tree, reader.has_tags)


_END = object()


class _Anchor:
    """What `&name` named: nothing yet while it is read. `nodes` counts what an alias to it stands for."""

    __slots__ = ("nodes", "tree")

    def __init__(self) -> None:
        self.tree: Tree = _END
        self.nodes = 0


class _Reader:
    def __init__(self, source: Source) -> None:
        import yaml

        self._source = source
        self._anchors: dict[str, _Anchor] = {}
        self._nodes = 0
        self._by_alias = 0
        self._path: list[str | Seq] = []  # of the node that is read: keys, and sequences as far as they are read
        self.has_tags = False
        self._faults = yaml.YAMLError
        self._scalar: type = yaml.ScalarEvent
        self._mapping: type = yaml.MappingStartEvent
        self._sequence: type = yaml.SequenceStartEvent
        self._alias: type = yaml.AliasEvent
        self._mapping_end: type = yaml.MappingEndEvent
        self._sequence_end: type = yaml.SequenceEndEvent
        self._document: type = yaml.DocumentStartEvent
        self._stream_end: type = yaml.StreamEndEvent
        loader = getattr(yaml, "CLoader", None) or yaml.Loader
        try:
            self._next = loader(source.data).get_event
        except yaml.YAMLError as fault:
            raise _not_yaml(source, fault) from None

    def next_document(self) -> Tree:
        try:
            while True:
                event = self._next()
                if type(event) is self._document:
                    self._anchors, self.has_tags = {}, False
                    return self._node(self._next())
                if type(event) is self._stream_end:
                    return _END
        except self._faults as fault:
            raise _not_yaml(self._source, fault) from None

    def _node(self, event: Any) -> Tree:
        kind = type(event)
        self._nodes += 1
        if kind is self._scalar:
            tree = self._scalar_of(event)
            if event.anchor is not None:
                anchor = self._anchors[event.anchor] = _Anchor()
                anchor.tree, anchor.nodes = tree, 1
            return tree
        if kind is self._alias:
            return self._aliased(event)
        before = self._nodes
        anchor = _Anchor()
        if event.anchor is not None:
            self._anchors[event.anchor] = anchor
        tag: str | None = event.tag
        if len(self._path) >= _DEEPEST:
            raise self._fault(event, f"yaml: exceeded max depth of {_DEEPEST}")
        tree = self._mapping_of() if kind is self._mapping else self._sequence_of()
        if tag in {"!reset", "!override"}:
            self.has_tags = True
            tree = RESET if tag == "!reset" else Override(tree)
        anchor.tree, anchor.nodes = tree, self._nodes - before + 1
        return tree

    def _scalar_of(self, event: Any) -> Tree:
        tag = event.tag
        if tag is None or (tag == "!" and event.implicit[0]):
            return scalars.resolve(event.value) if event.implicit[0] else event.value
        if tag == "!reset":
            self.has_tags = True
            return RESET
        if tag == "!override":
            self.has_tags = True
            return Override(scalars.resolve(event.value) if event.style is None else event.value)
        try:
            return scalars.tagged(tag.replace(_TAG, "!!", 1), event.value, event.style is None)
        except ValueError as wrong:
            raise self._fault(event, f"yaml: {wrong}") from None

    def _sequence_of(self) -> Seq:
        items = Seq()
        marks = items.marks
        source, following, end = self._source, self._next, self._sequence_end
        self._path.append(items)
        while type(event := following()) is not end:
            place = event.start_mark
            line, column = place.line + 1, place.column + 1
            marks.append(Mark(source, line, column, line, column))
            items.append(self._node(event))
        self._path.pop()
        return items

    def _mapping_of(self) -> Map:
        tree: Map = Map()
        marks = tree.marks
        merged: Tree = None
        merge_place: Any = None
        source, following, end = self._source, self._next, self._mapping_end
        path = self._path
        path.append("")
        while type(event := following()) is not end:
            key = self._key(event)
            path[-1] = key
            place, value_event = event.start_mark, following()
            value_place = value_event.start_mark
            mark = Mark(source, place.line + 1, place.column + 1, value_place.line + 1, value_place.column + 1)
            if key == "<<" and event.implicit[0] and event.tag is None:
                if merge_place is not None:
                    raise self._twice(mark, "<<", merge_place)
                merged, merge_place = self._node(value_event), mark
                continue
            if key in marks:
                raise self._twice(mark, key, marks[key])
            marks[key] = mark
            tree[key] = self._node(value_event)
        path.pop()
        if merge_place is not None:
            self._merge(tree, merged, merge_place)
        return tree

    def _key(self, event: Any) -> str:
        """A key as text. docker-compose, too, takes no other than text."""
        kind = type(event)
        if kind is self._scalar:
            key = self._scalar_of(event)
            if isinstance(key, str):
                if event.anchor is not None:
                    anchor = self._anchors[event.anchor] = _Anchor()
                    anchor.tree, anchor.nodes = key, 1
                return key
            shown = "<nil>" if key is None else scalars.go_text(key)
        elif kind is self._alias:
            key = self._aliased(event)
            if isinstance(key, str):
                return key
            shown = f"*{event.anchor}"
        else:
            raise self._fault(event, "a key must be text: this is a list or a mapping")
        parts = (f".{part}" if isinstance(part, str) else f"[{len(part)}]" for part in self._path[:-1])
        where = "".join(parts)[1:]
        hint = f'write it with quotes: "{event.value if kind is self._scalar else shown}"'
        raise self._fault(event, f"Non-string key {f'in {where}' if where else 'at top level'}: {shown}", hint=hint)

    def _aliased(self, event: Any) -> Tree:
        anchor = self._anchors.get(event.anchor)
        if anchor is None:
            raise self._fault(event, f"yaml: unknown anchor '{event.anchor}' referenced")
        if anchor.tree is _END:
            raise self._fault(event, f"yaml: anchor '{event.anchor}' value contains itself")
        self._nodes += anchor.nodes
        self._by_alias += anchor.nodes
        if self._by_alias > _MOST_BY_ALIAS:
            raise self._fault(
                event,
                "yaml: document contains excessive aliasing",
                hint=f"aliases of a file may stand for {_MOST_BY_ALIAS:,} values together",
            )
        return anchor.tree

    def _merge(self, tree: Map, merged: Tree, place: Mark) -> None:
        """Take what `<<` gives and the mapping lacks; of several mappings the first one counts."""
        for source in merged if isinstance(merged, list) else [merged]:
            if not isinstance(source, Map):
                message = "yaml: map merge requires map or sequence of maps as the value"
                raise fault_at(self._source, place.line, place.column, message)
            for key, value in source.items():
                if key not in tree or tree[key] is RESET:
                    # A key with `!reset` counts as absent here, as with docker-compose
                    # Differs from docker: a `!reset` that comes with `<<` counts; docker-compose 2.26 forgets it once
                    # the anchor was read, later ones do not
                    tree[key] = Override(value) if key in tree else value
                    if key in source.marks:
                        tree.marks[key] = source.marks[key]

    def _twice(self, mark: Mark, key: str, first: Mark) -> ComposeError:
        message = f'yaml: line {mark.key_line}: mapping key "{key}" already defined at line {first.key_line}'
        return fault_at(
            self._source,
            mark.key_line,
            mark.key_column,
            message,
            hint=f"keep one of lines {first.key_line} and {mark.key_line}",
        )

    def _fault(self, event: Any, message: str, *, hint: str | None = None) -> ComposeError:
        place = event.start_mark
        return fault_at(self._source, place.line + 1, place.column + 1, message, hint=hint)


def _not_yaml(source: Source, fault: Any) -> ComposeError:
    """PyYAML's fault as ours, in the words that libyaml has for it (docker-compose's parser is a port of it)."""
    mark = getattr(fault, "problem_mark", None) or getattr(fault, "context_mark", None)
    if mark is None:  # the reader's: bytes that are no text
        at = getattr(fault, "position", None) or 0
        before = source.data[:at]
        line, column = before.count(b"\n") + 1, at - before.rfind(b"\n")
        return fault_at(source, line, column, f"yaml: {getattr(fault, 'reason', fault)}", width=1)
    problem = fault.problem or fault.context
    message = f"yaml: line {mark.line + 1}: {problem}"
    if fault.context and fault.problem:
        message += f" ({fault.context}"
        start = getattr(fault, "context_mark", None)
        message += f" that begins at line {start.line + 1})" if start and start.line != mark.line else ")"
    hint = _tab_hint(source, mark.line)
    return fault_at(source, mark.line + 1, mark.column + 1, message, width=1, hint=hint)


def _tab_hint(source: Source, line: int) -> str | None:
    lines = source.lines
    indent = lines[line][: len(lines[line]) - len(lines[line].lstrip())] if line < len(lines) else ""
    return "YAML takes no tab for indentation: use spaces" if "\t" in indent else None
