"""Ending, pausing and waiting for containers."""

from __future__ import annotations

import os
import select
import time

from wherry.engine.containers_lock import held
from wherry.engine.containers_repair import repair, repair_locked
from wherry.errors import Conflict, NotFound, RuntimeFailure
from wherry.lean import contextmanager, suppress
from wherry.runtime import launch, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.runtime.state import ContainerState

__all__ = ["end_now", "kill", "pause", "restart", "stop", "unpause", "wait"]

_KILL = 9
_DEFAULT_TIMEOUT_S = 10
_DEATH_S = 30.0


def _stop_signal(engine: Engine, row: ContainerRow, given: str) -> int:
    """--signal, else the container's, else the image's, else SIGTERM."""
    from wherry.oci.digest import Digest
    from wherry.runtime.parse_values import signal_number

    own = given or row.options().stop_signal
    if not own:
        with suppress(NotFound):
            own = engine.images.config(Digest(row.image_id)).config.stop_signal
    return signal_number(own or "TERM")


def stop(
    engine: Engine, row: ContainerRow, timeout_s: int | None, signal: str, *, by_hand: bool = True,
    cancel: Cancel | None = None,
) -> None:  # fmt: skip
    """See Containers.stop. `by_hand` False: the machine goes down, and the next boot starts it again."""
    signo = _stop_signal(engine, row, signal)
    with suppress(NotFound), held(engine, row):  # NotFound: it was started with --rm, and is over
        row = engine.containers.find(row.id)
        _stop_locked(engine, row, timeout_s, signo, by_hand=by_hand, cancel=cancel)
        _tidy(engine, row)


def _stop_locked(
    engine: Engine, row: ContainerRow, timeout_s: int | None, signo: int, *, by_hand: bool = True,
    cancel: Cancel | None = None,
) -> None:  # fmt: skip
    state = repair_locked(engine, row)
    if not state.is_running:
        return
    if timeout_s is None:
        own = row.options().stop_timeout_s
        timeout_s = _DEFAULT_TIMEOUT_S if own is None else own
    _mark_stopped(engine, row, by_hand=by_hand)
    with _cleaning_after(engine, row):
        _signal(engine, row, state, signo)
        if state.status == "paused":
            # A frozen process gets no signal before it thaws
            _thaw(engine, row)
        if not _await_end(engine, row, None if timeout_s < 0 else timeout_s, cancel):
            end_now(engine, row)
    engine.events.container(row, "stop")


def _signal(engine: Engine, row: ContainerRow, state: ContainerState, signo: int) -> bool:
    """Whether its first process was there to get it."""
    if not state.pid or engine.host.start_time(state.pid) != state.start:
        return False
    # Told first: its end, which its monitor tells, must not come before
    engine.events.container(row, "kill", signal=str(signo))
    return engine.host.signal(state.pid, state.start, signo)


def _thaw(engine: Engine, row: ContainerRow) -> None:
    engine.containers.driver_of(row).resume(row.id)
    _poke(engine, row, b"Z")
    engine.events.container(row, "unpause")


def _mark_stopped(engine: Engine, row: ContainerRow, *, by_hand: bool = True) -> None:
    """No restart policy applies from here on; a monitor that waits to restart it gives up. A first mark stays."""
    with suppress(FileExistsError):
        path = f"{engine.containers.bundle(row.id)}/stopped"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, b"" if by_hand else records.SHUTDOWN.encode())
        finally:
            os.close(fd)
    _poke(engine, row, b"Q")


def _poke(engine: Engine, row: ContainerRow, word: bytes) -> None:
    """Have its monitor look at once at what it would see later: `Q` a manual stop, `Z` a pause or its end."""
    with suppress(RuntimeFailure):
        sock = launch.connect(_socket_path(engine, row))
        with suppress(OSError):
            sock.send(word)
        sock.close()


@contextmanager
def _cleaning_after(engine: Engine, row: ContainerRow) -> Iterator[None]:
    """Its monitor leaves the clean-up to us, if the container ends while the body runs: else it starts a Python for it.

    The lock is held by the caller, who cleans; one that is killed leaves it to whoever looks next.
    """
    sock = None
    with suppress(RuntimeFailure, OSError):
        sock = launch.connect(_socket_path(engine, row))
        sock.send(b"C")
    try:
        yield
    finally:
        if sock is not None:
            sock.close()


def _socket_path(engine: Engine, row: ContainerRow) -> str:
    return f"{engine.containers.run_folder_path(row.id)}/attach"


def end_now(engine: Engine, row: ContainerRow, *, killed: bool = False) -> None:
    """SIGKILL (unless it was `killed` just now), and wait for the record. The lock is held by the caller.

    Raises: RuntimeFailure.
    """
    _mark_stopped(engine, row)
    state = engine.containers.state(row.id)
    if not state.is_running:
        return
    with _cleaning_after(engine, row):
        if not killed:
            _signal(engine, row, state, _KILL)
        if state.status == "paused":
            # As docker, this one untold
            engine.containers.driver_of(row).resume(row.id)
        if not _await_end(engine, row, _DEATH_S):
            raise RuntimeFailure(
                f"container {row.name} does not die: process {state.pid} is stuck in the kernel",
                hint=f"see /proc/{state.pid}/stack; a hung network file system is the usual reason",
            )


