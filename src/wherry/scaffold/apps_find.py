"""The app objects of one module: made at module level, by a function, in a `with`, or by running the file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from wherry.scaffold.source import Module, statements, top_statements
from wherry.scaffold.table_frameworks import MAKERS

__all__ = ["Candidate", "find", "returned", "uncallable"]


class Candidate(NamedTuple):
    path: str
    name: str
    """ "" when there is no object to name: the file is run."""
    framework: str
    node: ast.AST
    is_factory: bool = False
    is_router: bool = False
    call: ast.Call | None = None
    """What made it, for its arguments."""


def find(module: Module, factories: dict[str, str]) -> list[Candidate]:
    """`factories`: qualified names of functions that return an app → its framework; this module's are added."""
    classes = _classes(module)
    found: dict[str, Candidate] = {}
    look = _Look(module, classes, factories)
    for node, _ in top_statements(module.tree):
        for one in look.candidates(node, found):
            found.setdefault(one.name, one)
    return list(found.values())


def uncallable(module: Module) -> list[tuple[str, str, ast.AST]]:
    """Functions that make an app and must be given arguments, which no server does: (name, arguments, node)."""
    look = _Look(module, _classes(module), {})
    found: list[tuple[str, str, ast.AST]] = []
    for node, _ in top_statements(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _needs_arguments(node):
            framework, router = returned(node, look)
            if framework and not router:
                named = node.args.posonlyargs + node.args.args
                needed = named[: len(named) - len(node.args.defaults)]
                pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
                needed += [one for one, default in pairs if default is None]
                found.append((node.name, ", ".join(one.arg for one in needed), node))
    return found


def _classes(module: Module) -> dict[str, str]:
    """Classes of the module that extend an app's class → its framework."""
    found = {}
    for node, _ in top_statements(module.tree):
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                maker = MAKERS.get(module.qualified(base))
                if maker and not maker.router:
                    found[node.name] = maker.framework
    return found


class _Look:
    def __init__(self, module: Module, classes: dict[str, str], factories: dict[str, str]) -> None:
        self.module = module
        self.classes = classes
        self.factories = factories
        self.local: dict[str, str] = {}

    def candidates(self, node: ast.stmt, found: dict[str, Candidate]) -> Iterator[Candidate]:
        path = self.module.path
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from self._function(node)
        elif isinstance(node, ast.ClassDef):
            if any(self._decorator(one) == "bentoml.service" for one in node.decorator_list):
                yield Candidate(path, node.name, "bentoml", node)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                framework, router, call = self.made(item.context_expr)
                if framework:
                    name = item.optional_vars.id if isinstance(item.optional_vars, ast.Name) else ""
                    yield Candidate(path, name, framework, node, is_router=router, call=call)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from self._assigned(node, found)
        elif isinstance(node, ast.Expr):
            framework, router, made = self.made(_innermost(node.value))
            if framework == "gradio" and not router:
                yield Candidate(path, "", framework, node, call=made)

    def _assigned(self, node: ast.Assign | ast.AnnAssign, found: dict[str, Candidate]) -> Iterator[Candidate]:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        target, value = targets[0], node.value
        if isinstance(target, ast.Tuple) and target.elts:  # app, rt = fast_app()
            target = target.elts[0]
        if not isinstance(target, ast.Name) or value is None:
            return
        framework, router, call = self.made(value)
        if framework:
            yield Candidate(self.module.path, target.id, framework, node, is_router=router, call=call)
        elif isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name) and value.attr in ("server", "app"):
            owner = found.get(value.value.id)
            if owner and owner.framework in ("dash", "connexion"):  # the WSGI app that they wrap
                found.pop(owner.name)
                yield owner._replace(name=target.id, node=node)

    def made(self, value: ast.AST | None) -> tuple[str, bool, ast.Call | None]:
        """(framework, whether it is a router, the call) of an expression that makes one; "" when it makes none."""
        if isinstance(value, ast.Await):
            value = value.value
        if isinstance(value, ast.IfExp):
            value = value.body
        if not isinstance(value, ast.Call):
            return "", False, None
        name = self.module.qualified(value.func)
        if maker := MAKERS.get(name):
            return maker.framework, maker.router, value
        framework = self.classes.get(name) or self.local.get(name) or self.factories.get(name, "")
        return framework, False, value if framework else None

    def _decorator(self, node: ast.expr) -> str:
        return self.module.qualified(node.func if isinstance(node, ast.Call) else node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Candidate]:
        if any(self._decorator(one) in ("bentoml.service",) for one in node.decorator_list):
            yield Candidate(self.module.path, node.name, "bentoml", node)
            return
        framework, router = returned(node, self)
        if framework and not router:
            self.local[node.name] = framework
            if not _needs_arguments(node) and not isinstance(node, ast.AsyncFunctionDef):
                yield Candidate(self.module.path, node.name, framework, node, is_factory=True)
        elif not router and (inner := self._run_inside(node)):
            yield Candidate(self.module.path, "", inner, node)

    def _run_inside(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
        """The framework of an app that a function makes and starts: def main(): demo = gr.Blocks(); demo.launch()."""
        frameworks, starts = [], False
        for one in statements(node):
            value = one.value if isinstance(one, ast.Assign | ast.Expr | ast.AnnAssign) else None
            values = [value] if value else []
            if isinstance(one, ast.With):
                values = [item.context_expr for item in one.items]
            for each in values:
                framework, router, _ = self.made(_innermost(each))
                if framework and not router:
                    frameworks.append(framework)
                call = each if isinstance(each, ast.Call) else None
                called = call.func.attr if call and isinstance(call.func, ast.Attribute) else ""
                starts = starts or called in ("launch", "run", "run_app", "serve", "listen")
        return frameworks[0] if frameworks and starts else ""


def returned(node: ast.FunctionDef | ast.AsyncFunctionDef, look: _Look) -> tuple[str, bool]:
    """The framework of what a function returns, and whether that is a router."""
    local: dict[str, tuple[str, bool]] = {}
    for one in statements(node):
        if isinstance(one, ast.Assign | ast.AnnAssign):
            target = one.targets[0] if isinstance(one, ast.Assign) else one.target
            framework, router, _ = look.made(one.value)
            if framework and isinstance(target, ast.Name):
                local.setdefault(target.id, (framework, router))
        elif isinstance(one, ast.With):
            for item in one.items:
                framework, router, _ = look.made(item.context_expr)
                if framework and isinstance(item.optional_vars, ast.Name):
                    local.setdefault(item.optional_vars.id, (framework, router))
    for one in statements(node):
        if isinstance(one, ast.Return):
            if isinstance(one.value, ast.Name) and one.value.id in local:
                return local[one.value.id]
            framework, router, _ = look.made(one.value)
            if framework:
                return framework, router
    return "", False


def _needs_arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    spec = node.args
    positional = len(spec.posonlyargs) + len(spec.args) - len(spec.defaults)
    return positional > 0 or any(one is None for one in spec.kw_defaults)


def _innermost(node: ast.AST) -> ast.AST:
    """gr.Interface(...) of gr.Interface(...).queue().launch()."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Call):
        node = node.func.value
    return node
