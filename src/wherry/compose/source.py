"""The text that a tree came from, and faults that show it."""

from __future__ import annotations

from wherry.errors import ComposeError, ComposeFileMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.compose.tree import Document, Mark, Path, Tree

__all__ = ["Source", "fault", "fault_at", "fault_in", "missing"]


class Source:
    """A file: its name as it is shown, its bytes, and its YAML. Lines are cut only when a fault shows them."""

    __slots__ = ("_documents", "data", "name")

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data
        self._documents: list[Document] | None = None

    def __repr__(self) -> str:
        return f"Source({self.name!r}, {len(self.data)} bytes)"

    @property
    def documents(self) -> list[Document]:
        """The file's YAML, parsed at the first use. Raises: ComposeError."""
        if self._documents is None:
            self._documents = self._read()
        return self._documents

    def _read(self) -> list[Document]:
        from wherry.compose.tree import Document
        from wherry.compose.yaml_plain import plain_tree

        tree = plain_tree(self)
        if tree is not None:
            return [Document(tree, has_tags=False)]
        from wherry.compose.yaml_reader import documents

        return list(documents(self))

    @property
    def lines(self) -> tuple[str, ...]:
        text = self.data.decode("utf-8-sig", "replace")
        return tuple(line.removesuffix("\r") for line in text.split("\n"))


def fault_at(
    source: Source | None, line: int, column: int, message: str, *, width: int = 0, hint: str | None = None
) -> ComposeError:
    """A fault at a place (both from 1; a line of 0 is the file as a whole), ready to raise.

    `width` columns are underlined; 0 takes the word that stands there. What a file wrote may be in the texts: no
    control character of it reaches a terminal.
    """
    from wherry.dockerfile.span import Source as Lines
    from wherry.dockerfile.span import Span, printable

    message = "\n".join(map(printable, message.split("\n")))
    hint = hint and printable(hint)
    if source is None or not line:
        return ComposeError(message, hint=hint, where=source.name if source else None)
    lines = source.lines
    line = min(line, len(lines))
    text = lines[line - 1]
    end = column + (width or _word(text[column - 1 :]))
    shown = Span(Lines(source.name, lines), line, line, column, end).excerpt()
    # The excerpt's own first line names the file again
    return ComposeError(message, hint=hint, where=f"{source.name}:{line}:{column}", source=shown.split("\n", 1)[1])


def fault(mark: Mark | None, message: str, *, key: bool = False, hint: str | None = None) -> ComposeError:
    """A fault at an entry's value, or at its `key`; without a mark it has no place."""
    if mark is None:
        return fault_at(None, 0, 0, message, hint=hint)
    line, column = (mark.key_line, mark.key_column) if key else (mark.line, mark.column)
    return fault_at(mark.source, line, column, message, hint=hint)


def fault_in(tree: Tree, path: Path, message: str, *, key: bool = False, hint: str | None = None) -> ComposeError:
    """A fault at `path` of a tree, or as near above it as a place is known."""
    from wherry.compose.tree import find

    return fault(find(tree, path), message, key=key, hint=hint)


def missing(mark: Mark | None, message: str) -> ComposeFileMissing:
    """A fault at an entry that names a file which can't be read."""
    found = fault(mark, message)
    return ComposeFileMissing(found.message, where=found.where, source=found.source)


def _word(rest: str) -> int:
    """How many columns a key or a value takes that starts here."""
    if rest[:1] in {'"', "'"}:
        closing = rest.find(rest[0], 1)
        return closing + 1 if closing > 0 else len(rest)
    for stop in (": ", " #"):
        rest = rest.split(stop, 1)[0]
    return max(1, len(rest.rstrip(" \t,]}").removesuffix(":")))
