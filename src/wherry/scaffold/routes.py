"""Routes of an app: decorators, tables of routes, and the routers that it includes, in its own file and in others."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from wherry.scaffold.facts import Route
from wherry.scaffold.source import Module, statements
from wherry.scaffold.values import Constants, argument, text

__all__ = ["Routes", "health_route", "predict_route"]

_VERBS = frozenset({"get", "post", "put", "delete", "patch", "head", "options"})
_ANY = frozenset({"route", "api_route", "websocket"})
_INCLUDES = frozenset({"include_router", "register_blueprint", "mount", "blueprint", "add_routes"})
_TABLES = frozenset({"Route", "WebSocketRoute", "path", "re_path"})
_HEALTH = (
    "healthz", "health", "health-check", "healthcheck", "health_check", "livez", "live", "liveness", "alive", "readyz",
    "ready", "readiness", "ping", "heartbeat", "status", "up",
)  # fmt: skip
_PREDICT = (
    "predict", "predictions", "prediction", "infer", "inference", "invocations", "generate", "classify", "score",
    "chat", "completions", "embed", "embeddings", "transcribe", "detect", "segment", "answer", "ask", "query",
    "translate",
)  # fmt: skip
_DEEPEST = 6
Find = Callable[[str, str], tuple[Module, Constants] | None]
"""The project's module of a dotted name, as it is imported by a file."""


