"""A container for the length of a `with`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Unpack
from weakref import WeakKeyDictionary

from wherry.api.container import Container
from wherry.api.engine import Engine
from wherry.testing.guard import Guard
from wherry.testing.ready import Condition, wait_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from wherry.api.wishes import Command, RunWishes

__all__ = ["Throwaway", "guard_of", "throwaway"]

_GUARDS: WeakKeyDictionary[Engine, Guard] = WeakKeyDictionary()
_ONE_AT_A_TIME = Lock()


class Throwaway(Container):
    """A running container that is ready, and gone when `with` ends. Its ports are on 127.0.0.1."""


def guard_of(engine: Engine) -> Guard:
    """The one guard of this engine, made when it is first asked for."""
    with _ONE_AT_A_TIME:
        if engine not in _GUARDS:
            guard = Guard(engine)
            # It watches before another thread sees it
            engine.closing.callback(guard.close)
            assert guard.labels
            _GUARDS[engine] = guard
        return _GUARDS[engine]


@contextmanager
def throwaway(
    engine: Engine,
    image: str,
    command: Command = (),
    *,
    ready: Condition | Sequence[Condition] = (),
    timeout_s: float = 60,
    **wishes: Unpack[RunWishes],
) -> Iterator[Throwaway]:
    """Started and ready; removed at the end with its anonymous volumes, and by a guard when this process is killed.

    A port alone (8000, "53/udp") is published on a free port of 127.0.0.1. `ready` conditions are waited for in order,
    `timeout_s` each. Raises: NotReady (with its last lines), and as `Engine.start`.
    """
    wishes["ports"] = [_published(one) for one in wishes.get("ports", ())]
    wishes["labels"] = {**wishes.get("labels", {}), **guard_of(engine).labels}
    started = engine.start(image, command, **wishes)
    with Throwaway(engine, started.id) as container:
        for condition in [ready] if callable(ready) else ready:
            wait_for(container, condition, timeout_s)
        yield container


def _published(port: str | int) -> str:
    text = str(port)
    return f"127.0.0.1::{text}" if text.partition("/")[0].isdecimal() else text
