"""Go's values in Python, and their types.

    Python                    Go                           Python            Go
    str, bool, int, float     string, bool, int, float64   Number            json.Number
    list, tuple               []interface {}               Duration, Time    time.Duration, time.Time
    dict                      map[string]interface {}      Port              nat.Port
    None                      a nil interface              List, Map         []T, map[K]T
    ABSENT                    no value at all              Struct, NilPointer

Plain JSON needs none of the right column: `typed` makes it of JSON and a type, so that a template sees what docker's
command line decodes an answer into.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Final, NamedTuple

    from wherry.gotemplate.functions import Function
else:
    from wherry.lean import NamedTuple

__all__ = [
    "ABSENT", "ANY", "BOOL", "FLOAT", "INT", "STRING", "Duration", "List", "Map", "Member", "NilPointer", "Number",
    "Port", "Struct", "Time", "Type", "indirect", "is_true", "kind_of", "record", "type_name", "typed", "zero",
]  # fmt: skip


class Member(NamedTuple):
    """One field of a struct type: its name in Go, its key in JSON, and its type. An embedded one lends its members."""

    name: str
    key: str
    type: Type
    is_embedded: bool = False


class Type(NamedTuple):
    """`kind`: string, bool, int, uint, float, any, slice, map, struct, pointer, duration, time.

    `name` is what Go prints for it; `elem` what a slice, map or pointer holds; `key` a map's. `members` is a function,
    since types refer to each other.
    """

    kind: str
    name: str
    elem: Type | None = None
    members: Callable[[], tuple[Member, ...]] = tuple
    key: str = "string"

    def __repr__(self) -> str:
        return self.name


STRING, BOOL, INT = Type("string", "string"), Type("bool", "bool"), Type("int", "int")
FLOAT, ANY = Type("float", "float64"), Type("any", "interface {}")
_LIST_OF_ANY = Type("slice", "[]interface {}", ANY)
_MAP_OF_ANY = Type("map", "map[string]interface {}", ANY)


class _Absent:
    def __repr__(self) -> str:
        return "<no value>"

    def __bool__(self) -> bool:
        return False


ABSENT: Final = _Absent()


class Number(str):
    """A number as JSON wrote it: a string to Go, as docker reads an answer that fits no type."""

    __slots__ = ()


class Duration(int):
    """Nanoseconds, printed as Go prints them."""

    def __str__(self) -> str:
        from wherry.durations import duration_text

        return duration_text(self)


class Time(str):
    """A moment as RFC 3339, printed as Go prints it."""

    __slots__ = ()

    def __str__(self) -> str:
        from wherry.gotemplate.times import moment

        return moment(str.__str__(self))


class Port(str):
    """80/tcp, as a key of docker's maps of ports."""

    __slots__ = ()


class List(list):  # type: ignore[type-arg]
    """Of one type. `is_nil` is null in JSON."""

    __slots__ = ("is_nil", "type")

    def __init__(self, type: Type, values: Iterable[Any] = (), *, is_nil: bool = False) -> None:
        super().__init__(values)
        self.type, self.is_nil = type, is_nil


class Map(dict):  # type: ignore[type-arg]
    __slots__ = ("is_nil", "type")

    def __init__(self, type: Type, values: Mapping[str, Any] | None = None, *, is_nil: bool = False) -> None:
        super().__init__(values or {})
        self.type, self.is_nil = type, is_nil


class Struct:
    """Fields and methods by name; `fields` in Go's order, `given` what its JSON is (key to value), in order.

    `is_pointer` counts in Go's text for it, and in messages; `escapes` says that its JSON hides <, > and &.
    """

    __slots__ = ("escapes", "fields", "given", "is_pointer", "methods", "promoted", "type")

    def __init__(
        self, type: Type, fields: Mapping[str, Any], *, given: Mapping[str, Any] | None = None,
        is_pointer: bool = False, methods: Mapping[str, Function] | None = None, escapes: bool = False,
    ) -> None:  # fmt: skip
        self.type, self.fields, self.is_pointer, self.escapes = type, fields, is_pointer, escapes
        self.given: Mapping[str, Any] = fields if given is None else given
        self.methods: Mapping[str, Function] = methods or {}
        self.promoted: Mapping[str, Any] = {}  # what embedded structs lend

    def has(self, name: str) -> bool:
        return name in self.fields or name in self.promoted

    def get(self, name: str) -> Any:
        return self.fields[name] if name in self.fields else self.promoted[name]


class NilPointer:
    """`type` is what it would point to."""

    __slots__ = ("type",)

    def __init__(self, type: Type) -> None:
        self.type = type

    def __bool__(self) -> bool:
        return False


