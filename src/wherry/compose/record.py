"""Frozen records with defaults, which cost nothing to define: the base of the model's types.

`dataclasses` takes 15 ms to import and another one for each class, `namedtuple` compiles each class; a compose model
has fifty of them, and `compose ps` reads one. Here defaults are plain attributes of the class, and what an instance was
given lies in its `__dict__`; type checkers see a frozen, keyword-only dataclass (PEP 681).
"""

from __future__ import annotations

from wherry.lean import MappingProxyType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Self, dataclass_transform
else:

    def dataclass_transform(**_options):
        """Say nothing at run time."""
        return lambda made: made


__all__ = ["EMPTY", "Record"]

EMPTY: Mapping[str, Any] = MappingProxyType({})
"""The default of every field that is a mapping: one for all, so that nobody can write to it."""


@dataclass_transform(frozen_default=True, kw_only_default=True, eq_default=True)
class Record:
    """Base of a frozen record: keyword-only fields from the annotations, `==` by value, `.replace(**changes)`."""

    _names: frozenset[str] = frozenset()
    """All fields."""
    _order: tuple[str, ...] = ()
    """All fields in the order they were declared, those of base classes first."""
    _needed: tuple[str, ...] = ()
    """Fields without a default."""

    def __init_subclass__(cls) -> None:
        fields = tuple(name for name in cls.__annotations__ if not name.startswith("_"))
        cls._order = (*cls._order, *(name for name in fields if name not in cls._names))
        cls._names = frozenset(cls._order)
        cls._needed = tuple(name for name in cls._order if not hasattr(cls, name))

    def __init__(self, **fields: Any) -> None:
        """
        Keep `fields`; the others have the class's defaults.

        Raises:
            TypeError: a name that is no field, or a field without a default that is missing.
        """
        for name in fields:
            if name not in self._names:
                raise TypeError(f"{type(self).__name__} has no field {name!r}")
        for name in self._needed:
            if name not in fields:
                raise TypeError(f"{type(self).__name__} needs {name!r}")
        self.__dict__.update(fields)

    def replace(self, **changes: Any) -> Self:
        """Give a copy with `changes`."""
        return type(self)(**{**self.__dict__, **changes})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name}")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        if self.__dict__ == other.__dict__:
            return True
        return all(getattr(self, name) == getattr(other, name) for name in self._order)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self._order if name in self.__dict__)
        return f"{type(self).__name__}({told})"
