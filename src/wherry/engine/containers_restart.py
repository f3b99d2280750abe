"""The restart policy of a container, changed while it lives: `update --restart`."""

from __future__ import annotations

import json

from wherry.errors import Conflict
from wherry.runtime import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.runtime.options import RestartPolicy

__all__ = ["set_policy"]


def set_policy(engine: Engine, row: ContainerRow, policy: RestartPolicy) -> None:
    """From the next end of a run on, of one that runs now too. The container's lock is held by the caller, and
    `row` was read under it. Raises: Conflict for one with --rm.

    The row has it for later starts; the monitor of a run that goes on finds it in the record `restart.json`.
    """
    if row.remove and policy.name != "no":
        raise Conflict("Restart policy cannot be updated because AutoRemove is enabled for the container")
    options = row.options()._replace(restart=policy)
    with engine.db.write() as write:
        text = json.dumps(options.to_json(), separators=(",", ":"))
        write.execute("UPDATE container SET options = ? WHERE id = ?", (text, row.id))
    doc = {"name": policy.name, "max": policy.max_retries}
    records.write(engine.containers.bundle(row.id), "restart.json", doc)
