"""The project's Python: which files matter, told by a cheap look at their bytes, and those few parsed.

`ast` alone is used: no line of the project runs. A file that can't be parsed is a problem with its line, and the
others are read all the same.
"""

from __future__ import annotations

import ast
import codecs
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from wherry.scaffold.facts import Problem, Where
from wherry.scaffold.files import LARGEST_SOURCE_BYTES, Files
from wherry.scaffold.table_frameworks import TRIGGERS

__all__ = [
    "Import",
    "Module",
    "Sketch",
    "Sources",
    "dotted",
    "parse",
    "read_sources",
    "sketch",
    "statements",
    "top_statements",
]

MOST_PARSED = 400
MOST_PARSED_BYTES = 400_000  # a megabyte takes a second
ASIDE = frozenset(
    {"test", "tests", "testing", "docs", "doc", "examples", "example", "benchmarks", "bench", "notebooks"}
)

# What else in a file is worth a parse: the environment, devices, and weights that are fetched
_SIGNS = (b"environ", b"getenv", b"BaseSettings", b".cuda", b'"cuda', b"'cuda", b"from_pretrained", b"hf_hub_download")
_MORE_SIGNS = (b"snapshot_download", b"torch.hub", b"torch.load", b"load_model", b"pickle.load", b"joblib.load")
_AS_UTF8 = "save it as UTF-8, or say its encoding in the first line: # -*- coding: latin-1 -*-"
_PYTHON2 = re.compile(
    rb"^\s*(?:print\s+[\"'\w]|exec\s+[\"']|except\s+[\w.]+\s*,\s*\w+\s*:|raise\s+\w+\s*,)", re.MULTILINE
)
# PEP 263
_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*[-_.a-zA-Z0-9]+")
_MAIN = re.compile(rb"^if\s+__name__\s*==\s*[\"']__main__[\"']", re.MULTILINE)


class Import(NamedTuple):
    module: str
    """As written: "a.b", ".c", "." for `from . import x`."""
    line: int


class Sketch(NamedTuple):
    """What a look at the lines of a file says, without parsing it."""

    path: str
    data: bytes
    imports: tuple[Import, ...]
    has_main: bool
    weight: int
    """How much it may matter; 0: no need to parse it."""

    @property
    def is_aside(self) -> bool:
        """A test, an example or a document: not what is deployed."""
        *folders, name = self.path.split("/")
        return not ASIDE.isdisjoint(folders) or name.startswith(("test_", "conftest")) or name.endswith("_test.py")


