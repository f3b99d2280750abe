"""What the standard library has, at a fraction of its import: NamedTuple without `typing` and `collections`, threads
without `threading`, `suppress`, `contextmanager`, `cached_property` and `cache` without `contextlib` and `functools`.

Importing `typing` costs 4 ms, `collections`, `functools` and `contextlib` 2.5 ms, and each named tuple that they make
65 µs of compiling: 15 ms of each `wherry run` (docs/adr/0090-lean-named-tuples.md, docs/adr/0240-lean-starts.md).
Type checkers read the originals; at run time these stand here, with the same fields, defaults, methods and errors.
"""

from __future__ import annotations

from _collections import _tuplegetter  # type: ignore[import-not-found]
from _thread import allocate_lock, start_new_thread
from sys import intern

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from contextlib import contextmanager, suppress
    from functools import cache, cached_property, partial
    from types import MappingProxyType
else:
    import _signal as signal  # without its enums: numbers are numbers

__all__ = [
    "MappingProxyType", "NamedTuple", "Protocol", "cache", "cached_property", "contextmanager", "in_thread", "partial",
    "signal", "suppress",
]  # fmt: skip

_SPECIAL = frozenset({"__annotations__", "__module__", "__qualname__", "__doc__", "__firstlineno__", "__classcell__"})
_OWN = frozenset({"__new__", "__init__", "__slots__", "_make", "_replace", "_asdict", "_fields"})

Protocol = object

_new, _function = tuple.__new__, type(lambda: None)
# What makes a tuple of so many fields: compiled with this file, and copied with the fields' names for each class
_MAKERS = (
    lambda _cls: _new(_cls, ()),
    lambda _cls, a: _new(_cls, (a,)),
    lambda _cls, a, b: _new(_cls, (a, b)),
    lambda _cls, a, b, c: _new(_cls, (a, b, c)),
    lambda _cls, a, b, c, d: _new(_cls, (a, b, c, d)),
    lambda _cls, a, b, c, d, e: _new(_cls, (a, b, c, d, e)),
    lambda _cls, a, b, c, d, e, f: _new(_cls, (a, b, c, d, e, f)),
    lambda _cls, a, b, c, d, e, f, g: _new(_cls, (a, b, c, d, e, f, g)),
    lambda _cls, a, b, c, d, e, f, g, h: _new(_cls, (a, b, c, d, e, f, g, h)),
    lambda _cls, a, b, c, d, e, f, g, h, i: _new(_cls, (a, b, c, d, e, f, g, h, i)),
    lambda _cls, a, b, c, d, e, f, g, h, i, j: _new(_cls, (a, b, c, d, e, f, g, h, i, j)),
    lambda _cls, a, b, c, d, e, f, g, h, i, j, k: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k)),
    lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k, m)),
    lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m, n: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k, m, n)),
)  # fmt: skip


def _any(_cls):  # type: ignore[no-untyped-def]
    """As those, for any number of fields; slower to call."""
    return _new(_cls, (*locals().values(),)[1:])


class _Record(tuple):  # type: ignore[type-arg]
    """The methods that collections.namedtuple gives to each class of its own."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()

    @classmethod
    def _make(cls, iterable):  # type: ignore[no-untyped-def]
        made = _new(cls, iterable)
        if len(made) != len(cls._fields):
            raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(made)}")
        return made

    def _replace(self, /, **changes):  # type: ignore[no-untyped-def]
        made = self._make(map(changes.pop, self._fields, self))  # type: ignore[no-untyped-call]
        if changes:
            # collections' own words since 3.13
            raise TypeError(f"Got unexpected field names: {list(changes)!r}")
        return made

    __replace__ = _replace

    def _asdict(self):  # type: ignore[no-untyped-def]
        return dict(zip(self._fields, self, strict=True))

    def __repr__(self) -> str:
        pairs = zip(self._fields, self, strict=True)
        return f"{self.__class__.__name__}({', '.join([f'{name}={value!r}' for name, value in pairs])})"

    def __getnewargs__(self):  # type: ignore[no-untyped-def]
        return tuple(self)


def _maker(qualname: str, fields: tuple[str, ...], defaults: tuple[object, ...]) -> object:
    """`__new__` of a class with these fields."""
    count = len(fields)
    template = _MAKERS[count] if count < len(_MAKERS) else _any
    code = template.__code__.replace(
        co_argcount=count + 1, co_nlocals=count + 1, co_varnames=("_cls", *fields), co_name="__new__",
        co_qualname=f"{qualname}.__new__",
    )  # fmt: skip
    return _function(code, globals(), "__new__", defaults or None)  # type: ignore[misc]


class _Maker(type):
    def __new__(cls, name, bases, namespace):  # type: ignore[no-untyped-def]
        if namespace.get("__root__"):
            return super().__new__(cls, name, bases, namespace)
        # With `from __future__ import annotations` they are strings here, on every Python
        annotations = namespace.get("__annotations__", {})
        fields = tuple(map(intern, annotations))
        defaults = {field: namespace[field] for field in fields if field in namespace}
        if fields[len(fields) - len(defaults) :] != tuple(defaults):
            raise TypeError(f"{name}: a field without a default follows one with a default")
        if wrong := next((field for field in fields if field.startswith("_")), ""):
            raise ValueError(f"Field names cannot start with an underscore: {wrong!r}")
        qualname = namespace.get("__qualname__", name)
        body = {
            "__module__": namespace["__module__"], "__qualname__": qualname, "__slots__": (), "_fields": fields,
            "__doc__": namespace.get("__doc__") or f"{name}({', '.join(fields)})", "__match_args__": fields,
            "_field_defaults": defaults, "__annotations__": dict(annotations),
            "__new__": _maker(qualname, fields, tuple(defaults.values())),
        }  # fmt: skip
        for number, field in enumerate(fields):
            body[field] = _tuplegetter(number, _ALIASES[number] if number < len(_ALIASES) else None)
        for key, value in namespace.items():
            if key in _OWN:
                raise AttributeError(f"{name}: a named tuple cannot define {key}")
            if key not in annotations and key not in _SPECIAL:
                body[key] = value
        return type(name, (_Record,), body)


_ALIASES = tuple(f"Alias for field number {number}" for number in range(24))


class NamedTuple(metaclass=_Maker):
    """The base to name; it makes a plain tuple class, and is in no class's bases afterwards."""

    __root__ = True


