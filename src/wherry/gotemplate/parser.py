"""Tokens to nodes: the grammar of text/template, with Go's words for what is wrong.

Spec: https://pkg.go.dev/text/template@go1.24.4#hdr-Actions
"""

from __future__ import annotations

from wherry.gotemplate import literals
from wherry.gotemplate.lexer import Token, quoted, tokens
from wherry.gotemplate.nodes import (
    Action,
    Bool,
    Branch,
    Chain,
    Command,
    Dot,
    Expression,
    Field,
    Identifier,
    Jump,
    Nil,
    Node,
    Nodes,
    Number,
    Pipe,
    String,
    TemplateCall,
    Text,
    Variable,
)
from wherry.gotemplate.template import TemplateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from typing import NoReturn

__all__ = ["parse"]

_OPERANDS = frozenset(
    ("bool", "char_constant", "dot", "field", "identifier", "number", "raw_string", "string", "variable", "(")
)  # fmt: skip
_TOO_DEEP = "exceeded maximum nesting depth (%d)"


def parse(text: str, name: str, functions: Container[str], depth: int) -> tuple[Nodes, dict[str, Nodes]]:
    """The main template's nodes, and those of the templates that it defines. Raises: TemplateError."""
    parser = _Parser(text, name, functions, depth)
    return parser.top(), parser.defined


