"""`update`: limits and restart policy of a container that is there, running or not."""

from __future__ import annotations

import json

from wherry.engine import containers_rows
from wherry.engine.containers_lock import held
from wherry.engine.containers_repair import repair_locked
from wherry.errors import Conflict, WherryError
from wherry.fs.atomic import replace_file
from wherry.runtime import limits
from wherry.runtime import update as updating
from wherry.runtime.machine import read_machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.runtime.options import RunOptions
    from wherry.runtime.update import Update

__all__ = ["update"]


def update(engine: Engine, name: str, update: Update) -> list[str]:
    """See Containers.update."""
    machine = read_machine()
    update, said = updating.checked(update, machine)
    row = engine.containers.find(name)
    with held(engine, row):
        row = engine.containers.find(row.id)
        state = repair_locked(engine, row)
        try:
            if row.phase == "removing":
                raise Conflict('Container is marked for removal and cannot be "update"')
            before = row.options()
            options = updating.apply(before, update)
            # Differs from docker: `update` checks old and new limits together, not only the new ones
            limits.check(options, machine)
            if update.restart and update.restart.name != "no" and row.remove:
                raise Conflict("Restart policy cannot be updated because AutoRemove is enabled for the container")
            if state.pid:
                _change(engine, row, before, options)
        except WherryError as fault:
            raise type(fault)(f"Cannot update container {row.id}: {fault.message}", hint=fault.hint) from None
        if options != before:
            row = containers_rows.set_options(engine.db, row, options)
        engine.events.container(row, "update")
        if update.restart:
            from wherry.engine.containers_restart import set_policy

            set_policy(engine, row, update.restart)
    engine.events.container(row, "update")
    return said


def _change(engine: Engine, row: ContainerRow, before: RunOptions, options: RunOptions) -> None:
    """Of the running one: its cgroups, and config.json, from which its monitor restarts it. Both or none."""
    if options == before:
        return
    machine = read_machine()
    wanted = updating.cgroup_limits(options, machine)
    engine.containers.driver_of(row).update(row.id, wanted)
    path = f"{engine.containers.bundle(row.id)}/config.json"
    try:
        with open(path, "rb") as file:
            doc = json.load(file)
        _lay_over(doc["linux"]["resources"], wanted)
        replace_file(path, json.dumps(doc).encode(), durable=False)
    except OSError:
        engine.containers.driver_of(row).update(row.id, updating.cgroup_limits(before, machine))
        raise


def _lay_over(resources: dict[str, Any], limits: dict[str, Any]) -> None:
    """Device rules and rates stay as they are."""
    for name, value in limits.items():
        resources[name] = {**resources.get(name, {}), **value} if name == "blockIO" else value
