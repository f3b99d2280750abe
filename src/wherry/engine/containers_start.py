"""`start`, `run` and `attach`: from a row to a running container with its monitor."""

from __future__ import annotations

import os
import time

from wherry.engine import containers_create, containers_rows
from wherry.engine.containers_bundle import Start, monitor_plan, network_request, write_bundle, write_health_process
from wherry.engine.containers_lock import held
from wherry.engine.events_runs import began
from wherry.errors import Conflict, DiskFull, HostError, NotFound, RuntimeFailure, WherryError
from wherry.lean import contextmanager, suppress
from wherry.runtime import attach as attaching
from wherry.runtime import launch, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.network.model import Attachment
    from wherry.runtime.attach import Streams
    from wherry.runtime.launch import Monitor
    from wherry.runtime.options import RunOptions

__all__ = ["attach", "launch_locked", "run", "start"]

_PATIENCE = 100


def run(
    engine: Engine, image: str, options: RunOptions, streams: Streams | None, monitor: Monitor | None
) -> tuple[str, int | None]:
    """See Containers.run."""
    row = containers_create.prepare(engine, image, options)
    containers_create.store(engine, row)
    is_there = True
    try:
        if streams:
            engine.events.container(row, "attach")
        with held(engine, row):
            try:
                # `rm` and `prune` of others do not wait for a container that nobody works on yet
                containers_rows.find(engine.db, row.id)
            except NotFound:
                is_there = False
                raise
            monitor = launch_locked(engine, row, streams, monitor)
    except BaseException:
        if not is_there:
            raise
        if row.remove:
            with held(engine, row):
                from wherry.engine.containers_remove import erase

                erase(engine, row, volumes=True)
        else:
            _say_ready(engine, row)
        raise
    _say_ready(engine, row)
    return row.id, _follow(engine, row._replace(phase="ready", owner=""), monitor, streams)


def _say_ready(engine: Engine, row: ContainerRow) -> None:
    # The container may have filled the disk already. It runs all the same, and once this process is gone repair says it
    with suppress(DiskFull):
        containers_rows.set_phase(engine.db, row.id, "ready")


def start(engine: Engine, row: ContainerRow, streams: Streams | None) -> int | None:
    """See Containers.start."""
    with held(engine, row):
        row = engine.containers.find(row.id)
        state = engine.containers.state(row.id)
        if state.status == "paused":
            raise Conflict("cannot start a paused container, try unpause instead")
        if not state.is_running:
            if streams:
                engine.events.container(row, "attach")
            monitor = launch_locked(engine, row, streams, None)
    if state.is_running:
        return attach(engine, row, streams) if streams else None
    return _follow(engine, row, monitor, streams)


def launch_locked(
    engine: Engine, row: ContainerRow, streams: Streams | None, monitor: Monitor | None
) -> Monitor:  # fmt: skip
    """Start it; the caller holds the lock. Raises: RuntimeFailure and whatever stands in the way; nothing is left."""
    monitor = monitor or launch.spawn(engine.host, engine.containers.tool_env)
    bundle = engine.containers.bundle(row.id)
    try:
        # The second: what a monitor began that was killed before it could record it
        if records.read_run(bundle) or os.path.exists(engine.containers.run_folder_path(row.id)):
            from wherry.engine.containers_remove import clean

            clean(engine, row)
        for name in ("stopped", "failed.json", "runtime.log", "restart.json", "name"):
            with suppress(FileNotFoundError):
                os.unlink(f"{bundle}/{name}")
        _launch(engine, row, streams, monitor)
    except BaseException as fault:
        if monitor.has_started():
            # Interrupted while the runtime worked
            from wherry.engine.containers_stop import end_now

            end_now(engine, row)
            monitor.sock.close()
            monitor.reap()
        else:
            monitor.abandon()
        _undo(engine, row, fault)
        raise
    return monitor


def _launch(engine: Engine, row: ContainerRow, streams: Streams | None, monitor: Monitor) -> None:
    from wherry.engine.containers_rootfs import open_overlay
    from wherry.oci.digest import Digest

    options = row.options()
    config = engine.images.config(Digest(row.image_id))
    rootfs = open_overlay(engine, row)
    attachment = None
    mounts: list[int] = []
    try:
        start = Start(row, options, config, engine.containers.bundle(row.id), rootfs, mounts)
        names = f"{engine.containers.run_folder_path(row.id)}/names"
        attachment = engine.networks.reserve(row.id, network_request(start)._replace(names_path=names))
        size = streams.size if streams and options.tty else None
        wants = streams.wants if streams else ""
        plan = monitor_plan(engine, start, wants=wants, netns=attachment.netns, size=size)
        plan["sysctls"] = {**engine.networks.sysctls(attachment), **plan["sysctls"]}
        monitor.prepare(plan, rootfs)
        with _beside(attachment, monitor, engine):
            doc = write_bundle(engine, start, attachment, size)
            write_health_process(start, plan, doc)
        began(engine, row, attachment)
        if containers_rows.TRACKED in row.labels:
            from wherry.engine import runs_container

            runs_container.began(row)
        listeners = [(one.fd, one.protocol, one.address, one.port) for one in attachment.listeners]
        lock = engine.containers.locks.get(row.id, -1)
        monitor.go(listeners, _load_what_the_end_needs if streams else None, mounts, lock=lock)
    except launch.Failed as fault:
        raise _explained(fault) from None
    finally:
        for fd in (rootfs, *mounts):
            os.close(fd)
        if attachment is not None:
            engine.networks.close_listeners(attachment)