class _Parser:
    def __init__(self, text: str, name: str, functions: Container[str], depth: int) -> None:
        self.name, self.functions, self.left = name, functions, depth
        self.limit = depth
        self.defined: dict[str, Nodes] = {}
        self.stream = tokens(text)
        self.seen: list[Token] = []
        self.at = 0
        self.vars = ["$"]
        self.ranges = 0
        self.action_line = 0

    # Tokens

    def next(self) -> Token:
        if self.at == len(self.seen):
            # The last one, an error or the end, stands for all that would follow
            self.seen.append(next(self.stream, self.seen[-1] if self.seen else Token("eof", 0, "", 1)))
        self.at += 1
        return self.seen[self.at - 1]

    def peek(self) -> Token:
        token = self.next()
        self.at -= 1
        return token

    def next_word(self) -> Token:
        while (token := self.next()).kind == "space":
            pass
        return token

    def peek_word(self) -> Token:
        token = self.next_word()
        self.at -= 1
        return token

    def expect(self, kind: str, context: str) -> Token:
        token = self.next_word()
        if token.kind != kind:
            self.unexpected(token, context)
        return token

    # Errors

    def fail(self, message: str) -> NoReturn:
        line = self.seen[-1].line if self.seen else 1
        raise TemplateError(f"template: {self.name}:{line}: {message}")

    def unexpected(self, token: Token, context: str) -> NoReturn:
        if token.kind != "error":
            self.fail(f"unexpected {token} in {context}")
        more = ""
        if self.action_line and self.action_line != token.line:
            more = f" in action started at {self.name}:{self.action_line}"
            if token.text.endswith(" action"):
                more = more.removeprefix(" in action")
        self.fail(f"{token}{more}")

    def deeper(self) -> None:
        self.left -= 1
        if self.left < 0:
            self.fail(_TOO_DEEP % self.limit)

    # Lists of nodes

    def top(self) -> Nodes:
        nodes: list[Node] = []
        while self.peek().kind != "eof":
            if self.peek().kind == "left":
                mark = self.at
                self.next()
                if _is(self.next_word(), "define"):
                    self.define()
                    continue
                self.at = mark
            found = self.text_or_action()
            if isinstance(found, str):
                self.fail(f"unexpected {{{{{found}}}}}")
            nodes += found
        return tuple(nodes)

    def body(self) -> tuple[Nodes, str]:
        """Up to what ends it: "end" or "else"."""
        nodes: list[Node] = []
        while True:
            if self.peek_word().kind == "eof":
                self.fail("unexpected EOF")
            found = self.text_or_action()
            if isinstance(found, str):
                return tuple(nodes), found
            nodes += found

    def text_or_action(self) -> list[Node] | str:
        token = self.next_word()
        if token.kind == "text":
            return [Text(token.at, token.text)]
        if token.kind != "left":
            self.unexpected(token, "input")
        self.action_line = token.line
        found = self.action()
        self.action_line = 0
        return found

    def add(self, name: str, body: Nodes) -> None:
        if name not in self.defined or _is_empty(self.defined[name]):
            self.defined[name] = body
        elif not _is_empty(body):
            self.fail(f"template: multiple definition of template {quoted(name)}")

    def define(self) -> None:
        name = self.template_name(self.next_word(), "define clause")
        self.expect("right", "define clause")
        self.own_body(name, "define clause")

    def own_body(self, name: str, context: str) -> None:
        """The body of a template of its own: it sees none of our variables."""
        outer, self.vars = self.vars, ["$"]
        ranges, self.ranges = self.ranges, 0
        self.deeper()
        body, end = self.body()
        if end != "end":
            self.fail(f"unexpected {{{{{end}}}}} in {context}")
        self.left += 1
        self.vars, self.ranges = outer, ranges
        self.add(name, body)

    # Actions

    def action(self) -> list[Node] | str:
        token = self.next_word()
        if token.kind == "keyword" and token.text in _ACTIONS:
            return _ACTIONS[token.text](self, token)
        self.at -= 1
        token = self.peek()
        return [Action(token.at, self.pipeline("command", "right"))]

    def jump(self, token: Token) -> list[Node]:
        shown = f"{{{{{token.text}}}}}"
        right = self.next_word()
        if right.kind != "right":
            self.unexpected(right, shown)
        if not self.ranges:
            self.fail(f"{shown} outside {{{{range}}}}")
        return [Jump(token.at, token.text)]

    def end(self, token: Token) -> str:
        self.expect("right", "end")
        return "end"

    def otherwise(self, token: Token) -> str:
        following = self.peek_word()
        if not _is(following, "if") and not _is(following, "with"):
            self.expect("right", "else")
        return "else"

    def branch(self, token: Token) -> list[Node]:
        mark, kind = len(self.vars), token.text
        self.deeper()
        pipe = self.pipeline(kind, "right")
        self.ranges += kind == "range"
        body, end = self.body()
        self.ranges -= kind == "range"
        other: Nodes | None = None
        if end == "else":
            if kind != "range" and _is(self.peek_word(), kind):
                # {{else if}}: read as {{else}}{{if}}, whose {{end}} ends both
                other = tuple(self.branch(self.next_word()))
            else:
                other, end = self.body()
                if end != "end":
                    self.fail(f"expected end; found {{{{{end}}}}}")
        self.left += 1
        del self.vars[mark:]
        return [Branch(pipe.at, kind, pipe, body, other)]

    def block(self, token: Token) -> list[Node]:
        context = "block clause"
        name_token = self.next_word()
        name = self.template_name(name_token, context)
        pipe = self.pipeline(context, "right")
        self.own_body(name, context)
        return [TemplateCall(name_token.at, name, name_token.text, pipe)]

    def call(self, token: Token) -> list[Node]:
        context = "template clause"
        name_token = self.next_word()
        name = self.template_name(name_token, context)
        pipe = None
        if self.next_word().kind != "right":
            self.at -= 1
            pipe = self.pipeline(context, "right")
        return [TemplateCall(name_token.at, name, quoted(name), pipe)]

    def template_name(self, token: Token, context: str) -> str:
        if token.kind not in ("string", "raw_string"):
            self.unexpected(token, context)
        return self.unquoted(token)

    def unquoted(self, token: Token) -> str:
        try:
            return literals.unquote(token.text)
        except ValueError as fault:
            self.fail(str(fault))

    # Pipelines

    def pipeline(self, context: str, end: str) -> Pipe:
        at = self.peek_word().at
        self.deeper()
        names, is_assign = self.declarations(context)
        commands: list[Command] = []
        while (token := self.next_word()).kind != end:
            if token.kind not in _OPERANDS and not _is(token, "nil"):
                self.unexpected(token, context)
            self.at -= 1
            commands.append(self.command())
        if not commands:
            self.fail(f"missing value for {context}")
        for stage, command in enumerate(commands[1:], 2):
            if isinstance(command.words[0], Bool | Dot | Nil | Number | String):
                self.fail(f"non executable command in pipeline stage {stage}")
        self.left += 1
        return Pipe(at, tuple(names), is_assign, tuple(commands))

    def declarations(self, context: str) -> tuple[list[str], bool]:
        names: list[str] = []
        while self.peek_word().kind == "variable":
            mark = self.at
            variable = self.next_word()
            following = self.peek_word()
            if following.kind in ("assign", "declare"):
                self.next_word()
                names.append(variable.text)
                self.vars.append(variable.text)
                return names, following.kind == "assign"
            if following.kind != "char" or following.text != ",":
                self.at = mark
                break
            self.next_word()
            names.append(variable.text)
            self.vars.append(variable.text)
            if context != "range" or len(names) > 1:
                self.fail(f"too many declarations in {context}")
            if self.peek_word().kind not in ("variable", "right", ")"):
                self.fail("range can only initialize variables")
        return names, False

    def command(self) -> Command:
        at = self.peek_word().at
        words: list[Expression] = []
        while True:
            self.peek_word()
            operand = self.operand()
            if operand is not None:
                words.append(operand)
            token = self.next()
            if token.kind == "space":
                continue
            if token.kind in ("right", ")"):
                self.at -= 1
            elif token.kind != "pipe":
                self.unexpected(token, "operand")
            break
        if not words:
            self.fail("empty command")
        return Command(at, tuple(words))

    def operand(self) -> Expression | None:
        term = self.term()
        if term is None or self.peek().kind != "field":
            return term
        at, names = self.peek().at, []
        while self.peek().kind == "field":
            names.append(self.next().text[1:])
        if isinstance(term, Field):
            return Field(at, (*term.names, *names))
        if isinstance(term, Variable):
            return Variable(at, term.name, (*term.names, *names))
        if isinstance(term, Bool | String | Number | Nil | Dot):
            self.fail(f"unexpected . after term {quoted(str(term))}")
        return Chain(at, term, tuple(names))

    def term(self) -> Expression | None:
        token = self.next_word()
        kind, at = token.kind, token.at
        if kind == "identifier":
            if token.text not in self.functions:
                self.fail(f"function {quoted(token.text)} not defined")
            return Identifier(at, token.text)
        if kind == "field":
            return Field(at, (token.text[1:],))
        if kind == "variable":
            if token.text not in self.vars:
                self.fail(f"undefined variable {quoted(token.text)}")
            return Variable(at, token.text, ())
        if kind == "(":
            return self.pipeline("parenthesized pipeline", ")")
        return self.literal(token)

    def literal(self, token: Token) -> Expression | None:
        kind, at = token.kind, token.at
        if kind == "dot":
            return Dot(at)
        if _is(token, "nil"):
            return Nil(at)
        if kind == "bool":
            return Bool(at, token.text == "true")
        if kind in ("string", "raw_string"):
            return String(at, token.text, self.unquoted(token))
        if kind in ("number", "char_constant"):
            try:
                return Number(at, token.text, literals.number(token.text))
            except ValueError as fault:
                self.fail(str(fault))
        self.at -= 1
        return None


_ACTIONS: dict[str, Callable[[_Parser, Token], list[Node] | str]] = {
    "block": _Parser.block, "break": _Parser.jump, "continue": _Parser.jump, "else": _Parser.otherwise,
    "end": _Parser.end, "if": _Parser.branch, "range": _Parser.branch, "template": _Parser.call,
    "with": _Parser.branch,
}  # fmt: skip


def _is(token: Token, keyword: str) -> bool:
    return token.kind == "keyword" and token.text == keyword


def _is_empty(nodes: Nodes) -> bool:
    return all(isinstance(node, Text) and not node.text.strip() for node in nodes)
