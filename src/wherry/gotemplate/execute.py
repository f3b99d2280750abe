"""Nodes on a value: the text.

Spec: https://pkg.go.dev/text/template@go1.24.4#hdr-Actions
"""

from __future__ import annotations

from wherry.gotemplate.evaluate import Boxed, Evaluator
from wherry.gotemplate.lexer import quoted
from wherry.gotemplate.nodes import Action, Branch, Jump, Nodes, Pipe, TemplateCall, Text
from wherry.gotemplate.printing import shown, sorted_items
from wherry.gotemplate.template import Template
from wherry.gotemplate.values import ABSENT, ANY, Struct, is_true, kind_of, type_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from wherry.gotemplate.functions import Function

__all__ = ["Execution"]


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class Execution(Evaluator):
    """One run of a template. `out` is what it wrote, also when it failed."""

    def __init__(
        self, template: Template, functions: Mapping[str, Function], *, strict: bool, show: Callable[[str], str] | None
    ) -> None:
        super().__init__(template, functions, strict=strict)
        self.show = show
        self.out: list[str] = []
        self.size = self.depth = 0

    def start(self, value: Any) -> None:
        """Raises: TemplateError."""
        self.vars = [("$", value)]
        try:
            self.walk(value, self.template.body)
        except RecursionError:
            self.fail("the template or its data are nested too deeply")

    def write(self, text: str) -> None:
        self.size += len(text)
        if self.size > self.template.limits.output:
            self.fail(f"the output is longer than {self.template.limits.output} characters")
        self.out.append(text)

    # Nodes

    def walk(self, dot: Any, nodes: Nodes) -> None:
        for node in nodes:
            self.step()
            if isinstance(node, Text):
                self.write(node.text)
            elif isinstance(node, Action):
                value = self.pipeline(dot, node.pipe)
                if not node.pipe.names:
                    self.node = node
                    self.write_value(value)
            elif isinstance(node, Branch):
                mark = len(self.vars)
                if node.kind == "range":
                    self.range(dot, node)
                else:
                    self.choose(dot, node)
                del self.vars[mark:]
            elif isinstance(node, Jump):
                raise _Break if node.kind == "break" else _Continue
            else:
                self.call_template(dot, node)

    def choose(self, dot: Any, node: Branch) -> None:
        value = self.pipeline(dot, node.pipe)
        if is_true(value):
            self.walk(value if node.kind == "with" else dot, node.body)
        elif node.otherwise is not None:
            self.walk(dot, node.otherwise)

    def range(self, dot: Any, node: Branch) -> None:
        self.node = node
        value = self.pipeline(dot, node.pipe)
        mark = len(self.vars)
        ran = False
        is_boxed = kind_of(value) in ("map", "slice") and type_of(value).elem == ANY
        for key, plain in self.items(value, node):
            ran, one = True, Boxed(plain) if is_boxed else plain
            self.set_loop(node.pipe, key, one)
            self.step()
            try:
                self.walk(one, node.body)
            except _Break:
                break
            except _Continue:
                pass
            finally:
                del self.vars[mark:]
        if not ran and node.otherwise is not None:
            self.walk(dot, node.otherwise)

    def items(self, value: Any, node: Branch) -> Iterable[tuple[Any, Any]]:
        kind = kind_of(value)
        if kind == "map":
            return sorted_items(value)
        if kind == "slice":
            return enumerate(value)
        if kind == "int":
            if len(node.pipe.names) > 1:
                self.fail(f"can't use {shown(value)} to iterate over more than one variable")
            return ((i, i) for i in range(int(value)))
        if kind != "absent":
            self.fail(f"range can't iterate over {shown(value)}")
        return ()

    def set_loop(self, pipe: Pipe, key: Any, one: Any) -> None:
        for name, value in zip(pipe.names, (key, one) if len(pipe.names) > 1 else (one,), strict=False):
            self.assign(name, value)

    def call_template(self, dot: Any, node: TemplateCall) -> None:
        self.node = node
        body = self.template.defined.get(node.name)
        if body is None and node.name == self.template.name:
            body = self.template.body
        if body is None:
            self.fail(f"template {quoted(node.name)} not defined")
        if self.depth == self.template.limits.depth:
            self.fail(f"exceeded maximum template depth ({self.template.limits.depth})")
        value = self.pipeline(dot, node.pipe) if node.pipe else ABSENT
        outer, outer_name = self.vars, self.name
        self.depth += 1
        self.vars, self.name = [("$", value)], node.name
        self.walk(value, body)
        self.depth -= 1
        self.vars, self.name = outer, outer_name

    def write_value(self, value: Any) -> None:
        if value is ABSENT or value is None:
            self.write("<no value>")
            return
        # Behind a pointer is what it points to
        text = shown(value)[1:] if isinstance(value, Struct) and value.is_pointer else shown(value)
        self.write(self.show(text) if self.show else text)
