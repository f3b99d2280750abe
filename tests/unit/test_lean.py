"""wherry.lean is what it stands for in everything that this project uses."""

from __future__ import annotations

import pickle
import typing

import pytest

from wherry import lean


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
