"""The part of Go's text/template that people use in --format: fields, range, if, and docker's functions.

Works on what JSON can say. `{{.A.B}}`, `{{range .A}}...{{else}}...{{end}}`, `{{if .A}}...{{else if .B}}...{{end}}`,
`{{with .A}}...{{end}}`, `$`, strings, numbers, `|`, and the functions json, len, lower, upper, title, join, split,
index, print, println, truncate, eq, ne, lt, le, gt, ge, and, or, not. `{{-` and `-}}` trim, as in Go.

Spec: https://pkg.go.dev/text/template and https://docs.docker.com/engine/cli/formatting/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["render"]

_ACTION = re.compile(r"\{\{(-\s)?(.*?)(\s-)?\}\}", re.DOTALL)
_WORD = re.compile(r'\s*("(?:\\.|[^"\\])*"|`[^`]*`|\)(?:\.\w+)*|[(|]|[^\s()|"`]+)')


def render(template: str, value: Any) -> str:
    r"""Raises: InputError for what is no template, or asks for a field that is not there. `\n` and `\t` are read as in
    docker's --format.
    """
    parts = list(_parts(template.replace("\\n", "\n").replace("\\t", "\t")))
    nodes, rest = _block(parts, ())
    assert not rest
    return "".join(_run(nodes, value, value))


class _Text:
    def __init__(self, text: str) -> None:
        self.text = text


class _Action:
    """`branches` are (condition, body); the condition of an else is "". `kind` is print, if, range or with."""

    def __init__(self, kind: str, branches: Sequence[tuple[str, list[_Node]]]) -> None:
        self.kind = kind
        self.branches = branches


_Node = _Text | _Action


def _parts(template: str) -> Iterator[tuple[bool, str]]:
    """(is an action, text), trimmed where the actions say so."""
    at, trim = 0, False
    for match in _ACTION.finditer(template):
        text = template[at : match.start()]
        text = text.lstrip() if trim else text
        yield False, text.rstrip() if match[1] else text
        body = match[2].strip()
        if not body.startswith("/*"):
            yield True, body
        at, trim = match.end(), bool(match[3])
    text = template[at:]
    if "{{" in text:
        raise InputError("template parsing error: unclosed action", hint="an action ends with }}")
    yield False, text.lstrip() if trim else text


def _block(parts: Sequence[tuple[bool, str]], ends: Sequence[str]) -> tuple[list[_Node], list[tuple[bool, str]]]:
    """The nodes up to an action that begins with one of `ends`, and what is left, that action first."""
    nodes: list[_Node] = []
    left = list(parts)
    while left:
        is_action, text = left[0]
        word = text.split(maxsplit=1)[0] if is_action and text else ""
        if not is_action:
            nodes.append(_Text(text))
            left = left[1:]
        elif word in ("end", "else"):
            if word not in ends:
                raise InputError(f"template parsing error: unexpected {{{{{word}}}}}")
            return nodes, left
        elif word in ("if", "range", "with"):
            node, left = _control(left)
            nodes.append(node)
        else:
            nodes.append(_Action("print", [(text, [])]))
            left = left[1:]
    if ends:
        raise InputError(
            "template parsing error: unexpected EOF", hint="{{if}}, {{range}} and {{with}} need an {{end}}"
        )
    return nodes, left


def _control(left: list[tuple[bool, str]]) -> tuple[_Node, list[tuple[bool, str]]]:
    kind, _, condition = left[0][1].partition(" ")
    if not condition.strip():
        raise InputError(f"template parsing error: missing value for {kind}")
    branches: list[tuple[str, list[_Node]]] = []
    while True:
        body, left = _block(left[1:], ("end", "else"))
        branches.append((condition.strip(), body))
        word, _, more = left[0][1].partition(" ")
        if word == "end":
            return _Action(kind, branches), left[1:]
        condition = more.strip().removeprefix("if ").strip()


def _run(nodes: Sequence[_Node], value: Any, top: Any) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, _Text):
            yield node.text
        elif node.kind == "print":
            yield _shown(_evaluate(node.branches[0][0], value, top))
        else:
            yield from _branch(node, value, top)


def _branch(node: _Action, value: Any, top: Any) -> Iterator[str]:
    for condition, body in node.branches:
        found = _evaluate(condition, value, top) if condition else True
        if not found:
            continue
        if node.kind == "range" and condition:
            for one in _items(found):
                yield from _run(body, one, top)
        else:
            yield from _run(body, found if node.kind == "with" and condition else value, top)
        return


def _items(value: Any) -> Iterator[Any]:
    """A map's in the order of its keys, as in Go."""
    if isinstance(value, Mapping):
        return iter([value[key] for key in sorted(value)])
    if isinstance(value, Sequence) and not isinstance(value, str):
        return iter(value)
    raise InputError(f"template: range can't iterate over {_shown(value)}")


