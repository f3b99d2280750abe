"""Reconciliation: what a killed monitor, engine or machine left is put right by the next command that looks.

Cheap when there is nothing to do: one SELECT, and two or three small files per container.
"""

from __future__ import annotations

import os
import time

from wherry.engine import containers_rows
from wherry.engine.containers_lock import held, sweep
from wherry.errors import HostError, Locked, NotFound, WherryError
from wherry.lean import suppress
from wherry.runtime import records
from wherry.runtime.state import ContainerState, observe
from wherry.store.owner import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow

__all__ = ["repair", "repair_all", "repair_some"]


def repair_all(engine: Engine) -> list[tuple[ContainerRow, ContainerState]]:
    """Every container with its state, newest first, after repairs. One that another process works on is left to it."""
    rows = containers_rows.every(engine.db)
    try:
        # A `run` that is killed before its row is written leaves no more than this file
        sweep(engine, {row.id for row in rows})
    except OSError as fault:
        _note(engine, "the locks of containers", fault)
    return repair_some(engine, rows)


def repair_some(engine: Engine, rows: Sequence[ContainerRow]) -> list[tuple[ContainerRow, ContainerState]]:
    """The same for these rows alone, in their order."""
    found = []
    is_repaired = False
    for row in rows:
        state = engine.containers.state(row.id)
        if _needs_repair(engine, row, state):
            is_repaired = True
            try:
                state = repair(engine, row, timeout_s=0)
                row = engine.containers.find(row.id)
            except NotFound:
                continue
            except Locked:
                if row.phase == "removing":
                    state = state._replace(status="removing")
            except (HostError, OSError) as fault:
                _note(engine, f"container {row.name}", fault)
        found.append((row, state))
    if is_repaired or _has_network_mark(engine) or _has_dead_step(engine):
        try:
            engine.networks.sweep(lambda id: engine.containers.state(id).is_running)
        except (HostError, OSError) as fault:
            _note(engine, "what is left of networks", fault)
    return found


def _note(engine: Engine, what: str, fault: HostError | OSError) -> None:
    """A full disk, say: what is known can be shown all the same."""
    why = fault.strerror if isinstance(fault, OSError) else fault
    engine.notices.append(f"{what} can't be put right: {why}")


def _needs_repair(engine: Engine, row: ContainerRow, state: ContainerState) -> bool:
    if row.phase != "ready":
        return row.phase == "removing" or not _owner_lives(engine, row)
    if state.orphan or state.unrecorded:
        return True
    # Over, but nobody cleaned up yet: the monitor (now a cleaner) does, unless it was killed. Or not begun: a start was
    left = state.status in ("exited", "created") and os.path.exists(engine.containers.run_folder_path(row.id))
    return left and not _monitor_lives(engine, row)


def _has_network_mark(engine: Engine) -> bool:
    """Whether a network's removal was begun and not finished yet (by whoever does it now, or was killed)."""
    try:
        return os.stat(f"{engine.settings.paths.run}/network.lock").st_size > 0
    except FileNotFoundError:
        return False


def _has_dead_step(engine: Engine) -> bool:
    """Whether a build was killed in the middle of a step, which had an address and its bridge."""
    rows = engine.db.read().execute("SELECT owner_pid, owner_start, owner_boot FROM sandbox WHERE is_step = 1")
    return any(not Owner(*row).is_alive(engine.host) for row in rows.fetchall())


def _owner_lives(engine: Engine, row: ContainerRow) -> bool:
    return Owner.parse(row.owner).is_alive(engine.host)


def _monitor_lives(engine: Engine, row: ContainerRow) -> bool:
    monitor = records.read_monitor(engine.containers.bundle(row.id))
    return monitor is not None and Owner(monitor.pid, monitor.start, monitor.boot).is_alive(engine.host)


def repair(engine: Engine, row: ContainerRow, *, timeout_s: float | None = 60) -> ContainerState:
    """Put this container right; its true state. Raises: NotFound when it had to be removed, Locked."""
    state = engine.containers.state(row.id)
    if not _needs_repair(engine, row, state):
        return state
    with held(engine, row, timeout_s=timeout_s):
        return repair_locked(engine, engine.containers.find(row.id))


