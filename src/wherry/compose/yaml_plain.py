"""Plain YAML without PyYAML, whose import takes longer than all else that `compose up` does when nothing is to be done.

Plain is what most Compose files are made of: mappings and lists by indentation, scalars of one line with quotes or
without, flow lists and mappings of one line, comments. All else (anchors, tags, block scalars, escapes, several
documents, tabs, and whatever is wrong) is None here, and libyaml's to read, or to refuse.
What is read here is what `yaml_reader` makes of it, places included (docs/adr/0250-plain-yaml.md).
"""

from __future__ import annotations

from wherry.compose.scalars import resolve
from wherry.compose.tree import Map, Mark, Seq

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.compose.source import Source
    from wherry.compose.tree import Tree

__all__ = ["plain_tree"]

_BYTES = bytes(range(32, 127)) + b"\n"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
_IN_KEY = _LETTERS + "./-"
_FIRST = frozenset(_LETTERS + "./~$+")
"""What a scalar without quotes may begin with here; with `-`, too, when no blank follows."""
_IN_FLOW = frozenset(_LETTERS + "./~$+-=:@ ")
_LONGEST = 1000
"""Characters of a line: behind more than 1024 of them, YAML knows no key."""
_DEEPEST = 60


class _NotPlain(Exception):
    """Leave it to libyaml."""


def plain_tree(source: Source) -> Map | None:
    """The mapping that a file is, if it is plain in all its lines; None says nothing about what it is otherwise."""
    try:
        return _Lines(source, _text(source.data)).top()
    except _NotPlain:
        return None


def _text(data: bytes) -> str:
    if not data.translate(None, _BYTES):
        return data.decode("ascii")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise _NotPlain from None
    # Neither tabs, nor line ends of other kinds, nor what is nothing to see
    if not text.replace("\n", "").isprintable():
        raise _NotPlain
    return text


class _Lines:
    """The lines that have content; `_at` is the next one. Numbers and columns count from 1, indents from 0."""

    def __init__(self, source: Source, text: str) -> None:
        self._source = source
        self._numbers: list[int] = []
        self._indents: list[int] = []
        self._texts: list[str] = []
        self._at = self._depth = 0
        for number, line in enumerate(text.split("\n"), 1):
            text = line.lstrip(" ")
            if text and text[0] != "#":
                if len(line) > _LONGEST or line.startswith(("---", "...")):
                    raise _NotPlain
                self._numbers.append(number)
                self._indents.append(len(line) - len(text))
                self._texts.append(text.rstrip(" "))
        # Behind the last line one that ends all blocks
        self._indents.append(-1)
        self._texts.append("")

    def top(self) -> Map:
        if self._indents[0]:
            raise _NotPlain
        tree = self._mapping(0)
        if self._indents[self._at] >= 0:
            raise _NotPlain
        return tree

    def _block(self, indent: int) -> Map | Seq:
        """What begins with this line, at its indent."""
        if self._depth >= _DEEPEST:
            raise _NotPlain
        self._depth += 1
        tree = self._sequence(indent) if _is_item(self._texts[self._at]) else self._mapping(indent)
        self._depth -= 1
        return tree

    def _mapping(self, indent: int) -> Map:
        tree = Map()
        marks = tree.marks
        while True:
            number, text = self._numbers[self._at], self._texts[self._at]
            key = _key(text)
            if key in marks:
                raise _NotPlain
            rest = _behind(text, len(key) + 1)
            self._at += 1
            below = self._indents[self._at]
            place = (number, indent + 1 + (len(text) - len(rest) if rest else len(key) + 1))
            if rest:
                tree[key] = _scalar_or_flow(rest, self._source, *place)
            elif below > indent:
                place = self._here()
                tree[key] = self._block(below)
            elif below == indent and _is_item(self._texts[self._at]):
                place = self._here()
                tree[key] = self._sequence(indent)
            else:
                tree[key] = None
            marks[key] = Mark(self._source, number, indent + 1, *place)
            if not self._goes_on(indent):
                return tree

    def _sequence(self, indent: int) -> Seq:
        items = Seq()
        while True:
            number, text = self._numbers[self._at], self._texts[self._at]
            rest = _behind(text, 1)
            place = (number, indent + 1 + (len(text) - len(rest) if rest else 1))
            if _is_item(rest) or _is_entry(rest):
                # As if blanks stood for the `-`
                self._indents[self._at], self._texts[self._at] = place[1] - 1, rest
                item: Tree = self._block(place[1] - 1)
            else:
                self._at += 1
                if rest:
                    item = _scalar_or_flow(rest, self._source, *place)
                elif self._indents[self._at] > indent:
                    place = self._here()
                    item = self._block(self._indents[self._at])
                else:
                    item = None
            items.append(item)
            items.marks.append(Mark(self._source, *place, *place))
            if not self._goes_on(indent) or not _is_item(self._texts[self._at]):
                return items

    def _here(self) -> tuple[int, int]:
        return self._numbers[self._at], self._indents[self._at] + 1

    def _goes_on(self, indent: int) -> bool:
        """Whether the next line belongs to the block of this indent."""
        below = self._indents[self._at]
        if below > indent:
            raise _NotPlain
        return below == indent