def _evaluate(text: str, value: Any, top: Any) -> Any:
    words = _WORD.findall(text)
    if not words or _WORD.sub("", text).strip():
        raise InputError(f"template parsing error: {{{{{text}}}}}")
    found, left = _pipeline(words, value, top)
    if left:
        raise InputError(f"template parsing error: unexpected {left[0]!r} in {{{{{text}}}}}")
    return found


def _pipeline(words: list[str], value: Any, top: Any) -> tuple[Any, list[str]]:
    result: list[Any] = []
    left = words
    while True:
        arguments: list[Any] = []
        name = ""
        while left and left[0] != "|" and left[0][0] != ")":
            word, left = left[0], left[1:]
            if word == "(":
                inner, left = _pipeline(left, value, top)
                if not left:
                    raise InputError("template parsing error: unclosed left paren")
                arguments.append(_field(inner, left[0][1:]))
                left = left[1:]
            elif not name and not arguments and word in _FUNCTIONS:
                name = word
            else:
                arguments.append(_operand(word, value, top))
        result = [_call(name, [*arguments, *result])]
        if not left or left[0][0] == ")":
            return result[0], left
        left = left[1:]


def _call(name: str, arguments: list[Any]) -> Any:
    if not name:
        if len(arguments) != 1:
            raise InputError("template parsing error: one value is wanted", hint="functions come first: {{len .Files}}")
        return arguments[0]
    try:
        return _FUNCTIONS[name](*arguments)
    except (TypeError, ValueError, LookupError) as fault:
        raise InputError(f"template: error calling {name}: {fault}") from None


def _operand(word: str, value: Any, top: Any) -> Any:
    if word[0] == '"':
        try:
            return json.loads(word)
        except ValueError:
            raise InputError(f"template parsing error: {word}") from None
    if word[0] == "`":
        return word[1:-1]
    if word in ("true", "false", "nil"):
        return {"true": True, "false": False, "nil": None}[word]
    if re.fullmatch(r"-?\d+", word):
        return int(word)
    if word == "$" or word.startswith("$."):
        return _field(top, word[1:])
    if word.startswith("."):
        return _field(value, word)
    raise InputError(f'template parsing error: function "{word}" not defined')


def _field(value: Any, path: str) -> Any:
    for name in filter(None, path.split(".")):
        if not isinstance(value, Mapping) or name not in value:
            known = ", ".join(f".{key}" for key in value) if isinstance(value, Mapping) else ""
            raise InputError(f"template: no field {path}", hint=f"there are: {known}" if known else None)
        value = value[name]
    return value


def _shown(value: Any) -> str:
    """As Go prints it."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{_shown(one)}" for key, one in sorted(value.items())) + "]"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + " ".join(map(_shown, value)) + "]"
    return str(value)


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        value = value[key]
    return value


def _and(*values: Any) -> Any:
    return next((one for one in values if not one), values[-1])


def _or(*values: Any) -> Any:
    return next((one for one in values if one), values[-1])


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "json": _dumps, "len": len, "lower": str.lower, "upper": str.upper, "title": str.title, "index": _index,
    "join": lambda values, separator: separator.join(values), "split": lambda text, by: text.split(by),
    "print": lambda *values: "".join(map(_shown, values)),
    "println": lambda *values: " ".join(map(_shown, values)) + "\n",
    "truncate": lambda text, length: text[:length],
    "eq": lambda one, *others: one in others, "ne": lambda one, other: one != other,
    "lt": lambda one, other: one < other, "le": lambda one, other: one <= other,
    "gt": lambda one, other: one > other, "ge": lambda one, other: one >= other,
    "and": _and, "or": _or, "not": lambda value: not value,
}  # fmt: skip
