"""Go types from a text that reads like Go: for what decodes into structs elsewhere.

    types.State
        +types.Base; Status, Error string; ExitCode:exitCode int; Health *types.Health
    nat.PortMap = map[nat.Port][]nat.PortBinding

`+` embeds a struct; behind a colon stands a field's name in JSON, where that is another.
"""

from __future__ import annotations

from wherry.gotemplate.values import ANY, BOOL, FLOAT, INT, STRING, Member, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Schema"]

_PLAIN: Mapping[str, Type] = {
    "string": STRING, "bool": BOOL, "int": INT, "any": ANY, "float64": FLOAT,
    **{name: Type("int", name) for name in ("int64", "uint", "uint16", "uint64")},
    "time.Time": Type("time", "time.Time"), "time.Duration": Type("duration", "time.Duration"),
    "struct{}": Type("struct", "struct {}"),
}  # fmt: skip


class Schema:
    """All types of one text, made when they are asked for."""

    def __init__(self, text: str) -> None:
        self._members: dict[str, list[str]] = {}  # words: names end with a comma, types with a semicolon
        self._aliases: dict[str, str] = {}
        self._made: dict[str, Type] = dict(_PLAIN)
        name = ""
        for line in filter(str.strip, text.splitlines()):
            if line.startswith(" "):
                self._members[name] += line.split()
            elif " = " in line:
                name, _, meaning = line.partition(" = ")
                self._aliases[name] = meaning.strip()
            else:
                name = line.strip()
                self._members[name] = []

    def type(self, name: str) -> Type:
        """By Go's spelling: `*T`, `[]T`, `map[K]T`, or a name of the text. Raises: KeyError."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> Type:
        if name in self._members:
            return Type("struct", name, None, self._of(name))
        if name in self._aliases:
            return self.type(self._aliases[name])._replace(name=name)
        if name.startswith("*"):
            return Type("pointer", name, self.type(name[1:]))
        if name.startswith("["):
            size, _, elem = name[1:].partition("]")
            inner = self.type(elem)
            return Type("slice", f"[{size}]{inner.name}", inner)
        if name.startswith("map["):
            key, _, elem = name[4:].partition("]")
            inner = self.type(elem)
            return Type("map", f"map[{key}]{inner.name}", inner, key=key)
        raise KeyError(name)

    def _of(self, name: str) -> Callable[[], tuple[Member, ...]]:
        made: list[tuple[Member, ...]] = []

        def members() -> tuple[Member, ...]:
            if not made:
                made.append(tuple(self._read(self._members[name])))
            return made[0]

        return members

    def _read(self, words: Sequence[str]) -> Iterator[Member]:
        names: list[str] = []
        for word in words:
            text = word.rstrip(",;")
            if word.startswith("+"):
                yield Member(text.rpartition(".")[2], "", self.type(text[1:]), is_embedded=True)
            elif not names or names[-1].endswith(","):
                names.append(word)
            else:
                for name, _, key in (one.rstrip(",").partition(":") for one in names):
                    yield Member(name, key or name, self.type(text))
                names = []
