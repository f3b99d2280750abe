"""`boot run` and `boot stop`: what must run after the machine came up, and a stop that is nobody's wish.

Who starts what after a reboot is the init system's business (engine/boot_files.py); here is what it calls.
docs/adr/0193-boot.md.
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.engine import containers_rows
from wherry.errors import WherryError
from wherry.runtime import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.runtime.options import RestartPolicy
    from wherry.runtime.state import ContainerState

__all__ = ["Candidate", "Outcome", "after_reboot", "candidates", "judge", "run", "stop", "waves"]

JOBS = 8


class Candidate(NamedTuple):
    """A container at boot. `is_of_this_boot`: it was started since, by whomever; `by_hand`: somebody stopped it."""

    id: str
    name: str
    policy: RestartPolicy
    status: str
    code: int = 0
    restarts: int = 0
    has_run: bool = True
    is_of_this_boot: bool = False
    by_hand: bool = False
    joins: tuple[str, ...] = ()
    """Ids of the containers whose network, pid or ipc namespace it lives in."""


class Outcome(NamedTuple):
    """`fault` is "" when it did what was asked."""

    name: str
    fault: str = ""


def judge(one: Candidate) -> tuple[bool, str]:
    """Whether it is to be started, and why or why not, in words."""
    name, most = one.policy
    if one.status in ("running", "paused", "restarting"):
        return False, "runs"
    if name == "no":
        return False, "has no restart policy"
    if not one.has_run:
        return False, "was never started"
    if one.is_of_this_boot:
        return False, "ended since the boot"
    if name == "always":
        return True, "always"
    if one.by_hand:
        # Differs from docker: dockerd, when it starts, starts a container with on-failure that was stopped by hand
        return False, "was stopped by hand"
    if name == "on-failure" and one.code == 0:
        return False, "ended with success"
    if name == "on-failure" and most and one.restarts >= most:
        return False, f"was restarted {one.restarts} times"
    return True, "was not stopped by hand" if name == "unless-stopped" else f"ended with {one.code}"


def after_reboot(one: Candidate) -> Candidate:
    """The same, as the next boot will find it: what runs now is lost with the machine, as docker counts it with 255."""
    runs = one.status in ("running", "paused", "restarting")
    return one._replace(status="exited", code=255 if runs else one.code, is_of_this_boot=False)


def candidates(engine: Engine) -> list[Candidate]:
    """Every container, oldest first, after repairs: what the machine took with it is recorded as ended."""
    from wherry.engine.containers_repair import repair_all

    found = [_candidate(engine, row, state) for row, state in repair_all(engine) if row.phase == "ready"]
    return found[::-1]


def _candidate(engine: Engine, row: ContainerRow, state: ContainerState) -> Candidate:
    options, bundle = row.options(), engine.containers.bundle(row.id)
    ran = records.read_run(bundle)
    stopped = records.read_stopped(bundle)
    this_boot = ran is not None and ran.process.boot == engine.host.boot_id() and stopped != records.SHUTDOWN
    joins = tuple(
        mode.removeprefix("container:")
        for mode in (options.network, options.pid, options.ipc)
        if mode.startswith("container:")
    )
    return Candidate(
        row.id, row.name, options.restart, state.status, state.exit_code, state.restarts, ran is not None, this_boot,
        stopped == records.BY_HAND, joins,
    )  # fmt: skip


def waves(chosen: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    """Those that join another's namespaces come after it; all of a wave can be started side by side."""
    left = list(chosen)
    while left:
        waiting = {one.id for one in left}
        # In a circle nobody can be first: they say so themselves when they are started
        wave = [one for one in left if not waiting & set(one.joins)] or left
        yield wave
        left = [one for one in left if one not in wave]


def run(engine: Engine, jobs: int = JOBS, say: Callable[[Outcome], None] = lambda _: None) -> list[Outcome]:
    """Start what is to run, `jobs` at a time. Idempotent: what was started or stopped since the boot is left alone.

    Each outcome is told to `say` as it comes, from this thread.
    """
    done: list[Outcome] = []
    for wave in waves(one for one in candidates(engine) if judge(one)[0]):
        for outcome in _side_by_side(engine, wave, jobs, lambda its, name: its.containers.start(name)):
            say(outcome)
            done.append(outcome)
    return done


def stop(engine: Engine, jobs: int = JOBS, say: Callable[[Outcome], None] = lambda _: None) -> list[Outcome]:
    """The machine goes down: stop all that runs, as `stop` does, but no restart policy takes it for a wish.

    Containers without a policy are stopped too. Idempotent.
    """
    from wherry.engine import containers_stop

    running = [one for one in candidates(engine) if one.status in ("running", "paused", "restarting")]

    def end(its: Engine, name: str) -> object:
        containers_stop.stop(its, containers_rows.find(its.db, name), None, "", by_hand=False)
        return None

    done: list[Outcome] = []
    for wave in reversed(list(waves(running))):
        for outcome in _side_by_side(engine, wave, jobs, end):
            say(outcome)
            done.append(outcome)
    return done


def _side_by_side(
    engine: Engine, wave: Sequence[Candidate], jobs: int, work: Callable[[Engine, str], object]
) -> Iterator[Outcome]:  # fmt: skip
    """Each in a thread with an engine of its own: engines wait for their own children."""
    from concurrent.futures import ThreadPoolExecutor, as_completed

    from wherry.engine import Engine

    def one(candidate: Candidate) -> Outcome:
        with Engine(engine.settings, engine.host) as its:
            try:
                work(its, candidate.id)
            except (WherryError, OSError) as fault:
                return Outcome(candidate.name, str(fault))
            return Outcome(candidate.name)

    with ThreadPoolExecutor(max(1, min(jobs, len(wave)))) as pool:
        for future in as_completed([pool.submit(one, candidate) for candidate in wave]):
            yield future.result()
