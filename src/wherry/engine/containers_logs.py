"""`logs`: of a container's present and past runs."""

from __future__ import annotations

import time

from wherry.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.runtime.logs import LogQuery

__all__ = ["lines"]

_PATIENCE_S = 0.1


def lines(
    engine: Engine, row: ContainerRow, query: LogQuery, cancel: Cancel | None = None
) -> Iterator[tuple[str, bytes]]:
    """See Containers.logs."""
    from wherry.engine.containers_repair import repair
    from wherry.runtime.logs import read

    if row.options().log.driver == "none":
        raise Conflict(
            "configured logging driver does not support reading", hint="it was started with --log-driver none"
        )
    repair(engine, row)

    def wait() -> bool:
        if cancel is not None:
            cancel.check()
        more = engine.containers.state(row.id).is_running
        if more:
            time.sleep(_PATIENCE_S)
        return more

    return read(f"{engine.containers.bundle(row.id)}/container.log", query, wait)