class Routes:
    """Routes by the name of the object that they were put on; made once for a module."""

    def __init__(self, module: Module, known: Constants) -> None:
        self.module = module
        self.known = known
        self.own: dict[str, list[Route]] = {}
        self.prefixes: dict[str, str] = {}
        self.includes: dict[str, list[tuple[str, str]]] = {}
        for node in statements(module.tree):
            self._statement(node)

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for one in node.decorator_list:
                if isinstance(one, ast.Call):
                    self._decorator(one)
            return
        value = getattr(node, "value", None)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(value, ast.Call) and isinstance(target, ast.Name):
                prefix = argument(value, "prefix") or argument(value, "url_prefix")
                self.prefixes.setdefault(target.id, text(prefix, self.known) or "")
            if value is not None:
                self._table(value)
        elif isinstance(node, ast.Expr) and isinstance(value, ast.Call):
            self._include(value)
        elif isinstance(node, ast.Return) and value is not None:
            self._table(value)

    def _decorator(self, call: ast.Call) -> None:
        func = call.func
        if isinstance(func, ast.Attribute):
            verb, owner = func.attr, func.value.id if isinstance(func.value, ast.Name) else ""
        elif isinstance(func, ast.Name) and self.module.qualified(func).startswith("litestar."):
            verb, owner = func.id, ""
        else:
            return
        if verb in _VERBS | _ANY:
            self._add(owner, call, (verb.upper(),) if verb in _VERBS else ())

    def _add(self, owner: str, call: ast.Call, methods: tuple[str, ...]) -> None:
        path = text(argument(call, "path", 0) or argument(call, "rule") or argument(call, "uri"), self.known)
        if path is None or len(path) > 500:
            return
        said = argument(call, "methods")
        if isinstance(said, ast.List | ast.Tuple | ast.Set):
            values = [one.value for one in said.elts if isinstance(one, ast.Constant)]
            methods = tuple(one.upper() for one in values if isinstance(one, str))
        self.own.setdefault(owner, []).append(Route(path, methods or ("GET",), self.module.where(call)))

    def _table(self, value: ast.expr) -> None:
        """Route("/x", f) of Starlette, path("x/", f) of Django, wherever in the expression."""
        if not isinstance(value, ast.List | ast.Tuple | ast.Call | ast.BinOp):
            return
        for one in ast.walk(value):
            if isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id in _TABLES:
                self._add("", one, ())

    def _include(self, call: ast.Call) -> None:
        func = call.func
        if not isinstance(func, ast.Attribute):
            return
        at, verb = func.value, func.attr
        if is_router := isinstance(at, ast.Attribute) and at.attr == "router":  # aiohttp: app.router.add_get("/x", f)
            at = at.value
        if not isinstance(at, ast.Name):
            return
        owner = at.id
        if verb == "add_routes" and call.args and isinstance(call.args[0], ast.List | ast.Tuple):
            self._aiohttp_table(owner, call.args[0].elts)
        elif verb in _INCLUDES and call.args:
            prefix = argument(call, "prefix") or argument(call, "url_prefix")
            target = call.args[0]
            if verb == "mount" and len(call.args) > 1:
                prefix, target = call.args[0], call.args[1]
            name = self.module.qualified(target)
            if name:
                self.includes.setdefault(owner, []).append((name, text(prefix, self.known) or ""))
        elif verb.startswith("add_") and verb.removeprefix("add_") in _VERBS:
            self._add(owner, call, (verb.removeprefix("add_").upper(),))
        elif verb in ("add_api_route", "add_url_rule", "add_route"):
            if is_router and verb == "add_route" and len(call.args) > 2:  # aiohttp's: the method stands before the path
                said = text(call.args[0], self.known) or "GET"
                call = ast.copy_location(ast.Call(call.func, call.args[1:], call.keywords), call)
                self._add(owner, call, (said.upper(),))
            else:
                self._add(owner, call, ())

    def _aiohttp_table(self, owner: str, rows: list[ast.expr]) -> None:
        """[web.get("/x", f), web.post("/y", g)]"""
        for one in rows:
            if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr in _VERBS:
                self._add(owner, one, (one.func.attr.upper(),))

    def of(self, owner: str, find: Find, depth: int = 0) -> Iterator[Route]:
        """All that the object `owner` serves; "" for all of the file. The included ones come with their prefix."""
        prefix = self.prefixes.get(owner, "")
        for name, routes in self.own.items():
            if name in (owner, "") or not owner:
                yield from (route._replace(path=_joined(prefix, route.path)) for route in routes)
        if depth >= _DEEPEST:
            return
        for name, below in self.includes.get(owner, []):
            for route in self._included(name, find, depth + 1):
                yield route._replace(path=_joined(prefix + below, route.path))

    def _included(self, name: str, find: Find, depth: int) -> Iterator[Route]:
        if "." not in name:
            if name in self.own or name in self.includes:
                yield from self.of(name, find, depth)
            return
        head, _, last = name.rpartition(".")
        found = find(head, self.module.path)
        if found:
            routes = Routes(*found)
            for one in routes.own.get(last, []):
                yield one._replace(path=_joined(routes.prefixes.get(last, ""), one.path))
            for inner, below in routes.includes.get(last, []) if depth < _DEEPEST else ():
                for one in routes._included(inner, find, depth + 1):
                    yield one._replace(path=_joined(routes.prefixes.get(last, "") + below, one.path))


def _joined(prefix: str, path: str) -> str:
    whole = prefix.rstrip("/") + ("/" + path.lstrip("/") if path or not prefix else "")
    return whole or "/"


def _last(route: Route) -> str:
    return route.path.rstrip("/").rpartition("/")[2].lower().lstrip("_")


def health_route(routes: tuple[Route, ...]) -> Route | None:
    """The one that a probe should ask: liveness before readiness, the shallow before the deep."""
    fit = [one for one in routes if "GET" in one.methods and _last(one) in _HEALTH and "{" not in one.path]
    return min(fit, key=lambda one: (_HEALTH.index(_last(one)), one.path.count("/")), default=None)


def predict_route(routes: tuple[Route, ...]) -> Route | None:
    posts = [one for one in routes if "POST" in one.methods]
    named = [one for one in posts if _last(one) in _PREDICT]
    if named:
        return min(named, key=lambda one: (_PREDICT.index(_last(one)), one.path.count("/")))
    return posts[0] if len(posts) == 1 else None
