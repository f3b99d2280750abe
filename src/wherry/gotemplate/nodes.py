"""What a template is parsed to: frozen nodes. `str(node)` is what Go shows of it in messages.

`at` is the node's place in the template's text, in characters; as in Go, that of `.A.B` is where `.B` begins.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = [
    "Action", "Bool", "Branch", "Chain", "Command", "Dot", "Expression", "Field", "Identifier", "Jump", "Nil", "Node",
    "Nodes", "Number", "Pipe", "String", "TemplateCall", "Text", "Variable",
]  # fmt: skip


class Text(NamedTuple):
    at: int
    text: str

    def __str__(self) -> str:
        return self.text


class Dot(NamedTuple):
    at: int

    def __str__(self) -> str:
        return "."


class Nil(NamedTuple):
    at: int

    def __str__(self) -> str:
        return "nil"


class Bool(NamedTuple):
    at: int
    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


class Number(NamedTuple):
    """`value` is a float where the text has a point or an exponent."""

    at: int
    text: str
    value: int | float

    def __str__(self) -> str:
        return self.text


class String(NamedTuple):
    at: int
    quoted: str
    value: str

    def __str__(self) -> str:
        return self.quoted


class Identifier(NamedTuple):
    """The name of a function."""

    at: int
    name: str

    def __str__(self) -> str:
        return self.name


class Field(NamedTuple):
    """`.A.B`: a chain from the dot."""

    at: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(f".{name}" for name in self.names)


class Variable(NamedTuple):
    """`$x.A.B`; `$` alone is what the template was executed on."""

    at: int
    name: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join((self.name, *self.names))


class Chain(NamedTuple):
    """`(pipeline).A.B`, or a function's."""

    at: int
    of: Expression
    names: tuple[str, ...]

    def __str__(self) -> str:
        head = f"({self.of})" if isinstance(self.of, Pipe) else str(self.of)
        return head + "".join(f".{name}" for name in self.names)


class Command(NamedTuple):
    """One stage of a pipeline: a function or a field with its arguments, or a value."""

    at: int
    words: tuple[Expression, ...]

    def __str__(self) -> str:
        return " ".join(f"({word})" if isinstance(word, Pipe) else str(word) for word in self.words)


class Pipe(NamedTuple):
    """`$a, $b := command | command`; `is_assign` when it is `=`."""

    at: int
    names: tuple[str, ...]
    is_assign: bool
    commands: tuple[Command, ...]

    def __str__(self) -> str:
        declared = f"{', '.join(self.names)} {'=' if self.is_assign else ':='} " if self.names else ""
        return declared + " | ".join(map(str, self.commands))


class Action(NamedTuple):
    at: int
    pipe: Pipe

    def __str__(self) -> str:
        return f"{{{{{self.pipe}}}}}"


class Branch(NamedTuple):
    """`kind` is "if", "range" or "with"; `otherwise` is None without {{else}}."""

    at: int
    kind: str
    pipe: Pipe
    body: Nodes
    otherwise: Nodes | None

    def __str__(self) -> str:
        other = "" if self.otherwise is None else "{{else}}" + "".join(map(str, self.otherwise))
        return f"{{{{{self.kind} {self.pipe}}}}}{''.join(map(str, self.body))}{other}{{{{end}}}}"


class Jump(NamedTuple):
    """`kind` is "break" or "continue"."""

    at: int
    kind: str

    def __str__(self) -> str:
        return f"{{{{{self.kind}}}}}"


class TemplateCall(NamedTuple):
    at: int
    name: str
    quoted: str
    pipe: Pipe | None

    def __str__(self) -> str:
        return f"{{{{template {self.quoted}{f' {self.pipe}' if self.pipe else ''}}}}}"


Expression = Dot | Nil | Bool | Number | String | Identifier | Field | Variable | Chain | Pipe
Node = Text | Action | Branch | Jump | TemplateCall
Nodes = tuple[Node, ...]
