"""wherry.lean is what it stands for in everything that this project uses."""

from __future__ import annotations

import collections
import contextlib
import copy
import errno
import inspect
import os
import pickle
import traceback
import typing
from typing import Any

import pytest

from wherry import lean, lean_ctypes


class Lean(lean.NamedTuple):
    """What it is."""

    name: str
    size: int = 0

    @classmethod
    def parse(cls, text: str) -> Lean:
        return cls(text)

    @property
    def long(self) -> str:
        return f"{self.name}:{self.size}"

    def __str__(self) -> str:
        return self.name


class Typed(typing.NamedTuple):
    """What it is."""

    name: str
    size: int = 0


def test_it_is_the_same_tuple_that_typing_makes() -> None:
    assert Lean("a", 1) == Typed("a", 1) == ("a", 1)
    assert Lean._fields == Typed._fields
    assert Lean._field_defaults == Typed._field_defaults
    assert Lean("a")._replace(size=2)._asdict() == {"name": "a", "size": 2}
    assert Lean.__doc__ == "What it is."
    assert (Lean.__module__, Lean.__qualname__) == (__name__, "Lean")
    assert repr(Lean("a")) == "Lean(name='a', size=0)"
    assert list(Lean.__annotations__) == ["name", "size"]


def test_methods_properties_and_class_methods_work() -> None:
    assert Lean.parse("x").long == "x:0"
    assert str(Lean("x")) == "x"


def test_it_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(Lean("a", 3))) == Lean("a", 3)


def test_what_typing_refuses_is_refused() -> None:
    with pytest.raises(TypeError, match="without a default"):

        class _Late(lean.NamedTuple):
            first: int = 1
            second: str

    with pytest.raises(AttributeError, match="cannot define _replace"):

        class _Own(lean.NamedTuple):
            first: int

            def _replace(self) -> None: ...

    with pytest.raises(TypeError):
        Lean()
    with pytest.raises(TypeError):
        Lean("a", nmae=1)  # type: ignore[call-arg]


def test_a_thread_is_waited_for() -> None:
    import time

    done: list[int] = []

    def work() -> None:
        time.sleep(0.05)
        done.append(1)

    join = lean.in_thread(work)
    assert done == []
    join()
    assert done == [1]


@pytest.mark.parametrize("count", [0, 1, 2, 13, 14, 40, 92])
def test_tuples_of_any_size_take_positions_and_names(count: int) -> None:
    names = [f"field{number}" for number in range(count)]
    body = {"__module__": __name__, "__annotations__": dict.fromkeys(names, "int"), "__doc__": "Many."}
    if count:
        body[names[-1]] = 7  # type: ignore[assignment]
    many: Any = type(lean.NamedTuple)("Many", (lean.NamedTuple,), body)
    theirs: Any = collections.namedtuple("Many", names, defaults=[7] if count else [])  # type: ignore[misc]
    values = list(range(count))
    assert many(*values) == theirs(*values) == many(**dict(zip(names, values, strict=True))) == tuple(values)
    assert many(*values[:-1]) == theirs(*values[:-1])
    assert repr(many(*values)) == repr(theirs(*values))
    assert many._make(values)._asdict() == theirs._make(values)._asdict()
    assert many._field_defaults == theirs._field_defaults
    assert copy.copy(many(*values)) == many(*values)
    assert inspect.signature(many).parameters.keys() == inspect.signature(theirs).parameters.keys()
    for wrong in ([*values, 1], [*values, 1, 2]):
        with pytest.raises(TypeError, match="positional argument"):
            many(*wrong)
    with pytest.raises(TypeError):
        many._make([*values, 1])
    with pytest.raises(TypeError, match="unexpected"):
        many(*values)._replace(other=1)


def test_a_tuples_fields_have_names_that_a_tuples_own_do_not_begin_with() -> None:
    with pytest.raises(ValueError, match="underscore"):

        class _Hidden(lean.NamedTuple):  # type: ignore[misc]
            _first: int


def managed(maker: Any, log: list[str], *, ending: str = "") -> Any:
    @maker
    def steps(name: str) -> Any:
        """What it does."""
        log.append(f"in {name}")
        if ending == "never":
            return
        try:
            yield name
        except KeyError:
            log.append("caught")
            if ending == "again":
                raise
            if ending == "other":
                raise ValueError("other") from None
        finally:
            log.append("out")
        if ending == "twice":
            yield name

    return steps


def told(maker: Any, ending: str, fault: Exception | None) -> tuple[list[str], str]:
    log: list[str] = []
    try:
        with managed(maker, log, ending=ending)("x") as got:
            log.append(got)
            if fault:
                raise fault
    except Exception as out:
        return log, f"{type(out).__name__} {out} {out is fault} {len(traceback.extract_tb(out.__traceback__)) > 0}"
    return log, "fine"


@pytest.mark.parametrize("ending", ["", "never", "again", "other", "twice"])
@pytest.mark.parametrize(
    "fault", [None, KeyError("k"), OSError(2, "no"), StopIteration(3), RuntimeError("r")], ids=repr
)
def test_a_managed_generator_ends_as_with_contextlib(ending: str, fault: Exception | None) -> None:
    assert told(lean.contextmanager, ending, fault) == told(contextlib.contextmanager, ending, fault)


def test_a_managed_function_keeps_its_name() -> None:
    made = managed(lean.contextmanager, [])
    assert (made.__name__, made.__doc__, made.__module__) == ("steps", "What it does.", __name__)


def test_only_the_named_faults_are_suppressed() -> None:
    with lean.suppress(KeyError, OSError):
        raise FileNotFoundError
    with pytest.raises(ValueError, match="x"), lean.suppress(KeyError):
        raise ValueError("x")


class Lazy:
    """Counts how often it makes its value."""

    made = 0

    @lean.cached_property
    def value(self) -> int:
        """The value."""
        self.made += 1
        return self.made


def test_a_cached_property_is_made_once_and_can_be_forgotten() -> None:
    lazy = Lazy()
    assert (lazy.value, lazy.value, lazy.__dict__["value"]) == (1, 1, 1)
    del lazy.__dict__["value"]
    assert lazy.value == 2
    assert Lazy.value.__doc__ == "The value."


def test_a_cache_answers_once_for_each_argument() -> None:
    calls = []

    @lean.cache
    def twice(number: int) -> int:
        calls.append(number)
        return number * 2

    assert [twice(2), twice(2), twice(3)] == [4, 4, 6]
    assert calls == [2, 3]


def test_system_calls_report_their_errors() -> None:
    libc = lean_ctypes.CDLL(None, use_errno=True)
    assert libc.getpid() == os.getpid()
    assert libc.close(-1) == -1
    assert lean_ctypes.get_errno() == errno.EBADF
