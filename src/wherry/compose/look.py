"""Looking at one container through the engine, as `conditions` wants it."""

from __future__ import annotations

from wherry.compose.conditions import Looked
from wherry.errors import NotFound, WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.compose.plan import ContainerRef
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow

__all__ = ["EngineLook", "find"]


def find(engine: Engine, ref: ContainerRef) -> ContainerRow:
    """By id; by name when another command has replaced it meanwhile. Raises: NotFound."""
    try:
        return engine.containers.find(ref.handle)
    except NotFound:
        if not ref.id:
            raise
        return engine.containers.find(ref.name)


class EngineLook:
    """A `conditions.Look`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._probes: dict[str, bool] = {}

    def __call__(self, ref: ContainerRef) -> Looked:
        row = find(self._engine, ref)
        state = self._engine.containers.state(row.id)
        if row.id not in self._probes:
            self._probes[row.id] = state.health is not None or self._has_probe(row)
        return Looked(row.name, self._engine.containers.bundle(row.id), state, self._probes[row.id])

    def _has_probe(self, row: ContainerRow) -> bool:
        from wherry.engine.containers_bundle import Start, effective_health
        from wherry.oci.digest import Digest

        config = self._engine.images.config(Digest(row.image_id))
        bundle = self._engine.containers.bundle(row.id)
        return effective_health(Start(row, row.options(), config, bundle, -1)) is not None

    def last_lines(self, ref: ContainerRef, count: int) -> Sequence[str]:
        """See conditions.Look."""
        from wherry.runtime.logs import LogQuery

        try:
            row = find(self._engine, ref)
            query = LogQuery(tail=count, since_ns=self._engine.containers.state(row.id).started_ns)
            lines = [line for _, line in self._engine.containers.logs(row.id, query)]
        except (WherryError, OSError):
            return ()
        return [line.decode("utf-8", "replace").rstrip("\r\n") for line in lines]
