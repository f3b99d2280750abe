"""The functions that every Go template has.

Spec: https://pkg.go.dev/text/template@go1.24.4#hdr-Functions
"""

from __future__ import annotations

from wherry.gotemplate.printing import shown, shown_all, shown_lines
from wherry.gotemplate.values import (
    ABSENT,
    ANY,
    STRING,
    List,
    Struct,
    Type,
    indirect,
    is_true,
    kind_of,
    type_name,
    type_of,
    zero,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["BUILTINS", "VALUE", "Function", "FunctionFault"]

# A parameter that takes anything, nil too
VALUE = Type("value", "reflect.Value")
_LARGEST = 16 << 20


class FunctionFault(Exception):
    """What a function says is wrong; the evaluator adds which one, and where."""


class Function(NamedTuple):
    """`call` takes as many values as `wants` names, then any number of `rest` when that is not None."""

    call: Callable[..., Any]
    wants: tuple[Type, ...] = ()
    rest: Type | None = None


def _index(item: Any, *keys: Any) -> Any:
    if item is ABSENT or item is None:
        raise FunctionFault("index of untyped nil")
    for key in keys:
        _, is_nil = indirect(item)
        if is_nil or item is ABSENT:
            raise FunctionFault("index of nil pointer")
        kind = kind_of(item)
        if kind == "map":
            item = _looked_up(item, key)
        elif kind == "slice":
            at = _place(key, len(item))
            if at == len(item):
                raise FunctionFault("reflect: slice index out of range")
            item = item[at]
        elif kind == "string":
            data = str(item).encode("utf-8", "surrogateescape")
            at = _place(key, len(data))
            if at == len(data):
                raise FunctionFault("reflect: string index out of range")
            item = data[at]
        else:
            raise FunctionFault(f"can't index item of type {type_name(item)}")
    return item


def _looked_up(item: dict[str, Any], key: Any) -> Any:
    type = type_of(item)
    if key is ABSENT or key is None:
        raise FunctionFault(f"value is nil; should be of type {type.key}")
    # A key of a type of its own, as a port is, is no plain string to Go
    if type_name(key) != type.key:
        raise FunctionFault(f"value has type {type_name(key)}; should be {type.key}")
    if key in item:
        return item[key]
    return None if type.elem is None or type.elem.kind == "any" else zero(type.elem)


def _place(key: Any, length: int) -> int:
    kind = kind_of(key)
    if kind in ("absent", "nil"):
        raise FunctionFault("cannot index slice/array with nil")
    if kind != "int":
        raise FunctionFault(f"cannot index slice/array with type {type_name(key)}")
    if not 0 <= key <= length:
        raise FunctionFault(f"index out of range: {int(key)}")
    return int(key)


def _slice(item: Any, *ends: Any) -> Any:
    if item is ABSENT or item is None:
        raise FunctionFault("slice of untyped nil")
    if len(ends) > 3:
        raise FunctionFault(f"too many slice indexes: {len(ends)}")
    kind = kind_of(item)
    if kind == "string" and len(ends) == 3:
        raise FunctionFault("cannot 3-index slice a string")
    if kind not in ("string", "slice"):
        raise FunctionFault(f"can't slice item of type {type_name(item)}")
    whole: Any = str(item).encode("utf-8", "surrogateescape") if kind == "string" else item
    places = [_place(end, len(whole)) for end in ends]
    for i in range(len(places) - 1):
        if places[i] > places[i + 1]:
            raise FunctionFault(f"invalid slice index: {places[i]} > {places[i + 1]}")
    cut = whole[slice(*[*places, None, None][:2])] if places else whole
    if kind == "string":
        return cut.decode("utf-8", "surrogateescape")
    return List(item.type, cut) if isinstance(item, List) else cut


def _len(item: Any) -> int:
    if item is ABSENT:
        raise FunctionFault("reflect: call of reflect.Value.Type on zero Value")
    if indirect(item)[1]:
        raise FunctionFault("len of nil pointer")
    kind = kind_of(item)
    if kind == "string":
        return len(str(item).encode("utf-8", "surrogateescape"))
    if kind not in ("slice", "map"):
        raise FunctionFault(f"len of type {type_name(item)}")
    return len(item)


def _printf(format: str, *values: Any) -> str:
    from wherry.gotemplate.printf import printf

    return printf(format, values)


def _escaper(escape: Callable[[str], str]) -> Callable[..., str]:
    def call(*values: Any) -> str:
        return escape(shown_all(["<no value>" if one is None or one is ABSENT else one for one in values]))

    return call


_HTML = {0: "\ufffd", ord('"'): "&#34;", ord("'"): "&#39;", ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_JS = {
    ord("\\"): "\\\\", ord("'"): "\\'", ord('"'): '\\"', ord("<"): "\\u003C", ord(">"): "\\u003E",
    ord("&"): "\\u0026", ord("="): "\\u003D",
}  # fmt: skip


def _js(text: str) -> str:
    return "".join(
        char if char.isprintable() else f"\\u{ord(char):04X}" for char in text.translate(_JS)
    )  # fmt: skip


def _url(text: str) -> str:
    from urllib.parse import quote_plus

    return quote_plus(text.encode("utf-8", "surrogateescape"), safe="~")


# Comparisons

_BASIC = frozenset(("bool", "int", "float", "string"))


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise FunctionFault("missing argument for comparison")
    return any(_same(first, other) for other in others)


def _same(one: Any, other: Any) -> bool:
    kinds = kind_of(one), kind_of(other)
    nothing = [kind in ("nil", "absent") for kind in kinds]
    basic = [kind if kind in _BASIC else "" for kind in kinds]
    if basic[0] != basic[1]:
        if not any(nothing):
            raise FunctionFault("incompatible types for comparison")
        return False
    if basic[0]:
        return bool(one == other)
    if any(nothing):
        is_nil = [lost or _is_nil(value) for lost, value in zip(nothing, (one, other), strict=True)]
        return is_nil[0] == is_nil[1]
    if "slice" in kinds or "map" in kinds:
        if type_name(one) == type_name(other):
            raise FunctionFault(f"non-comparable type {shown(one)}: {type_name(one)}")
        raise FunctionFault(f"non-comparable types {shown(one)}: {type_name(one)}, {type_name(other)}: {shown(other)}")
    return one is other or (isinstance(one, Struct) and isinstance(other, Struct) and _same_fields(one, other))


def _is_nil(value: Any) -> bool:
    return indirect(value)[1] or bool(getattr(value, "is_nil", False))


def _same_fields(one: Struct, other: Struct) -> bool:
    if one.is_pointer:
        return False
    return one.type.name == other.type.name and one.fields == other.fields


def _less(one: Any, other: Any) -> bool:
    kinds = kind_of(one), kind_of(other)
    if not set(kinds) <= _BASIC:
        raise FunctionFault("invalid type for comparison")
    if kinds[0] != kinds[1]:
        raise FunctionFault("incompatible types for comparison")
    if kinds[0] == "bool":
        raise FunctionFault("invalid type for comparison")
    if kinds[0] == "string":
        return _bytes(one) < _bytes(other)
    return bool(one < other)


def _bytes(text: str) -> bytes:
    return str.__str__(text).encode("utf-8", "surrogateescape")


def _or_equal(one: Any, other: Any) -> bool:
    return _less(one, other) or _same(one, other)


def _special(*values: Any) -> Any:
    raise AssertionError("and, or, call are the evaluator's own")


BUILTINS: Mapping[str, Function] = {
    "and": Function(_special, (VALUE,), VALUE),
    "or": Function(_special, (VALUE,), VALUE),
    "not": Function(lambda value: not is_true(value), (VALUE,)),
    "call": Function(_special, (VALUE,), VALUE),
    "html": Function(_escaper(lambda text: text.translate(_HTML)), (), ANY),
    "js": Function(_escaper(_js), (), ANY),
    "urlquery": Function(_escaper(_url), (), ANY),
    "index": Function(_index, (VALUE,), VALUE),
    "slice": Function(_slice, (VALUE,), VALUE),
    "len": Function(_len, (VALUE,)),
    "print": Function(lambda *values: shown_all(values), (), ANY),
    "printf": Function(_printf, (STRING,), ANY),
    "println": Function(lambda *values: shown_lines(values), (), ANY),
    "eq": Function(_equal, (VALUE,), VALUE),
    "ne": Function(lambda one, other: not _same(one, other), (VALUE, VALUE)),
    "lt": Function(_less, (VALUE, VALUE)),
    "le": Function(_or_equal, (VALUE, VALUE)),
    "gt": Function(lambda one, other: not _or_equal(one, other), (VALUE, VALUE)),
    "ge": Function(lambda one, other: not _less(one, other), (VALUE, VALUE)),
}  # fmt: skip