class Module(NamedTuple):
    """A parsed file."""

    path: str
    tree: ast.Module
    names: dict[str, str]
    """Names of the file's imports → what they are: "FastAPI" → "fastapi.FastAPI"; relative ones from the root."""

    def where(self, node: ast.AST) -> Where:
        return Where(self.path, getattr(node, "lineno", 0))

    def qualified(self, node: ast.AST | None) -> str:
        """ "fastapi.FastAPI" for `FastAPI` or `fastapi.FastAPI`, by this file's imports; a local name as it is."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        parts.append(self.names.get(node.id, node.id))
        return ".".join(reversed(parts))


class Sources(NamedTuple):
    sketches: tuple[Sketch, ...]
    modules: dict[str, Module]
    problems: tuple[Problem, ...]


def sketch(path: str, data: bytes) -> Sketch:
    data = data.removeprefix(codecs.BOM_UTF8)  # as editors on Windows write it: it hides the first import
    found: list[Import] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        bare = line.lstrip()
        if bare.startswith((b"import ", b"from ")):
            found += _imports(bare, number)
    imports = tuple(found)
    roots = {one.module.split(".")[0] for one in imports}
    has_main = _MAIN.search(data) is not None
    weight = 8 * len(roots & TRIGGERS) + 4 * has_main
    weight += 2 * any(sign in data for sign in _SIGNS) + any(sign in data for sign in _MORE_SIGNS)
    return Sketch(path, data, imports, has_main, weight)


def _imports(line: bytes, number: int) -> Iterator[Import]:
    text = line.decode("utf-8", "replace").partition("#")[0].partition(";")[0].replace("\\", " ")
    words = text.split(None, 1)
    if len(words) < 2:
        return
    if words[0] == "from":
        module, _, rest = words[1].partition(" import")
        if rest and all(part.isidentifier() for part in module.strip().lstrip(".").split(".") if part):
            yield Import(module.strip(), number)
        return
    for one in words[1].split(","):
        module = one.split(" as ")[0].strip()
        if module and all(part.isidentifier() for part in module.split(".")):
            yield Import(module, number)


def read_sources(files: Files) -> Sources:
    """All Python files in outline, the promising ones parsed: those that matter most first, up to a bound."""
    sketches, problems = [], []
    for entry in files.entries:
        if not entry.path.endswith((".py", ".pyw")):
            continue
        if entry.size_bytes > LARGEST_SOURCE_BYTES:
            text = f"is {entry.size_bytes / 1e6:.1f} MB of Python, and was not looked at"
            problems.append(Problem("note", "huge-source", Where(entry.path), text))
            continue
        data = files.read(entry.path, LARGEST_SOURCE_BYTES)
        if data is not None:
            sketches.append(sketch(entry.path, data))
    wanted = sorted(
        (one for one in sketches if one.weight or "/" not in one.path),
        key=lambda one: (one.is_aside, -one.weight, one.path.count("/"), one.path),
    )
    modules, more = _parse_all(wanted)
    return Sources(tuple(sketches), modules, (*problems, *more))


def _parse_all(wanted: list[Sketch]) -> tuple[dict[str, Module], list[Problem]]:
    modules, problems, spent = {}, [], 0
    for at, one in enumerate(wanted):
        if at >= MOST_PARSED or spent + len(one.data) > MOST_PARSED_BYTES:
            text = f"{at} files of Python were read closely, and {len(wanted) - at} less promising ones were not"
            problems.append(Problem("note", "many-sources", Where(one.path), text))
            break
        spent += len(one.data)
        parsed = parse(one.path, one.data)
        if isinstance(parsed, Module):
            modules[one.path] = parsed
        elif not one.is_aside:
            problems.append(parsed)
    return modules, problems


def parse(path: str, data: bytes) -> Module | Problem:
    if b"\0" in data:  # what is said of it differs between versions of Python
        return Problem("warning", "undecodable", Where(path), "can't be decoded: it holds null bytes", _AS_UTF8)
    if not data.isascii() and not any(map(_CODING.match, data.split(b"\n", 2)[:2])):
        # ast.parse is content with broken bytes in a comment; the program that starts is not
        try:
            data.decode()
        except UnicodeDecodeError as fault:
            where = Where(path, data.count(b"\n", 0, fault.start) + 1)
            return Problem("warning", "undecodable", where, "can't be decoded: it is not UTF-8", _AS_UTF8)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(data)
    except SyntaxError as fault:
        return _unparsed(path, data, fault)
    except (ValueError, RecursionError, MemoryError, OverflowError) as fault:
        return Problem(
            "warning", "unparsed", Where(path), f"can't be parsed: {str(fault)[:80] or type(fault).__name__}"
        )
    return Module(path, tree, _names(path, tree))


def _unparsed(path: str, data: bytes, fault: SyntaxError) -> Problem:
    where = Where(path, max(fault.lineno or 0, 0))
    if _PYTHON2.search(data):
        hint = "port it (2to3, python-modernize), or leave it out of the image by .dockerignore"
        return Problem("warning", "python2", where, "is written for Python 2", hint)
    if "decod" in (fault.msg or "") or "encoding" in (fault.msg or ""):
        return Problem("warning", "undecodable", where, f"can't be decoded: {fault.msg[:100]}", _AS_UTF8)
    return Problem("warning", "syntax-error", where, f"can't be parsed: {fault.msg[:100]}", "python -m py_compile FILE")


def _names(path: str, tree: ast.Module) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in _import_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        else:
            base = _base(path, node.level) if node.level else ""
            head = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                names[alias.asname or alias.name] = f"{head}.{alias.name}" if head else alias.name
    return names


def _import_nodes(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    """Those of functions too (factories import there); a module-level one of the same name wins, as it comes last."""
    inner: list[ast.Import | ast.ImportFrom] = []
    outer: list[ast.Import | ast.ImportFrom] = []
    for node in statements(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            (inner if node.col_offset else outer).append(node)
    yield from inner
    yield from outer


def _base(path: str, level: int) -> str:
    parts = path.split("/")[:-1]
    return ".".join(parts[: len(parts) - level + 1])


def statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """All statements below, whatever they stand in; expressions are not looked into, which is what a walk costs."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        for name in ("body", "handlers", "orelse", "finalbody", "cases"):
            inner = getattr(node, name, None)
            for one in inner if isinstance(inner, list) else ():
                waiting.append(one)
                if isinstance(one, ast.stmt):
                    yield one


def dotted(path: str) -> str:
    """ "src/app/main.py" → "src.app.main"; a package's __init__.py is the package."""
    stem = path.removesuffix(".pyw").removesuffix(".py")
    return stem.removesuffix("/__init__").replace("/", ".")


def top_statements(tree: ast.Module) -> Iterator[tuple[ast.stmt, bool]]:
    """The statements that an import runs, those in `if`, `try`, `with` and loops too, and whether they stand under
    `if __name__ == "__main__"`."""
    waiting: list[tuple[ast.stmt, bool]] = [(node, False) for node in reversed(tree.body)]
    while waiting:
        node, is_main = waiting.pop()
        yield node, is_main
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        under = is_main or (isinstance(node, ast.If) and "__name__" in ast.dump(node.test))
        inner: list[ast.stmt] = []
        for name in ("body", "handlers", "orelse", "finalbody"):
            for one in getattr(node, name, []):
                inner += one.body if isinstance(one, ast.ExceptHandler) else [one]
        waiting += [(one, under) for one in reversed(inner)]