def _is_item(text: str) -> bool:
    return text[:1] == "-" and text[1:2] in {"", " "}


def _is_entry(text: str) -> bool:
    """Whether a text begins with a key. What has quotes or brackets before the colon is none here."""
    if text[:1] in {"", "'", '"', "[", "{"}:
        return False
    text = text.split(" #", 1)[0]
    return ": " in text or text.endswith(":")


def _key(text: str) -> str:
    """The key that a line, or a part of a flow mapping, begins with. A plain number or `true` is none."""
    key, colon, rest = text.partition(":")
    if not colon or not key or key.strip(_IN_KEY) or key[0] == "-" or rest[:1] not in {"", " "}:
        raise _NotPlain
    if type(resolve(key)) is not str:
        raise _NotPlain
    return key


def _behind(text: str, at: int) -> str:
    """What stands behind a key or `-`, without the blanks before it; nothing, if it is a comment."""
    rest = text[at:].lstrip(" ")
    return "" if rest[:1] == "#" else rest


def _scalar_or_flow(text: str, source: Source, number: int, column: int) -> Tree:
    """The value that ends with its line, but for a comment."""
    if text[0] in "'\"[{":
        tree, end = _Flow(text, source, number, column).node(0)
        behind = text[end:]
        if behind and not (behind[0] == " " and behind.lstrip(" ")[0] == "#"):
            raise _NotPlain
        return tree
    plain = text.split(" #", 1)[0].rstrip(" ")
    if not _may_begin(plain) or ": " in plain or plain[-1] == ":":
        raise _NotPlain
    return resolve(plain)


def _may_begin(plain: str) -> bool:
    return plain[:1] in _FIRST or (plain[:1] == "-" and plain[1:2] not in {"", " "})


class _Flow:
    """A part of one line: quoted scalars, and what stands in brackets. `column` is that of the part's beginning."""

    def __init__(self, text: str, source: Source, number: int, column: int) -> None:
        self._text, self._source, self._number, self._column = text, source, number, column
        self._depth = 0

    def node(self, at: int) -> tuple[Tree, int]:
        """What begins at `at`, and where it ends."""
        first = self._text[at : at + 1]
        if first in {"[", "{"}:
            if self._depth >= _DEEPEST:
                raise _NotPlain
            self._depth += 1
            found = self._sequence(at + 1) if first == "[" else self._mapping(at + 1)
            self._depth -= 1
            return found
        if first == "'":
            return self._single_quoted(at + 1)
        if first == '"':
            return self._double_quoted(at + 1)
        return self._plain(at)

    def _plain(self, at: int) -> tuple[Tree, int]:
        text, end = self._text, at
        while text[end : end + 1] in _IN_FLOW:
            end += 1
        plain = text[at:end].rstrip(" ")
        if not _may_begin(plain) or ": " in plain or plain[-1] == ":":
            raise _NotPlain
        return resolve(plain), end

    def _double_quoted(self, at: int) -> tuple[str, int]:
        end = self._text.find('"', at)
        if end < 0 or "\\" in self._text[at:end]:
            raise _NotPlain
        return self._text[at:end], end + 1

    def _single_quoted(self, at: int) -> tuple[str, int]:
        end = self._text.find("'", at)
        while end >= 0 and self._text[end + 1 : end + 2] == "'":
            end = self._text.find("'", end + 2)
        if end < 0:
            raise _NotPlain
        return self._text[at:end].replace("''", "'"), end + 1

    def _sequence(self, at: int) -> tuple[Seq, int]:
        items = Seq()
        at = self._blanks(at)
        if self._text[at : at + 1] == "]":
            return items, at + 1
        while True:
            place = (self._number, self._column + at)
            item, at = self.node(at)
            items.append(item)
            items.marks.append(Mark(self._source, *place, *place))
            at, is_end = self._next(at, "]")
            if is_end:
                return items, at

    def _mapping(self, at: int) -> tuple[Map, int]:
        tree = Map()
        at = self._blanks(at)
        if self._text[at : at + 1] == "}":
            return tree, at + 1
        while True:
            key = _key(self._text[at:])
            if key in tree:
                raise _NotPlain
            value_at = self._blanks(at + len(key) + 1)
            tree.marks[key] = Mark(self._source, self._number, self._column + at, self._number, self._column + value_at)
            tree[key], at = self.node(value_at)
            at, is_end = self._next(at, "}")
            if is_end:
                return tree, at

    def _next(self, at: int, closing: str) -> tuple[int, bool]:
        """Behind the comma or the closing bracket; whether it was that."""
        at = self._blanks(at)
        sign = self._text[at : at + 1]
        if sign == closing:
            return at + 1, True
        if sign != ",":
            raise _NotPlain
        return self._blanks(at + 1), False

    def _blanks(self, at: int) -> int:
        while self._text[at : at + 1] == " ":
            at += 1
        return at