class _Suppress:
    """contextlib.suppress, without its care for exception groups: nothing here raises any."""

    __slots__ = ("_kinds",)

    def __init__(self, *kinds: type[BaseException]) -> None:
        self._kinds = kinds

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, fault: object, trace: object) -> bool:
        return kind is not None and issubclass(kind, self._kinds)


class _Managed:
    """What a function under `contextmanager` returns; docs of contextlib say how each way out behaves."""

    __slots__ = ("_steps",)

    def __init__(self, steps):  # type: ignore[no-untyped-def]
        self._steps = steps

    def __enter__(self):  # type: ignore[no-untyped-def]
        try:
            return next(self._steps)
        except StopIteration:
            raise RuntimeError("generator didn't yield") from None

    def __exit__(self, kind, fault, trace):  # type: ignore[no-untyped-def]
        if kind is None:
            try:
                next(self._steps)
            except StopIteration:
                return False
            self._steps.close()
            raise RuntimeError("generator didn't stop")
        fault = kind() if fault is None else fault
        try:
            self._steps.throw(fault)
        except StopIteration as end:
            # Not swallowed when the very StopIteration came out that went in
            return end is not fault
        except BaseException as out:
            # The generator let it through, or Python made a RuntimeError of the StopIteration that went in
            if out is fault or (
                isinstance(out, RuntimeError) and isinstance(fault, StopIteration) and out.__cause__ is fault
            ):
                fault.__traceback__ = trace
                return False
            raise
        self._steps.close()
        raise RuntimeError("generator didn't stop after throw()")


def _contextmanager(function):  # type: ignore[no-untyped-def]
    def made(*args, **named):  # type: ignore[no-untyped-def]
        return _Managed(function(*args, **named))  # type: ignore[no-untyped-call]

    made.__name__, made.__qualname__ = function.__name__, function.__qualname__
    made.__doc__, made.__module__, made.__wrapped__ = function.__doc__, function.__module__, function  # type: ignore[attr-defined]
    return made


class _CachedProperty:
    """functools.cached_property: made at the first look, and from then on an attribute of the instance."""

    def __init__(self, make):  # type: ignore[no-untyped-def]
        self._make, self.__doc__ = make, make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance, owner=None):  # type: ignore[no-untyped-def]
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._make(instance)
        return value


def _cache(function):  # type: ignore[no-untyped-def]
    """functools.cache, for functions of positional arguments."""
    known: dict[tuple[object, ...], object] = {}

    def cached(*args):  # type: ignore[no-untyped-def]
        try:
            return known[args]
        except KeyError:
            value = known[args] = function(*args)
            return value

    cached.__wrapped__, cached.__doc__ = function, function.__doc__  # type: ignore[attr-defined]
    return cached


if not TYPE_CHECKING:
    from _functools import partial

    MappingProxyType = type(type.__dict__)
    suppress, contextmanager, cached_property, cache = _Suppress, _contextmanager, _CachedProperty, _cache


def in_thread(work: Callable[[], None]) -> Callable[[], object]:
    """Start `work`, which raises nothing; the answer waits for its end, and is to be called once."""
    running = allocate_lock()
    running.acquire()

    def run() -> None:
        try:
            work()
        finally:
            running.release()

    start_new_thread(run, ())
    return running.acquire
