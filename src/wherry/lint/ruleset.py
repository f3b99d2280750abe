"""All rules there are: found, not registered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from wherry.lint.rule import Family, Rule

__all__ = ["FAMILIES", "load"]

FAMILIES: Mapping[Family, str] = MappingProxyType(
    {"buildkit": "wherry.lint.buildkit", "hadolint": "wherry.lint.hadolint", "wherry": "wherry.lint.python"}
)
"""Family -> the package whose modules hold its rules."""


def load(families: Iterable[Family] = tuple(FAMILIES)) -> tuple[Rule, ...]:
    """The rules of these families, by name within a family. Imports their modules: a build needs BuildKit's alone."""
    found: list[Rule] = []
    for family in families:
        package = import_module(FAMILIES[family])
        rules: dict[str, Rule] = {}
        for module in iter_modules(package.__path__, f"{package.__name__}."):
            for value in vars(import_module(module.name)).values():
                if isinstance(value, Rule):
                    assert rules.setdefault(value.name, value) is value, f"two rules are named {value.name}"
                    assert value.family == family, f"{value.name} is no name of the family {family}"
        found += [rules[name] for name in sorted(rules)]
    return tuple(found)
