"""`logs`: of a container's present and past runs."""

from __future__ import annotations

import time

from wherry.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.runtime.logs import LogQuery
    from wherry.runtime.options import LogConfig

__all__ = ["batches", "lines"]

_PATIENCE_S = 0.05


def lines(
    engine: Engine, row: ContainerRow, query: LogQuery, cancel: Cancel | None = None
) -> Iterator[tuple[str, bytes]]:
    """See Containers.logs."""
    for batch in batches(engine, row, query, cancel):
        yield from batch


def batches(
    engine: Engine, row: ContainerRow, query: LogQuery, cancel: Cancel | None = None,
    pause: Callable[[], None] | None = None,
) -> Iterator[list[tuple[str, bytes]]]:  # fmt: skip
    """See Containers.log_batches. `pause` waits a moment for more, for whoever knows when more comes."""
    from wherry.engine.containers_log_plan import log_file
    from wherry.engine.containers_repair import repair
    from wherry.runtime import logs

    log = row.options().log
    _check_readable(log)
    repair(engine, row)

    def wait() -> bool:
        if cancel is not None:
            cancel.check()
        # Differs from docker: a restart by its policy does not end it; docker's ends with each run of the container
        more = engine.containers.state(row.id).is_running
        if more and pause is not None:
            pause()
        elif more:
            time.sleep(_PATIENCE_S)
        return more

    return logs.batches(log_file(engine.containers.bundle(row.id), log.driver), query, wait)


def _check_readable(log: LogConfig) -> None:
    """Raises: Conflict in docker's words."""
    reason = "it was started with --log-driver none" if log.driver == "none" else ""
    if log.driver in ("syslog", "journald"):
        from wherry.runtime.log_options import is_cached

        reason = "" if is_cached(log.options) else "it was started with --log-opt cache-disabled=true"
    if reason:
        raise Conflict("configured logging driver does not support reading", hint=reason)
