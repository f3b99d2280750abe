"""Waiting for containers: to be healthy, to have completed, to run. Woken by the records that their monitors write.

Spec: compose-spec 05-services, depends_on, https://github.com/compose-spec/compose-spec/blob/v2.1.0/05-services.md#long-syntax-1
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack

from wherry.compose import plan as plans
from wherry.compose.progress import DONE, ERROR, WARNING, WORKING, Event
from wherry.compose.progress import container as resource
from wherry.errors import NotFound, WherryError
from wherry.fs.watch import FolderWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NamedTuple, Protocol

    from wherry.cancel import Cancel
    from wherry.compose.plan import ContainerRef, WaitFor
    from wherry.compose.progress import Progress
    from wherry.runtime.state import ContainerState
else:
    from wherry.lean import NamedTuple, Protocol

__all__ = ["RUNNING", "ConditionFailed", "Look", "Looked", "await_condition", "indented", "judge"]

RUNNING = "running_or_healthy"
"""What `up --wait` waits for: healthy; running, or ended with 0, where there is no health check."""

_LOOK_S = 0.2
# One that ends at once has not become running: docker-compose too looks only after half a second
_SETTLED_NS = 500_000_000
_LINES = 10


class ConditionFailed(WherryError):
    """A container can't be any more what was waited for. The message has what it said last."""

    code = "dependency"


class Looked(NamedTuple):
    """What one look at a container finds. `has_probe`: it has a health check."""

    name: str
    folder: str
    state: ContainerState
    has_probe: bool


class Look(Protocol):
    """How containers are looked at: the engine's (`perform.EngineLook`), or a test's."""

    def __call__(self, ref: ContainerRef) -> Looked:
        """Raises: NotFound."""

    def last_lines(self, ref: ContainerRef, count: int) -> Sequence[str]:
        """The end of the log of its last run; () when it can't be read."""


def await_condition(wait: WaitFor, look: Look, progress: Progress, cancel: Cancel) -> None:
    """Return once all containers fulfil it, or (not `is_required`) once one can't, which is warned of.

    Raises: ConditionFailed, Cancelled.
    """
    if wait.condition == plans.STARTED:
        return
    _tell(wait.containers, progress, WORKING, "Waiting")
    try:
        for ref in wait.containers:
            has_ended = _await_one(wait, ref, look, cancel).status == "exited"
            word = "Exited" if wait.condition == plans.COMPLETED or has_ended else "Healthy"
            progress.event(Event(resource(ref.name), DONE, word))
    except ConditionFailed as fault:
        reason = fault.message.splitlines()[0]
        if wait.is_required:
            is_completion = wait.condition == plans.COMPLETED
            _tell(wait.containers, progress, ERROR, reason if is_completion else "Error")
            raise
        skipped = _optional(wait, reason)
        _tell(wait.containers, progress, WARNING, f"Skipped: {skipped}")
        progress.warn(skipped)


def _tell(refs: Sequence[ContainerRef], progress: Progress, state: str, text: str) -> None:
    for ref in refs:
        progress.event(Event(resource(ref.name), state, text))


def _optional(wait: WaitFor, reason: str) -> str:
    """docker-compose's words for a dependency with `required: false`."""
    if wait.condition == plans.COMPLETED:
        return f"optional dependency {reason.removeprefix('service ')}"
    return f'optional dependency "{wait.service}" failed to start: {reason.removeprefix(_FAILED)}'


_FAILED = "dependency failed to start: "


def _await_one(wait: WaitFor, ref: ContainerRef, look: Look, cancel: Cancel) -> ContainerState:
    with ExitStack() as stack:
        watch: FolderWatch | None = None
        while True:
            cancel.check()
            try:
                found = look(ref)
            except NotFound:
                raise ConditionFailed(f"{_FAILED}container {ref.name} was removed while it was waited for") from None
            if judge(wait, ref, found, look):
                return found.state
            if watch is None:
                # From here on no change goes unseen; the next look is for what came before
                watch = stack.enter_context(FolderWatch(found.folder))
                continue
            watch.wait(_LOOK_S)


