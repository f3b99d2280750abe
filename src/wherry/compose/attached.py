"""An attached `up`: what the containers write is shown from their first byte, until all have ended, one has and the
rest is to follow, or the user has had enough.

^C once stops the services that were asked for, in order and with their time; twice kills them.
"""

from __future__ import annotations

import threading
import time

from wherry.compose.lifecycle import Lifecycle, kill_plan, plan_stop
from wherry.compose.logs import Following, Source, short_name, source_of
from wherry.compose.up import Up, is_start
from wherry.errors import Cancelled
from wherry.runtime.logs import LogQuery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from typing import NamedTuple

    from wherry.build.progress import Progress as BuildProgress
    from wherry.cancel import Cancel
    from wherry.compose.logs import Sink
    from wherry.compose.plan import ContainerRef, Plan
    from wherry.compose.progress import Event, Progress
    from wherry.registry.watch import TransferWatch
else:
    from wherry.lean import NamedTuple

__all__ = ["AttachOptions", "Attached"]

_LOOK_S = 0.2
_LAST_LINES_S = 3.0

STOPPING = "Gracefully stopping... (press Ctrl+C again to force)"
ABORTING = "Aborting on container exit..."


class AttachOptions(NamedTuple):
    """`services` are those whose logs are shown. `abort_on` is "" or whose end ends all: "exit" of any container, or
    only a "failure". `exit_code_from` names the service whose exit code is the command's. `stopped` are the services
    that stop at the end, () all of them. `timestamps` puts each line's time before it. `goes_on`: the end of all
    containers is not the end, since a watch makes new ones.
    """

    services: frozenset[str]
    abort_on: str = ""
    exit_code_from: str = ""
    stopped: tuple[str, ...] = ()
    timeout_s: int | None = None
    timestamps: bool = False
    goes_on: bool = False


