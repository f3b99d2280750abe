"""Pipelines, fields, calls: expressions on a value. Go's rules of what fits where, and its words where it does not.

Spec: https://pkg.go.dev/text/template@go1.24.4#hdr-Pipelines
"""

from __future__ import annotations

from wherry.gotemplate.functions import FunctionFault
from wherry.gotemplate.lexer import quoted
from wherry.gotemplate.nodes import (
    Bool,
    Chain,
    Command,
    Dot,
    Expression,
    Field,
    Identifier,
    Nil,
    Node,
    Number,
    Pipe,
    String,
    Text,
    Variable,
)
from wherry.gotemplate.printing import shown
from wherry.gotemplate.template import Template, TemplateError
from wherry.gotemplate.values import (
    ABSENT,
    ANY,
    List,
    NilPointer,
    Port,
    Struct,
    Time,
    Type,
    indirect,
    is_true,
    type_name,
    type_of,
    zero,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, NoReturn

    from wherry.gotemplate.functions import Function

__all__ = ["Boxed", "Evaluator"]


class _None:
    """No last argument comes from the pipeline; ABSENT is one."""


_NO_FINAL = _None()
_Located = Node | Expression | Command


class Boxed:
    """An element of []interface {}: Go names that type where a field of it is asked for, not what it holds."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def _unboxed(value: Any) -> Any:
    return value.value if isinstance(value, Boxed) else value


_ANYTHING = Type("value", "reflect.Value")


def _no_call(what: Any, word: object) -> str:
    """No value of ours is a function."""
    return "call of nil" if what is ABSENT or what is None else f"non-function {word} of type {type_name(what)}"


class Evaluator:
    """What an expression means at one place of a template: the variables there, the node that messages are about."""

    def __init__(self, template: Template, functions: Mapping[str, Function], *, strict: bool) -> None:
        self.template, self.functions, self.strict = template, functions, strict
        self.name = template.name
        self.steps = template.limits.steps
        self.vars: list[tuple[str, Any]] = []
        self.node: _Located = Text(0, "")

    # Messages

    def fail(self, message: str, known: Iterable[str] = ()) -> NoReturn:
        """`known` are the names that could stand there."""
        before = self.template.text[: self.node.at]
        line = before.count("\n") + 1
        column = len(before.rpartition("\n")[2].encode("utf-8", "surrogateescape"))
        place = f"{self.template.name}:{line}:{column}"
        names = " ".join(f".{name}" for name in list(known)[:40])
        hint = f"there are: {names}" if names else None
        raise TemplateError(f"template: {place}: executing {quoted(self.name)} at <{self.node}>: {message}", hint=hint)

    def step(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            self.fail(f"gave up after {self.template.limits.steps} steps")

    def assign(self, name: str, value: Any) -> None:
        for at in range(len(self.vars) - 1, -1, -1):
            if self.vars[at][0] == name:
                self.vars[at] = (name, value)
                return
        self.fail(f"undefined variable: {name}")

    # Pipelines and commands

    def pipeline(self, dot: Any, pipe: Pipe) -> Any:
        self.node = pipe
        value: Any = _NO_FINAL
        for command in pipe.commands:
            value = self.command(dot, command, value)
            if value is None:
                value = ABSENT
        for name in pipe.names:
            if pipe.is_assign:
                self.assign(name, value)
            else:
                self.vars.append((name, value))
        return value

    def command(self, dot: Any, command: Command, final: Any) -> Any:
        self.step()
        word = command.words[0]
        if isinstance(word, Field):
            self.node = word
            return self.chain(dot, dot, word, word.names, command.words, final)
        if isinstance(word, Chain):
            return self.chained(dot, word, command.words, final)
        if isinstance(word, Identifier):
            self.node = word
            return self.call(dot, self.functions[word.name], command, word.name, command.words, final, builtin=True)
        if isinstance(word, Pipe):
            self.no_function(command.words, final)
            return self.pipeline(dot, word)
        if isinstance(word, Variable):
            return self.variable(dot, word, command.words, final)
        self.node = word
        self.no_function(command.words, final)
        if isinstance(word, Nil):
            self.fail("nil is not a command")
        return _unboxed(dot) if isinstance(word, Dot) else self.value_of(word)

    def value_of(self, word: Bool | Number | String) -> Any:
        if isinstance(word, Number) and word.value >= 1 << 63 and not isinstance(word.value, float):
            self.fail(f"{word} overflows int")
        return word.value

    def no_function(self, words: Sequence[Expression], final: Any) -> None:
        if len(words) > 1 or final is not _NO_FINAL:
            self.fail(f"can't give argument to non-function {words[0]}")

    def variable(self, dot: Any, node: Variable, words: Sequence[Expression], final: Any) -> Any:
        self.node = node
        value = next((value for name, value in reversed(self.vars) if name == node.name), ABSENT)
        if node.names:
            return self.chain(dot, value, node, node.names, words, final)
        self.no_function(words, final)
        return _unboxed(value)

    def chained(self, dot: Any, node: Chain, words: Sequence[Expression], final: Any) -> Any:
        self.node = node
        if isinstance(node.of, Nil):
            self.fail(f"indirection through explicit nil in {node}")
        return self.chain(dot, self.argument(dot, None, node.of), node, node.names, words, final)

    # Fields

    def chain(
        self, dot: Any, receiver: Any, node: _Located, names: Sequence[str], words: Sequence[Expression], final: Any
    ) -> Any:
        is_boxed = isinstance(receiver, Boxed)
        receiver = _unboxed(receiver)
        for name in names[:-1]:
            found = self.field(dot, name, node, (), _NO_FINAL, receiver, is_boxed)
            is_boxed, receiver = isinstance(receiver, dict) and type_of(receiver).elem == ANY, found
        return self.field(dot, names[-1], node, words, final, receiver, is_boxed)

    def field(
        self, dot: Any, name: str, node: _Located, words: Sequence[Expression], final: Any, receiver: Any, boxed: bool
    ) -> Any:
        if receiver is ABSENT:
            if self.strict:
                self.fail(f"nil data; no entry for key {quoted(name)}")
            return ABSENT
        receiver, is_nil = indirect(receiver)
        if receiver is None:
            self.fail(f"nil pointer evaluating interface {{}}.{name}")
        has_arguments = len(words) > 1 or final is not _NO_FINAL
        if isinstance(receiver, Struct):
            if own := receiver.methods.get(name):
                return self.call(dot, own, node, name, words, final)
            if receiver.has(name):
                if has_arguments:
                    self.fail(f"{name} has arguments but cannot be invoked as function")
                return receiver.get(name)
        elif isinstance(receiver, dict) and type_of(receiver).key == "string":
            return self.looked_up(receiver, name, has_arguments=has_arguments)
        elif is_nil and isinstance(receiver, NilPointer):
            if receiver.type.kind != "struct" or any(one.name == name for one in receiver.type.members()):
                self.fail(f"nil pointer evaluating {type_name(receiver)}.{name}")
        elif isinstance(receiver, Time | Port):
            from wherry.gotemplate.methods import method

            if found := method(receiver, name):
                return self.call(dot, found, node, name, words, final)
        return self.no_field(receiver, name, ANY.name if boxed else type_name(receiver))

    def looked_up(self, receiver: dict[str, Any], name: str, *, has_arguments: bool) -> Any:
        if has_arguments:
            self.fail(f"{name} is not a method but has arguments")
        if name not in receiver and self.strict:
            self.fail(f"map has no entry for key {quoted(name)}", sorted(receiver))
        return receiver.get(name, ABSENT)

    def no_field(self, receiver: Any, name: str, type: str) -> NoReturn:
        known = (*receiver.promoted, *receiver.fields, *receiver.methods) if isinstance(receiver, Struct) else ()
        self.fail(f"can't evaluate field {name} in type {type}", sorted(set(known)))

    # Calls

    def call(
        self, dot: Any, function: Function, node: _Located, name: str, words: Sequence[Expression], final: Any,
        *, builtin: bool = False,
    ) -> Any:  # fmt: skip
        words = words[1:]
        count, fixed = len(words) + (final is not _NO_FINAL), len(function.wants)
        if function.rest is not None:
            if count < fixed:
                self.fail(f"wrong number of args for {name}: want at least {fixed} got {len(words)}")
        elif count != fixed:
            self.fail(f"wrong number of args for {name}: want {fixed} got {count}")
        if builtin and name in ("and", "or"):
            return self.short_circuit(dot, name, words, final)
        wanted = [*function.wants, *[function.rest] * (count - fixed)]
        values = [self.argument(dot, type, word) for type, word in zip(wanted, words, strict=False)]
        if final is not _NO_FINAL:
            values.append(self.fit(final, wanted[count - 1]))
        if builtin and name == "call":
            self.node = node
            self.fail(f"error calling call: {_no_call(values[0], words[0] if words else shown(values[0]))}")
        try:
            found = function.call(*values)
        except FunctionFault as fault:
            self.node = node
            self.fail(f"error calling {name}: {fault}")
        if isinstance(found, str) and len(found) > self.template.limits.value:
            self.node = node
            self.fail(f"error calling {name}: longer than {self.template.limits.value} characters")
        return found

    def short_circuit(self, dot: Any, name: str, words: Sequence[Expression], final: Any) -> Any:
        value: Any = ABSENT
        for word in words:
            value = self.argument(dot, _ANYTHING, word)
            if is_true(value) == (name == "or"):
                return value
        return value if final is _NO_FINAL else final

    def argument(self, dot: Any, type: Type | None, word: Expression) -> Any:
        """A word's value as a parameter of that type; None takes what comes."""
        self.node = word
        self.step()
        found: Any
        if isinstance(word, Dot):
            found = _unboxed(dot)
        elif isinstance(word, Nil):
            if type and type.kind not in ("any", "value", "slice", "map"):
                self.fail(f"cannot assign nil to {type.name}")
            if type and type.kind in ("slice", "map"):
                return zero(type)
            return ABSENT if type and type.kind == "value" else None
        elif isinstance(word, Field):
            found = self.chain(dot, dot, word, word.names, (word,), _NO_FINAL)
        elif isinstance(word, Variable):
            found = self.variable(dot, word, (), _NO_FINAL)
        elif isinstance(word, Pipe):
            found = self.pipeline(dot, word)
        elif isinstance(word, Identifier):
            found = self.call(dot, self.functions[word.name], word, word.name, (), _NO_FINAL, builtin=True)
        elif isinstance(word, Chain):
            found = self.chained(dot, word, (), _NO_FINAL)
        else:
            return self.constant(word, type)
        return self.fit(found, type)

    def constant(self, word: Bool | Number | String, type: Type | None) -> Any:
        kind = type.kind if type else "any"
        if kind in ("any", "value"):
            return self.value_of(word)
        if kind == "string" and not isinstance(word, String):
            self.fail(f"expected string; found {word}")
        if kind == "int":
            if isinstance(word, Number) and word.value == int(word.value):
                return int(word.value)
            self.fail(f"expected integer; found {word}")
        if kind not in ("string", "int"):
            self.fail(f"can't handle {word} for arg of type {type}")
        return word.value

    def fit(self, value: Any, type: Type | None) -> Any:
        """A value as a parameter, as Go's assignability has it."""
        kind = type.kind if type else "value"
        if type is None or kind in ("any", "value"):
            return None if value is ABSENT and kind == "any" else value
        if value is ABSENT:
            if kind in ("slice", "map"):
                return zero(type)
            self.fail(f"invalid value; expected {type.name}")
        name = type_name(value)
        if name != type.name and not (isinstance(value, List) and kind == "slice" and value.type.elem == type.elem):
            self.fail(f"wrong type for value; expected {type.name}; got {name}")
        return value
