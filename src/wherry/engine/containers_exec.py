"""`exec`: another program in a running container, with a small process of its own that owns its streams."""

from __future__ import annotations

import os

from wherry import lean_json as json
from wherry.engine.containers_repair import repair
from wherry.errors import Conflict, InputError, NotFound, RuntimeFailure, WherryError
from wherry.fs.atomic import replace_file
from wherry.runtime import attach as attaching
from wherry.runtime import launch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.runtime.attach import Streams
    from wherry.runtime.exec_options import ExecOptions

__all__ = ["exec"]


def exec(
    engine: Engine,
    row: ContainerRow,
    options: ExecOptions,
    streams: Streams | None,
    monitor: launch.Monitor | None = None,
    cancel: Cancel | None = None,
) -> int | None:
    """See Containers.exec."""
    monitor = monitor or launch.spawn(engine.host, engine.containers.tool_env, "monitor_exec")
    folder = ""
    try:
        pid = _running(engine, row)
        plan = _plan(engine, row, options, streams)
        plan["netns"] = f"/proc/{pid}/ns/net"
        folder = plan["folder"]
        process = _process(engine, row, options, pid)
        if plan["size"]:
            process["consoleSize"] = {"height": plan["size"][0], "width": plan["size"][1]}
        replace_file(f"{folder}/process.json", json.dumps(process).encode(), durable=False)
        monitor.prepare(plan, None)
        monitor.await_ready()
        _tell(engine, row, options, plan["exec_id"])
        pid = monitor.go([])
    except launch.Failed as fault:
        _abandon(monitor, folder)
        if fault.log:
            from wherry.runtime.complaints import explain

            raise _unstartable(explain(fault.log, doing="exec in the container")) from None
        raise RuntimeFailure(f"failed to exec in {row.name}: {fault.message}") from None
    except BaseException:
        _abandon(monitor, folder)
        raise
    if streams is None:
        monitor.leave()
        return None
    return _follow(engine, row, monitor, streams, (pid, plan["exec_id"]), cancel)


def _running(engine: Engine, row: ContainerRow) -> int:
    """Its first process. Raises: Conflict in docker's words."""
    state = repair(engine, row)
    if state.status == "paused":
        raise Conflict(f"Container {row.name} is paused, unpause the container before exec")
    if state.status == "restarting":
        raise Conflict(f"Container {row.id} is restarting, wait until the container is running")
    if not state.pid or not state.is_running:
        raise Conflict(f"container {row.id} is not running", hint=f"wherry start {row.name}")
    return state.pid


def _follow(
    engine: Engine, row: ContainerRow, monitor: launch.Monitor, streams: Streams, session: tuple[int, str],
    cancel: Cancel | None,
) -> int | None:  # fmt: skip
    """Stay with it to its end: the exit code, or None when the user detached. Raises: Cancelled."""
    pid, exec_id = session
    if cancel:
        from wherry.engine.containers_exec_end import ended_by

        with ended_by(engine, pid, cancel):
            code = _follow(engine, row, monitor, streams, session, None)
        cancel.check()
        return code
    start = engine.host.start_time(pid)
    ending = attaching.pump(monitor.sock, streams, lambda signo: _forward(engine, pid, start, signo))
    if ending.detached:
        engine.events.container(row, "exec_detach", execID=exec_id)
        return None
    monitor.reap()
    if ending.record is None:
        raise RuntimeFailure(f"the exec session in {row.name} was lost: its monitor was killed")
    return int(ending.record["code"])


def _tell(engine: Engine, row: ContainerRow, options: ExecOptions, exec_id: str) -> None:
    """As docker, before it is tried: the end is told by the session's monitor."""
    program, *rest = options.command
    for action in ("exec_create", "exec_start"):
        engine.events.container(row, f"{action}: {program} {' '.join(rest)}", execID=exec_id)


def _unstartable(fault: WherryError) -> WherryError:
    """As docker's exec: 127 for a command that is not there, 126 for one that can't be started in any other way."""
    if fault.exit_code not in (126, 127):
        fault.exit_code = 126
    return fault


def _abandon(monitor: launch.Monitor, folder: str) -> None:
    from wherry.fs.remove import remove_tree

    if monitor.has_started():
        # Interrupted while the runtime worked: the command goes on without us, as docker's, and its monitor clears up
        monitor.leave()
        return
    monitor.abandon()
    if folder:
        remove_tree(folder)


def _forward(engine: Engine, pid: int, start: int | None, signo: int) -> None:
    if start is not None:
        engine.host.signal(pid, start, signo)


def _plan(engine: Engine, row: ContainerRow, options: ExecOptions, streams: Streams | None) -> dict[str, Any]:
    folder = f"{engine.containers.run_folder(row.id)}/e{os.urandom(5).hex()}"
    os.mkdir(folder, 0o700)
    log, pid_file = f"{folder}/log", f"{folder}/pid"
    console = f"{folder}/c" if options.tty else ""
    events, exec_id = engine.events.of_container(row), os.urandom(32).hex()
    events["attributes"]["execID"] = exec_id
    return {
        "run": engine.containers.driver_of(row).exec_argv(
            row.id, f"{folder}/process.json", log=log, pid_file=pid_file, console_socket=console, detach=True
        ),
        "env": engine.containers.tool_env,
        "tty": options.tty,
        "size": streams.size if streams and options.tty else None,
        "stdin": options.stdin,
        "wants": streams.wants if streams else "",
        "pid_file": pid_file,
        "runtime_log": log,
        "console": console,
        "folder": folder,
        "id": row.id,
        "bundle": engine.containers.bundle(row.id),
        "exec_id": exec_id,
        "events": events,
    }


def _process(engine: Engine, row: ContainerRow, options: ExecOptions, pid: int) -> dict[str, Any]:
    """The runtime's `process` object, over the container's own."""
    from wherry.runtime.machine import read_machine
    from wherry.runtime.process import exec_process
    from wherry.runtime.users import resolve

    with open(f"{engine.containers.bundle(row.id)}/config.json", "rb") as file:
        base = json.load(file)
    user = None
    if options.user:
        root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            user = resolve(root, options.user, row.options().group_add)
        except (InputError, NotFound) as fault:
            raise _unstartable(fault) from None
        finally:
            os.close(root)
    return exec_process(
        base, options.command, env=options.env, user=user, workdir=options.workdir, tty=options.tty,
        privileged=read_machine().capabilities if options.privileged else (),
    )  # fmt: skip
