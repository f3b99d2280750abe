"""`top`: ps, of a container's processes only."""

from __future__ import annotations

from wherry.engine.containers_repair import repair
from wherry.errors import Conflict, InputError
from wherry.host import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow

__all__ = ["top"]


def top(engine: Engine, row: ContainerRow, ps_args: Sequence[str]) -> list[list[str]]:
    """See Containers.top. The host's ps runs, never a program of the container (CVE-2022-1227)."""
    state = repair(engine, row)
    if not state.is_running or not state.pid:
        raise Conflict(f"container {row.id} is not running")
    pids = engine.containers.driver_of(row).pids(row.id)
    done = engine.host.run(Command(["ps", *(ps_args or ("-ef",))], timeout_s=30))
    if done.status != 0:
        # As docker: what follows the first line is how ps is used
        said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise InputError(f"ps: {said}", hint="what stands behind the container's name are arguments of ps")
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    header = lines[0].split()
    if "PID" not in header:
        raise InputError("Couldn't find PID field in ps output", hint="let ps show it: wherry top CONTAINER -o pid,cmd")
    engine.events.container(row, "top")
    column, wanted = header.index("PID"), {str(pid) for pid in pids}
    rows = [line.split(None, len(header) - 1) for line in lines[1:]]
    return [header, *(fields for fields in rows if len(fields) > column and fields[column] in wanted)]
