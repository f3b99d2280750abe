"""`stats`: what containers use, once or again and again, in docker's numbers."""

from __future__ import annotations

import time

from wherry.engine.containers_bundle import cgroup_path
from wherry.engine.containers_repair import repair, repair_all
from wherry.errors import NotFound
from wherry.runtime import cgroup_stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import NamedTuple

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.runtime.state import ContainerState
else:
    from wherry.lean import NamedTuple

__all__ = ["Stats", "follow", "percent", "take"]

_FIRST_S, _EACH_S = 0.5, 1.0


class Stats(NamedTuple):
    """One container. `asked` is the name it was asked by ("": of all). `cpu_percent` 100 is one whole CPU.

    `memory_limit_bytes` is the machine's memory where there is no lower limit. All is 0 of one that does not run.
    """

    row: ContainerRow
    asked: str = ""
    cpu_percent: float = 0.0
    memory_bytes: int = 0
    memory_limit_bytes: int = 0
    network_in_bytes: int = 0
    network_out_bytes: int = 0
    block_read_bytes: int = 0
    block_write_bytes: int = 0
    pids: int = 0

    @property
    def memory_percent(self) -> float:
        return percent(self.memory_bytes, self.memory_limit_bytes)


def percent(part: float, whole: float) -> float:
    return 100.0 * part / whole if whole > 0 else 0.0


def take(engine: Engine, names: Sequence[str], *, all: bool) -> list[Stats]:
    """Once: takes half a second, in which the CPU is measured; none when all of `names` go meanwhile. See `follow`."""
    return next(follow(engine, names, all=all), [])


def follow(engine: Engine, names: Sequence[str], *, all: bool, cancel: Cancel | None = None) -> Iterator[list[Stats]]:
    """Each second what those of `names` use, in this order; with none of all that run (`all`: or not), newest first.

    The first comes after half a second. Ends when none of `names` is there any more, or `cancel` is set.
    Raises: NotFound before the first.
    """
    from wherry.cancel import Cancel

    cancel = cancel or Cancel()
    asked = _found(engine, names)
    before: dict[str, tuple[float, int]] = {}
    _look(engine, asked, before, all=all)
    pause_s = _FIRST_S
    while not cancel.wait(pause_s):
        now = _look(engine, asked, before, all=all)
        if names and not now:
            return
        yield now
        pause_s = _EACH_S


def _found(engine: Engine, names: Sequence[str]) -> dict[str, str]:
    """The name of each by its id. Raises: NotFound, of all that are not there."""
    found, lost = {}, []
    for name in names:
        try:
            found[engine.containers.find(name).id] = name
        except NotFound as fault:
            lost.append(fault)
    if lost:
        raise NotFound("\n".join(fault.message for fault in lost), hint=lost[0].hint)
    return found


def _look(engine: Engine, asked: dict[str, str], before: dict[str, tuple[float, int]], *, all: bool) -> list[Stats]:
    """`before` is when each was looked at, and its CPU time then; it is brought up to date."""
    host_bytes = cgroup_stats.total_memory()
    found = []
    for row, state in _states(engine, asked):
        if asked or all or state.is_running:
            found.append(_one(engine, row, state, before, host_bytes)._replace(asked=asked.get(row.id, "")))
    return found


def _states(engine: Engine, asked: dict[str, str]) -> Iterator[tuple[ContainerRow, ContainerState]]:
    if not asked:
        yield from repair_all(engine)
        return
    for id in asked:
        try:
            row = engine.containers.find(id)
            yield row, repair(engine, row)
        except NotFound:
            continue


def _one(
    engine: Engine, row: ContainerRow, state: ContainerState, before: dict[str, tuple[float, int]], host_bytes: int
) -> Stats:
    if not state.pid:
        before.pop(row.id, None)
        return Stats(row)
    options = row.options()
    now, usage = time.monotonic(), cgroup_stats.read(cgroup_path(engine, options, row.id))
    since, then = before.get(row.id, (now, usage.cpu_ns))
    before[row.id] = now, usage.cpu_ns
    # Restarted meanwhile: its time began anew
    used_ns = max(usage.cpu_ns - then, 0)
    # As docker: the host's own traffic is no container's
    received, sent = (0, 0) if options.network == "host" else cgroup_stats.network_bytes(state.pid)
    limit = usage.memory_limit_bytes
    return Stats(
        row, "", percent(used_ns, (now - since) * 1e9), usage.memory_bytes,
        min(limit, host_bytes) if limit and host_bytes else limit or host_bytes, received, sent,
        usage.block_read_bytes, usage.block_write_bytes, usage.pids,
    )  # fmt: skip
