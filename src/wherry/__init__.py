"""wherry: a container platform for AI applications. See docs/ for the tutorial, docs/dev/ for the design.

    import wherry

    with wherry.Engine() as engine:
        print(engine.run("python:3.10", ["python", "-c", "print(1)"]).text)

The names below load when they are first used (docs/python.md).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry._version import __version__
    from wherry.api.container import Container
    from wherry.api.engine import Engine
    from wherry.api.finished import CommandFailed, Finished
    from wherry.errors import WherryError

__all__ = ["CommandFailed", "Container", "Engine", "Finished", "WherryError", "__version__"]

_HOMES = {
    "CommandFailed": "wherry.api.finished", "Container": "wherry.api.container", "Engine": "wherry.api.engine",
    "Finished": "wherry.api.finished", "WherryError": "wherry.errors", "__version__": "wherry._version",
}  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'wherry' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