def repair_locked(engine: Engine, row: ContainerRow) -> ContainerState:
    """As `repair`; the caller holds the lock."""
    from wherry.engine import containers_remove as removal

    bundle = engine.containers.bundle(row.id)
    state = engine.containers.state(row.id)
    if not _needs_repair(engine, row, state):
        return state
    # A killed `create` or `run` is rolled back; one that got as far as running is let run
    never_ran = row.phase == "creating" and state.status == "created"
    if row.phase == "removing" or never_ran:
        removal.erase(engine, row, volumes=row.remove or never_ran)
        raise NotFound(f"No such container: {row.name}", hint="what a killed command left of it was removed")
    if row.phase == "creating":
        containers_rows.set_phase(engine.db, row.id, "ready")
    if state.orphan:
        state = _adopt(engine, row, state)
    if state.unrecorded:
        _record_end(engine, row, state)
    if state.status == "created":
        removal.clean(engine, row)
    elif not state.is_running:
        if row.remove:
            removal.erase(engine, row, volumes=True)
            raise NotFound(f"No such container: {row.name}", hint="it ended, and was started with --rm")
        removal.clean(engine, row)
        if _is_owed_a_restart(engine, row, state):
            _restart(engine, row)
    return observe(bundle, engine.host)


def _record_end(engine: Engine, row: ContainerRow, state: ContainerState) -> None:
    """What its monitor would have done."""
    now = time.time_ns()
    if not row.remove:
        doc = {
            "started_ns": state.started_ns, "finished_ns": now, "code": state.exit_code, "oom": False,
            "error": state.error, "again_ns": 0,
        }  # fmt: skip
        records.write(engine.containers.bundle(row.id), "exit.json", doc)
    ran_s = max(0, now - state.started_ns) // 1_000_000_000
    engine.events.container(row, "die", execDuration=str(ran_s), exitCode=str(state.exit_code))


def _is_owed_a_restart(engine: Engine, row: ContainerRow, state: ContainerState) -> bool:
    """Its policy would have started it again, had its monitor not been killed. Not over a reboot."""
    bundle = engine.containers.bundle(row.id)
    run = records.read_run(bundle)
    if run is None or run.process.boot != engine.host.boot_id():
        return False
    if any(os.path.exists(f"{bundle}/{name}") for name in ("stopped", "failed.json")):
        return False
    policy = row.options().restart.name
    return policy in ("always", "unless-stopped") or (policy == "on-failure" and state.exit_code != 0)


def _restart(engine: Engine, row: ContainerRow) -> None:
    from wherry.engine.containers_start import launch_locked

    # What stands in its way is in its record, for whoever asks
    with suppress(WherryError):
        launch_locked(engine, row, None, None).leave()


def _adopt(engine: Engine, row: ContainerRow, state: ContainerState) -> ContainerState:
    """A new monitor for a container that runs without one. When that fails it is left as it is, alive."""
    from wherry.engine.containers_bundle import Start, monitor_plan
    from wherry.oci.digest import Digest

    bundle = engine.containers.bundle(row.id)
    options = row.options()
    config = engine.images.config(Digest(row.image_id))
    attachment = engine.networks.of(row.id)
    netns = attachment.netns if attachment else _netns_of(options.network)
    plan = monitor_plan(engine, Start(row, options, config, bundle, -1), wants="", netns=netns, size=None)
    run = records.read_run(bundle)
    assert run is not None
    plan["adopt"] = {
        "pid": run.process.pid, "start": run.process.start, "started_ns": run.started_ns, "restarts": run.restarts,
    }  # fmt: skip
    listeners = engine.networks.relisten(row.id)
    mounts = _reopened(engine, row, bundle)
    from wherry.runtime import launch

    monitor = launch.spawn(engine.host, engine.containers.tool_env)
    try:
        monitor.prepare(plan, None)
        monitor.await_ready()
        monitor.go([(one.fd, one.protocol, one.address, one.port) for one in listeners], None, mounts)
        monitor.leave()
    except (WherryError, OSError):
        monitor.abandon()
        return observe(bundle, engine.host)
    finally:
        for fd in [*(one.fd for one in listeners), *mounts]:
            with suppress(OSError):
                os.close(fd)
    return state._replace(orphan=False)


def _reopened(engine: Engine, row: ContainerRow, bundle: str) -> list[int]:
    """The mounts that a restart by the new monitor would need; the container itself has its own still."""
    from wherry.engine.containers_mounts import settle

    fds: list[int] = []
    try:
        binds = settle(engine, row)
        if any(one.needs_opening for one in binds):
            from wherry.engine.volumes_open import open_mounts

            open_mounts(engine, bundle, binds, fds)
    except (WherryError, OSError):
        # What is not there any more is said at the next start
        pass
    return fds


def _netns_of(network: str) -> str:
    if network == "host":
        return "host"
    return "container" if network.startswith("container:") else "own"
