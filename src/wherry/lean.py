"""What the standard library has, at a fraction of its import: NamedTuple without `typing`, threads without `threading`.

Importing `typing` costs 4 ms, and its NamedTuple compiles every annotation to a ForwardRef: 10 ms for the types on the
path of `wherry run` (docs/adr/0090-lean-named-tuples.md). Type checkers read `typing.NamedTuple`; at run time stands
this one, with the same fields, defaults, methods and errors.
"""

from __future__ import annotations

from _thread import allocate_lock, start_new_thread
from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NamedTuple", "Protocol", "in_thread"]

_SPECIAL = frozenset({"__annotations__", "__module__", "__qualname__", "__doc__", "__firstlineno__", "__classcell__"})

Protocol = object


class _Maker(type):
    def __new__(cls, name, bases, namespace):  # type: ignore[no-untyped-def]
        if namespace.get("__root__"):
            return super().__new__(cls, name, bases, namespace)
        # With `from __future__ import annotations` they are strings here, on every Python
        fields = namespace.get("__annotations__", {})
        defaults = [namespace[field] for field in fields if field in namespace]
        if list(fields)[len(fields) - len(defaults) :] != [field for field in fields if field in namespace]:
            raise TypeError(f"{name}: a field without a default follows one with a default")
        made = namedtuple(name, fields, defaults=defaults, module=namespace["__module__"])  # type: ignore[misc]
        made.__annotations__ = dict(fields)
        made.__qualname__ = namespace.get("__qualname__", name)
        made.__doc__ = namespace.get("__doc__") or made.__doc__
        for key, value in namespace.items():
            if key in fields or key in _SPECIAL:
                continue
            if key in {"__new__", "__init__", "__slots__", "_make", "_replace", "_asdict", "_fields"}:
                raise AttributeError(f"{name}: a named tuple cannot define {key}")
            setattr(made, key, value)
        return made


class NamedTuple(metaclass=_Maker):
    """The base to name; it makes a plain tuple class, and is in no class's bases afterwards."""

    __root__ = True


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