def _tidy(engine: Engine, row: ContainerRow) -> None:
    """At once, not when the cleaner comes to it: a `run` that follows may want the same port."""
    from wherry.engine import containers_remove as removal

    if engine.containers.state(row.id).is_running:
        return
    removal.clean(engine, row)
    if row.remove:
        removal.erase(engine, row, volumes=True)


def _await_end(engine: Engine, row: ContainerRow, timeout_s: float | None, cancel: Cancel | None = None) -> bool:
    """Whether it is over within the time. Woken by its monitor; looks anew when that one dies."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        state = engine.containers.state(row.id)
        if not state.is_running:
            return True
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            return False
        _await_word(engine, row, left, cancel)
        if cancel is not None:
            cancel.check()


def _await_word(engine: Engine, row: ContainerRow, timeout_s: float | None, cancel: Cancel | None) -> None:
    """Return when the monitor says the end, or has gone itself; or after a time, to be asked again."""
    try:
        sock = launch.connect(_socket_path(engine, row))
    except RuntimeFailure:
        time.sleep(0.02)  # between two runs, or its monitor was killed just now
        return
    try:
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        step_s = 0.2 if cancel is not None else timeout_s
        poll.poll(None if step_s is None else int(min(step_s, timeout_s or step_s) * 1000) + 1)
    finally:
        sock.close()


def wait(engine: Engine, row: ContainerRow, cancel: Cancel | None = None) -> int:
    """See Containers.wait."""
    try:
        while True:
            state = repair(engine, row)
            if not state.is_running:
                return state.exit_code
            code = _await_code(engine, row, cancel)
            if code is not None:
                return code
    except NotFound:
        return 0  # started with --rm, and it was over before the first look


def _await_code(engine: Engine, row: ContainerRow, cancel: Cancel | None) -> int | None:
    """The exit code, heard from the monitor (a container with --rm has no record a moment later)."""
    try:
        sock = launch.connect(_socket_path(engine, row))
    except RuntimeFailure:
        time.sleep(0.02)
        return None
    try:
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        while not poll.poll(None if cancel is None else 200):
            if cancel is not None:
                cancel.check()
        packet = sock.recv(1 << 16)
    except ConnectionError:
        return None
    finally:
        sock.close()
    if packet[:1] != b"x":
        return None
    from wherry.runtime.monitor_kernel import decode

    return int(decode(packet[1:])["code"])


def kill(engine: Engine, row: ContainerRow, signal: str) -> None:
    """See Containers.kill."""
    from wherry.runtime.parse_values import signal_number

    signo = signal_number(signal)
    state = repair(engine, row)
    is_over = Conflict(f"cannot kill container: {row.name}: container {row.id} is not running")
    if not state.is_running:
        raise is_over
    if state.status == "restarting":
        # As docker, whatever the signal: it is not started again
        with held(engine, row):
            _mark_stopped(engine, row)
            _await_end(engine, row, _DEATH_S)
        return
    # Differs from docker: only a signal that is meant to end it switches its restart policy off; docker does so for any
    ends = signo in (_KILL, _stop_signal(engine, row, ""))
    if ends:
        _mark_stopped(engine, row)
    if not _signal(engine, row, state, signo):
        raise is_over
    if signo == _KILL:
        with suppress(NotFound), held(engine, row):
            row = engine.containers.find(row.id)
            end_now(engine, row, killed=True)
            _tidy(engine, row)
    elif ends and state.status == "paused":
        engine.containers.driver_of(row).resume(row.id)


def restart(engine: Engine, row: ContainerRow, timeout_s: int | None, signal: str) -> None:
    """See Containers.restart."""
    from wherry.engine.containers_start import launch_locked

    signo = _stop_signal(engine, row, signal)
    with held(engine, row):
        row = engine.containers.find(row.id)
        _stop_locked(engine, row, timeout_s, signo)
        monitor = launch_locked(engine, row, None, None)
        monitor.leave()
        engine.events.container(row, "restart")


def pause(engine: Engine, row: ContainerRow) -> None:
    """See Containers.pause."""
    with held(engine, row):
        state = repair_locked(engine, engine.containers.find(row.id))
        if not state.is_running:
            raise Conflict(f"container {row.id} is not running")
        if state.status == "paused":
            raise Conflict(f"Container {row.id} is already paused")
        if state.status == "restarting":
            raise Conflict(f"Container {row.id} is restarting, wait until the container is running")
        engine.containers.driver_of(row).pause(row.id)
        _poke(engine, row, b"Z")
        engine.events.container(row, "pause")


def unpause(engine: Engine, row: ContainerRow) -> None:
    """See Containers.unpause."""
    with held(engine, row):
        if repair_locked(engine, engine.containers.find(row.id)).status != "paused":
            raise Conflict(f"Container {row.id} is not paused")
        _thaw(engine, row)
