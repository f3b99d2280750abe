"""Values of a module's expressions as far as they can be told without running it."""

from __future__ import annotations

import ast
from typing import NamedTuple

from wherry.scaffold.source import Module, statements, top_statements

__all__ = ["Constants", "Number", "argument", "constants", "environment_name", "number", "text"]

_DEEPEST = 6
Constants = dict[str, ast.expr]


class Number(NamedTuple):
    value: int | None
    variable: str = ""
    """The environment variable that it is read from."""


def constants(module: Module) -> Constants:
    """What the module-level names are given first, and "--port" and the like: the defaults of command line options;
    ".port": the default of a class's field of that name."""
    found: Constants = {}
    for node, _ in top_statements(module.tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, node.value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            found.setdefault(node.target.id, node.value)
        elif isinstance(node, ast.ClassDef):
            _fields(node, found)
    for one in statements(module.tree):
        if isinstance(one, ast.Expr) and isinstance(one.value, ast.Call):
            _option(one.value, found)
        elif isinstance(one, ast.Assign) and len(one.targets) == 1 and isinstance(one.targets[0], ast.Name):
            found.setdefault(one.targets[0].id, one.value)
    return found


def _fields(node: ast.ClassDef, found: Constants) -> None:
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and one.value:
            found.setdefault("." + one.target.id.lower(), one.value)


def _option(call: ast.Call, found: Constants) -> None:
    if not (isinstance(call.func, ast.Attribute) and call.func.attr in ("add_argument", "option")):
        return
    default = argument(call, "default")
    for name in call.args:
        if isinstance(name, ast.Constant) and isinstance(name.value, str) and name.value.startswith("--") and default:
            found.setdefault(name.value.replace("_", "-"), default)


def argument(call: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    for one in call.keywords:
        if one.arg == name:
            return one.value
    if position is not None and position < len(call.args):
        value = call.args[position]
        return None if isinstance(value, ast.Starred) else value
    return None


def text(node: ast.expr | None, known: Constants, depth: int = 0) -> str | None:
    """Text that is written there, that a name of the module stands for, or an environment variable's default."""
    if depth > _DEEPEST or node is None:
        return None
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return text(known.get(node.id), known, depth + 1)
    if isinstance(node, ast.Attribute):
        return text(_attribute(node, known), known, depth + 1)
    if isinstance(node, ast.Call) and _reads_environment(node.func):
        return text(argument(node, "default", 1), known, depth + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = text(node.left, known, depth + 1), text(node.right, known, depth + 1)
        return None if left is None or right is None else left + right
    return None


def number(node: ast.expr | None, known: Constants, depth: int = 0) -> Number:
    if depth > _DEEPEST or node is None:
        return Number(None)
    if isinstance(node, ast.Constant):
        return Number(_whole(node.value))
    if isinstance(node, ast.Name):
        return number(known.get(node.id), known, depth + 1)
    if isinstance(node, ast.Attribute):
        return number(_attribute(node, known), known, depth + 1)
    if isinstance(node, ast.BoolOp):
        found = [number(one, known, depth + 1) for one in node.values]
        variable = next((one.variable for one in found if one.variable), "")
        return Number(next((one.value for one in reversed(found) if one.value is not None), None), variable)
    if isinstance(node, ast.Subscript):
        return Number(None, environment_name(node, known))
    if isinstance(node, ast.Call):
        return _called(node, known, depth)
    return Number(None)


def _called(node: ast.Call, known: Constants, depth: int) -> Number:
    if _reads_environment(node.func):
        default = number(argument(node, "default", 1), known, depth + 1)
        return Number(default.value, environment_name(node, known) or default.variable)
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if name in ("int", "str") and node.args:
        return number(node.args[0], known, depth + 1)
    if name == "Field":
        return number(argument(node, "default", 0), known, depth + 1)
    return Number(None)


def _whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if 0 <= value <= 65535 else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 6:
        return int(value)
    return None


def _attribute(node: ast.Attribute, known: Constants) -> ast.expr | None:
    """`args.port` is the option's default, `settings.port` the field's."""
    name = node.attr.lower()
    return known.get("--" + name.replace("_", "-")) or known.get("." + name)


def _reads_environment(func: ast.expr) -> bool:
    if isinstance(func, ast.Name):
        return func.id == "getenv"
    if not isinstance(func, ast.Attribute):
        return False
    if func.attr == "getenv":
        return True
    owner = func.value
    is_environment = (isinstance(owner, ast.Attribute) and owner.attr == "environ") or (
        isinstance(owner, ast.Name) and owner.id in ("environ", "env")
    )
    return is_environment and func.attr in ("get", "int", "str", "setdefault", "pop")


def environment_name(node: ast.expr, known: Constants) -> str:
    """ "PORT" for os.environ["PORT"], os.environ.get("PORT", ...) and os.getenv("PORT"); else ""."""
    if isinstance(node, ast.Subscript):
        owner = node.value
        name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
        return (text(node.slice, known) or "") if name == "environ" else ""
    if isinstance(node, ast.Call) and _reads_environment(node.func) and node.args:
        return text(node.args[0], known) or ""
    return ""