def judge(wait: WaitFor, ref: ContainerRef, found: Looked, look: Look) -> bool:
    """Whether the condition is fulfilled. Raises: ConditionFailed when it can't be any more."""
    state = found.state
    if wait.condition == plans.COMPLETED:
        return _has_completed(wait, ref, state, look)
    prefix = _FAILED if wait.condition == plans.HEALTHY else ""
    if os.path.exists(f"{found.folder}/stopped"):
        # Its probes count as failed from then on: that is not why
        raise ConditionFailed(f"{prefix}container {found.name} was stopped while it was waited for")
    if wait.condition == RUNNING and not found.has_probe and state.status == "exited" and state.exit_code == 0:
        # Differs from docker: `up --wait` takes work that is done for success also when no service waits for its end
        return True
    if state.status == "paused":
        # It answers no probe, and counts as unhealthy for that alone
        hint = f"wherry compose unpause {wait.service}"
        raise ConditionFailed(f"{prefix}container {found.name} is paused", hint=hint)
    if state.status in ("exited", "dead", "created") and not (state.status == "created" and not state.error):
        said = _said(look.last_lines(ref, _LINES), ref)
        raise ConditionFailed(f"{prefix}container {found.name} exited ({state.exit_code}){said}")
    if not found.has_probe:
        if wait.condition == plans.HEALTHY:
            raise ConditionFailed(
                f"{prefix}container {found.name} has no healthcheck configured",
                hint=f"give service {wait.service} a healthcheck, or wait for service_started",
            )
        return state.status == "running" and time.time_ns() - state.started_ns > _SETTLED_NS
    health = str((state.health or {}).get("Status", "starting"))
    if health == "unhealthy" and _is_verdict(found):
        raise ConditionFailed(f"{prefix}container {found.name} is unhealthy{_probed(state)}")
    return health == "healthy" and state.status == "running"


def _has_completed(wait: WaitFor, ref: ContainerRef, state: ContainerState, look: Look) -> bool:
    if state.status == "created" and state.error:
        raise ConditionFailed(f'service "{wait.service}" could not be started: {state.error}')
    if state.status not in ("exited", "dead"):
        return False
    if state.exit_code == 0:
        return True
    said = _said(look.last_lines(ref, _LINES), ref)
    raise ConditionFailed(f'service "{wait.service}" didn\'t complete successfully: exit {state.exit_code}{said}')


def _is_verdict(found: Looked) -> bool:
    """Whether a probe of this run said so, and not the end of the one before, its own end (which is recorded a moment
    later, and says more), or that it was paused."""
    state = found.state
    if not (state.health or {}).get("FailingStreak") or (state.pid and not os.path.exists(f"/proc/{state.pid}")):
        return False
    try:
        return os.stat(f"{found.folder}/health.json").st_mtime_ns >= state.started_ns
    except OSError:
        return True


def _probed(state: ContainerState) -> str:
    """The last probe's output, indented, behind a line feed; "" when there was none."""
    log = (state.health or {}).get("Log") or ()
    if not log:
        return ""
    last = log[-1]
    lines = [line.rstrip() for line in str(last.get("Output", "")).splitlines() if line.strip()][-_LINES:]
    head = f"\n  its last probe ended with exit code {last.get('ExitCode')}"
    return head + (":" + indented(lines) if lines else " and said nothing")


def _said(lines: Sequence[str], ref: ContainerRef) -> str:
    return f"\n  the last that {ref.name} wrote:{indented(lines)}" if lines else ""


def indented(lines: Sequence[str]) -> str:
    """The lines, each behind a line feed and four spaces, as errors show what something wrote."""
    # Whatever a container writes must not steer the terminal
    return "".join(f"\n    {''.join(char if char.isprintable() else '?' for char in line)}" for line in lines)