def kind_of(value: Any) -> str:
    """Go's kind, as in Type.kind; "absent", "nil" or "pointer" for what is none."""
    if value is ABSENT:
        return "absent"
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    for type, kind in ((Time, "struct"), (str, "string"), (float, "float"), (dict, "map"), (NilPointer, "pointer"),
                       (Struct, "struct")):  # fmt: skip
        if isinstance(value, type):
            return kind
    return "slice"


def type_name(value: Any) -> str:
    """As Go's %T shows it, pointers too."""
    if isinstance(value, Struct):
        return "*" * value.is_pointer + value.type.name
    if isinstance(value, NilPointer):
        return f"*{value.type.name}"
    if isinstance(value, List | Map):
        return value.type.name
    for type, name in ((Time, "time.Time"), (Duration, "time.Duration"), (Number, "json.Number"), (Port, "nat.Port")):
        if isinstance(value, type):
            return name
    kind = kind_of(value)
    return {
        "nil": "interface {}", "slice": _LIST_OF_ANY.name, "map": _MAP_OF_ANY.name, "float": "float64",
    }.get(kind, kind)  # fmt: skip


def type_of(value: Any) -> Type:
    """Of a list or a map."""
    if isinstance(value, List | Map):
        return value.type
    return _MAP_OF_ANY if isinstance(value, dict) else _LIST_OF_ANY


def indirect(value: Any) -> tuple[Any, bool]:
    """Through a pointer; whether that was nil."""
    return value, value is None or isinstance(value, NilPointer)


def is_true(value: Any) -> bool:
    """What {{if}} takes for true: not zero, not empty, not nil. A struct always is."""
    if isinstance(value, Struct | Time):
        return True
    return bool(value)


def zero(type: Type) -> Any:
    """What Go has where JSON says nothing."""
    if type.kind == "struct":
        return typed({}, type)
    if type.kind == "pointer":
        assert type.elem
        return NilPointer(type.elem)
    if type.kind == "slice":
        return List(type, is_nil=True)
    if type.kind == "map":
        return Map(type, is_nil=True)
    return {
        "string": "", "bool": False, "int": 0, "uint": 0, "float": 0.0, "duration": Duration(0),
        "time": Time("0001-01-01T00:00:00Z"),
    }.get(type.kind)  # fmt: skip


def typed(value: Any, type: Type) -> Any:
    """JSON as a Go program has it that decodes into `type`. What does not fit stays as it is."""
    if value is None:
        return zero(type)
    if type.kind == "struct" and isinstance(value, dict):
        return _struct(value, type)
    if type.kind == "pointer" and type.elem:
        found = typed(value, type.elem)
        if isinstance(found, Struct):
            found.is_pointer = True
        return found
    if type.kind == "slice" and isinstance(value, list | tuple) and type.elem:
        return List(type, [typed(one, type.elem) for one in value])
    if type.kind == "map" and isinstance(value, dict) and type.elem:
        named = Port if type.key == "nat.Port" else str
        return Map(type, {named(key): typed(one, type.elem) for key, one in value.items()})
    if type.kind == "duration" and isinstance(value, int):
        return Duration(value)
    return Time(value) if type.kind == "time" and isinstance(value, str) else value


def _struct(value: Mapping[str, Any], type: Type) -> Struct:
    fields: dict[str, Any] = {}
    promoted: dict[str, Any] = {}
    given: dict[str, Any] = {}
    for member in type.members():
        if member.is_embedded:
            inner = typed(value, member.type)
            fields[member.name] = inner
            promoted |= {**inner.promoted, **inner.fields}
            own = keys(member.type)
            given |= {key: one for key, one in inner.given.items() if key in own}
        elif member.key in value:
            fields[member.name] = given[member.key] = typed(value[member.key], member.type)
        else:
            fields[member.name] = zero(member.type)
    # What the type does not know stays in its JSON
    made = Struct(type, fields, given={**given, **{key: one for key, one in value.items() if key not in given}})
    made.promoted = promoted
    return made


_STRINGS = Type("slice", "[]string", STRING)


def record(value: Mapping[str, Any], name: str) -> Struct:
    """A document of our own as a struct of that type: its fields in order, lists of strings as []string."""
    return Struct(Type("struct", name), {key: _told(one) for key, one in value.items()})


def _told(value: Any) -> Any:
    if isinstance(value, List | Map):
        return value
    if isinstance(value, dict):
        return {key: _told(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return List(_STRINGS, value) if all(type(one) is str for one in value) else [_told(one) for one in value]
    return value


def keys(type: Type) -> set[str]:
    """The JSON keys of a struct, with those of what it embeds."""
    found: set[str] = set()
    for member in (type.elem or type).members():
        found |= keys(member.type) if member.is_embedded else {member.key}
    return found
