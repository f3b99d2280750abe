"""A small process that outlives a killed test run, removes what that left, and ends."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cached_property
from secrets import token_hex

from wherry.host import Command
from wherry.runtime.launch import python_argv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.api.engine import Engine

__all__ = ["LABEL", "Guard", "finish", "sweep"]

LABEL = "wherry.testing.session"


class Guard:
    """One for each engine that tests use. `labels` mark what it watches; `close` removes what is left."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pid = 0
        self._told = -1

    @cached_property
    def labels(self) -> dict[str, str]:
        """Starts the watch."""
        session = token_hex(8)
        heard, self._told = os.pipe()
        root = self._engine.settings.paths.root
        statement = f"from wherry.testing.guard import finish; finish({root!r}, {session!r})"
        # A shell waits: it is a tenth of a Python. ^C on the terminal goes to us and not to it
        script = ["sh", "-c", 'trap "" INT TERM HUP; read -r word || exec "$@"', "sh"]
        argv = [*script, *python_argv(statement, site=True)]
        try:
            self._pid = self._engine.host.spawn(
                Command(argv, env=dict(self._engine.settings.env)), stdin=heard, session=True
            )
        finally:
            os.close(heard)
        return {LABEL: session}

    def close(self) -> None:
        if self._told < 0:
            return
        sweep(self._engine, self.labels[LABEL])
        # Somebody may have killed the guard
        with suppress(BrokenPipeError):
            os.write(self._told, b"over\n")
        os.close(self._told)
        os.waitpid(self._pid, 0)
        self._told = -1


def finish(root: str, session: str) -> None:
    """What the guard does at the end."""
    from wherry.api.engine import Engine

    with Engine(root) as engine:
        sweep(engine, session)


def sweep(engine: Engine, session: str) -> None:
    """Remove what is left of a session: containers with their anonymous volumes, then networks and volumes."""
    from wherry.errors import WherryError

    wanted = (LABEL, session)
    for one in engine.containers.list(all=True):
        if wanted in one.row.labels.items():
            with suppress(WherryError):
                engine.containers.remove(one.row.id, force=True, volumes=True)
    for network in engine.networks.all():
        if wanted in network.labels.items():
            with suppress(WherryError):
                engine.networks.remove(network.name)
    for volume in engine.volumes.list():
        if wanted in volume.labels.items():
            with suppress(WherryError):
                engine.volumes.remove(volume.name)