@contextmanager
def _beside(attachment: Attachment, monitor: Monitor, engine: Engine) -> Iterator[None]:
    """Have the monitor ready and its network plumbed while the body runs: that is mostly waiting for `ip` and `nft`.

    What goes wrong is raised at the end.
    """
    if attachment.endpoint is None:
        yield
        monitor.await_ready()
        return
    from wherry.lean import in_thread

    faults: list[BaseException] = []

    def run() -> None:
        try:
            monitor.await_ready()
            engine.networks.plumb(attachment, monitor.pid)
        except BaseException as fault:
            faults.append(fault)

    join = in_thread(run)
    try:
        yield
    finally:
        join()
    if faults:
        raise faults[0]


def _load_what_the_end_needs() -> None:
    """Modules for the clean-up, while there is nothing else to do."""
    from wherry.engine import containers_remove
    from wherry.runtime import cgroups

    del cgroups, containers_remove


def _explained(fault: launch.Failed) -> WherryError:
    if fault.log:
        from wherry.runtime.complaints import explain

        return explain(fault.log)
    return RuntimeFailure(f"failed to start the container: {fault.message}")


def _undo(engine: Engine, row: ContainerRow, fault: BaseException) -> None:
    """A start that failed: leave no network, no cgroup, and a record that says why."""
    from wherry.engine.containers_remove import clean

    clean(engine, row)
    if isinstance(fault, WherryError) and not isinstance(fault, HostError):
        code = fault.exit_code if isinstance(fault, RuntimeFailure) else 125
        # docker's State.ExitCode of a container that could not start
        record = {"code": 128 if code == 125 else code, "error": fault.message, "at_ns": time.time_ns()}
        with suppress(OSError):
            records.write(engine.containers.bundle(row.id), "failed.json", record, durable=False)


def _follow(engine: Engine, row: ContainerRow, monitor: Monitor, streams: Streams | None) -> int | None:
    """Stay with a container that was just started, when `streams` says so. The exit code, or None when detached."""
    if streams is None:
        monitor.leave()
        return None
    ending = attaching.pump(monitor.sock, streams, _forwarder(engine, row), cleans=True)
    if ending.detached:
        monitor.leave()
        engine.events.container(row, "detach")
        return None
    if ending.record is None:
        return _after_a_lost_monitor(engine, row, streams)
    if not ending.record["again_ns"]:
        from wherry.engine.containers_remove import finish

        # While the monitor ends, and with it the last of the container's mounts
        finish(engine, row)
        monitor.reap()
    return int(ending.record["code"])


def _forwarder(engine: Engine, row: ContainerRow) -> Callable[[int], None]:
    """Passes a signal on to the container's first process, if it is that very process still."""

    def forward(signo: int) -> None:
        run = records.read_run(engine.containers.bundle(row.id))
        if run and engine.host.signal(run.process.pid, run.process.start, signo):
            engine.events.container(row, "kill", signal=str(signo))

    return forward


def _after_a_lost_monitor(engine: Engine, row: ContainerRow, streams: Streams) -> int | None:
    """The monitor was killed while we were attached: have another take over, and stay."""
    from wherry.engine.containers_repair import repair

    for _ in range(_PATIENCE):
        state = repair(engine, row)
        if not state.is_running:
            return state.exit_code
        try:
            return attach(engine, row, streams)
        except RuntimeFailure:
            # A process that is being killed closes its sockets a moment before it is seen to be dead
            time.sleep(0.02)
    raise RuntimeFailure(f"the monitor of {row.name} was killed, and no other could take over")


def attach(engine: Engine, row: ContainerRow, streams: Streams) -> int | None:
    """See Containers.attach."""
    from wherry.engine.containers_repair import repair

    state = repair(engine, row)
    if state.status == "paused":
        raise Conflict("You cannot attach to a paused container, unpause it first")
    if state.status == "restarting":
        raise Conflict("You cannot attach to a restarting container, wait until it is running")
    if not state.is_running:
        raise Conflict("You cannot attach to a stopped container, start it first")
    sock = launch.connect(f"{engine.containers.run_folder_path(row.id)}/attach")
    engine.events.container(row, "attach")
    sock.send(b"A" + streams.wants.encode())
    options = row.options()
    if options.tty and (size := streams.size):
        # As docker: another size for a moment makes a shell show its prompt to whoever comes back
        sock.send(b"R%d %d" % (size[0] + 1, size[1] + 1))
    ending = attaching.pump(sock, streams._replace(tty=options.tty), _forwarder(engine, row))
    if ending.detached:
        engine.events.container(row, "detach")
        return None
    if ending.record is None:
        return _after_a_lost_monitor(engine, row, streams)
    return int(ending.record["code"])
