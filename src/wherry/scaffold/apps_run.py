"""Calls that start a server, and what they say about it: uvicorn.run(...), app.run(...), demo.launch(...)."""

from __future__ import annotations

import ast
from typing import NamedTuple

from wherry.scaffold.facts import Where
from wherry.scaffold.source import Module
from wherry.scaffold.table_frameworks import RUNNERS
from wherry.scaffold.values import Constants, Number, argument, number, text

__all__ = ["Start", "starts"]

_METHODS = {"run": "", "launch": "gradio", "listen": "tornado"}
_LOCAL = ("127.0.0.1", "localhost", "::1")


class Start(NamedTuple):
    runner: str
    """ "uvicorn" ...; "" for a method of the app itself."""
    target: str
    """What is started: "main:app" as text, or the name of an object of the module."""
    port: Number
    is_local: bool
    reload: bool
    where: Where
    method: str
    """As written, for messages: "uvicorn.run"."""


def starts(module: Module, known: Constants) -> list[Start]:
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            name = module.qualified(node.func)
            if name in RUNNERS:
                found.append(_runner(module, known, node, RUNNERS[name], name))
            elif isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
                found.append(_method(module, known, node, node.func))
    return found


def _runner(module: Module, known: Constants, call: ast.Call, runner: str, name: str) -> Start:
    target = call.args[0] if call.args else argument(call, "app")
    said = target.value if isinstance(target, ast.Constant) and isinstance(target.value, str) else ""
    port = argument(call, "port")
    host = argument(call, "host")
    if isinstance(target, ast.Tuple) and len(target.elts) == 2:  # HTTPServer(("", 8000), Handler)
        host, port = target.elts
    local = text(host, known) in _LOCAL or (host is None and runner == "uvicorn")
    return Start(
        runner, said or module.qualified(target), number(port, known), local, _is_on(argument(call, "reload")),
        module.where(call), f"{name}()",
    )  # fmt: skip


def _method(module: Module, known: Constants, call: ast.Call, func: ast.Attribute) -> Start:
    owner: ast.expr = func.value
    while isinstance(owner, ast.Call) and isinstance(owner.func, ast.Attribute):  # demo.queue().launch()
        owner = owner.func.value
    port = argument(call, "server_port") or argument(call, "port")
    host = argument(call, "server_name") or argument(call, "host")
    local = text(host, known) in _LOCAL
    reload = _is_on(argument(call, "debug")) or _is_on(argument(call, "reload"))
    name = owner.id if isinstance(owner, ast.Name) else ""
    method = f"{name or 'app'}.{func.attr}()"
    return Start("", name, number(port, known), local, reload, module.where(call), method)


def _is_on(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True