class Attached:
    """One attached `up`. `say` gets whole lines, `show` opens the progress of the end. `again` gives a new Cancel for
    it: what the next ^C sets."""

    def __init__(
        self, work: Up, options: AttachOptions, sink: Sink, say: Callable[[str], None],
        show: Callable[[], AbstractContextManager[Progress]], again: Callable[[], Cancel],
    ) -> None:  # fmt: skip
        from wherry.cancel import Cancel

        self._work, self._options, self._sink, self._say = work, options, sink, say
        self._show, self._again = show, again
        self._over = Cancel()
        self._changed = threading.Condition()
        self._alive: set[str] = set()
        self._first_end: tuple[str, int] | None = None
        self._is_stopping = False
        self._following = Following(work.engine, self, LogQuery(follow=True, timestamps=options.timestamps), self._over)
        work.on_start = self._started

    def run(self, plan: Plan) -> int:
        """Start what `plan` starts, and follow; the exit code. The lock is held by the caller until all is started.

        Raises: what starting raises; Cancelled after ^C, once all are stopped.
        """
        self._say(f"Attaching to {', '.join(self._names(plan))}")
        try:
            now = time.time_ns()
            for ref in plan.unchanged:
                self._add(ref, now)
            self._start(plan)
            self._follow()
        except Cancelled:
            if self._first_end is None:
                self._stop(STOPPING)
                raise
        finally:
            self._over.set()
        if self._first_end is None:
            return 0
        self._stop(ABORTING)
        return self._exit_code()

    def _start(self, plan: Plan) -> None:
        starts = plan.only(is_start)
        try:
            self._work.run(starts, _Warnings(self._work.progress))
        finally:
            self._work.lock.release()

    def _follow(self) -> None:
        """Until nothing that is shown runs any more. Raises: Cancelled; OSError when nobody reads the output any more:
        what runs goes on then, as with docker-compose."""
        self._following.join(self._work.project.name, self._services())
        with self._changed:
            while (self._alive or self._options.goes_on) and self._first_end is None:
                self._work.cancel.check()
                self._following.check()
                self._changed.wait(_LOOK_S)
            self._following.check()
            if self._first_end is None:
                self._work.cancel.check()

    def _services(self) -> frozenset[str]:
        """Whose ends matter: all that run, when one may end all."""
        return frozenset(self._work.project.services) if self._options.abort_on else self._options.services

    def _names(self, plan: Plan) -> list[str]:
        from wherry.compose.observe import observe

        name = self._work.project.name
        return sorted(
            source_of(one, name).name
            for one in observe(self._work.engine, name).containers
            if one.service in self._options.services and not one.one_off
        )

    def _started(self, ref: ContainerRef, since_ns: int) -> None:
        self._add(ref, since_ns)

    def _add(self, ref: ContainerRef, since_ns: int) -> None:
        if ref.service not in self._services():
            return
        name = short_name(ref.name, self._work.project.name, ref.service, str(ref.number))
        if ref.service in self._options.services:
            with self._changed:
                self._alive.add(ref.id)
        self._following.add(Source(ref.id, name, ref.service), since_ns=since_ns)

    # What the followed logs tell: a `logs.Sink`

    def lines(self, source: Source, pieces: Sequence[tuple[str, bytes]]) -> None:
        if source.service in self._options.services:
            self._sink.lines(source, pieces)

    def ended(self, source: Source, exit_code: int) -> None:
        is_shown = source.service in self._options.services
        if is_shown and not self._is_stopping:
            self._sink.ended(source, exit_code)
        with self._changed:
            self._alive.discard(source.id)
            wanted = self._options.abort_on
            if not self._is_stopping and (wanted == "exit" or (wanted == "failure" and exit_code)):
                self._first_end = self._first_end or (source.service, exit_code)
                # Also when it is still starting others
                self._work.cancel.set("a container has ended")
            self._changed.notify_all()

    def failed(self, source: Source, message: str) -> None:
        self._sink.failed(source, message)
        with self._changed:
            self._alive.discard(source.id)
            self._changed.notify_all()

    def _stop(self, words: str) -> None:
        """In order; all at once and hard when ^C comes again. Raises: Cancelled then."""
        self._is_stopping = True
        cancel = self._again()
        with self._show() as progress:
            progress.note(words)
            try:
                self._lifecycle(progress, cancel, "stop").run(plan_stop(self._options.timeout_s), keep_going=True)
            except Cancelled:
                last = self._again()
                self._lifecycle(progress, last, "kill").run(kill_plan("SIGKILL"), keep_going=True)
                raise
        self._let_them_finish()

    def _lifecycle(self, progress: Progress, cancel: Cancel, verb: str) -> Lifecycle:
        work = self._work
        services = self._options.stopped
        return Lifecycle(work.engine, work.project.name, work.project, services, progress, cancel, verb)

    def _let_them_finish(self) -> None:
        """The last lines are written a moment after the end."""
        deadline = time.monotonic() + _LAST_LINES_S
        with self._changed:
            while self._alive and time.monotonic() < deadline:
                self._changed.wait(_LOOK_S)

    def _exit_code(self) -> int:
        """That of the service which was asked for, by now; else of who ended first."""
        assert self._first_end is not None
        service, code = self._first_end
        wanted = self._options.exit_code_from or service
        if wanted == service:
            return code
        from wherry.compose.observe import observe

        found = observe(self._work.engine, self._work.project.name).of_service(wanted)
        return found[0].exit_code if found else code


class _Warnings:
    """A watcher that passes on what can't wait: in front of the logs there is no place for states."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner

    def event(self, event: Event) -> None: ...

    def warn(self, text: str) -> None:
        self._inner.warn(text)

    def note(self, text: str) -> None:
        self._inner.note(text)

    def transfer(self, id: str) -> TransferWatch:
        return self._inner.transfer(id)

    def build(self, service: str) -> BuildProgress:
        return self._inner.build(service)
