"""The logs of a project's containers, side by side: `logs`, and what an attached `up` shows.

    following = Following(engine, sink, LogQuery(follow=True), cancel)
    following.add(source_of(container, project))      for each that is to be seen
    following.join(project, services)                 those that start from now on, too
    following.wait()                                  until all have ended

A container costs one thread, which sleeps until something is written to its log: to follow a silent project costs
nothing.
"""

from __future__ import annotations

import time
from _thread import allocate_lock

from wherry.cancel import Cancel
from wherry.compose import labels
from wherry.errors import Cancelled, WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from threading import Thread
    from typing import NamedTuple, Protocol

    from wherry.compose.observe import ObservedContainer
    from wherry.engine import Engine
    from wherry.runtime.logs import LogQuery
else:
    from wherry.lean import NamedTuple, Protocol

__all__ = ["Following", "Sink", "Source", "short_name", "source_of"]

# A container may end without a word in its folder: its monitor was killed
_LOOK_S = 1.0


class Source(NamedTuple):
    """A container whose log is shown. `name` is what stands before its lines: "web-1"."""

    id: str
    name: str
    service: str = ""


class Sink(Protocol):
    """Who shows the lines. Calls come from several threads."""

    def lines(self, source: Source, pieces: Sequence[tuple[str, bytes]]) -> None:
        """("stdout" or "stderr", one line as it was written) in order."""

    def ended(self, source: Source, exit_code: int) -> None:
        """The container is not running any more, after its last line. It may come back."""

    def failed(self, source: Source, message: str) -> None:
        """Its log can't be read."""


def short_name(name: str, project: str, service: str, number: str) -> str:
    """`web-1` of `demo-web-1`; the whole name where it was chosen by the user."""
    return name.removeprefix(f"{project}-") if name == f"{project}-{service}-{number}" else name


def source_of(container: ObservedContainer, project: str) -> Source:
    number = container.labels.get(labels.NUMBER, "")
    return Source(container.id, short_name(container.name, project, container.service, number), container.service)


class Following:
    """Reads logs, and tells `sink`. `query.follow` False reads what is there. `cancel` ends it all."""

    def __init__(self, engine: Engine, sink: Sink, query: LogQuery, cancel: Cancel | None = None) -> None:
        self._engine, self._sink, self._query = engine, sink, query
        self._cancel = cancel or Cancel()
        self._lock = allocate_lock()
        self._busy: dict[str, Thread] = {}
        self._read_to: dict[str, int] = {}
        self._joiner: Thread | None = None
        self._fault: OSError | None = None

    def add(self, source: Source, *, since_ns: int = 0) -> None:
        """Begin with this container; idempotent while it is followed. `since_ns` wins over the query's bound, and over
        its `tail`: what was written before was shown already."""
        from threading import Thread

        query = self._query._replace(since_ns=since_ns, tail=-1) if since_ns else self._query
        with self._lock:
            if source.id in self._busy:
                return
            thread = Thread(target=self._read, args=(source, query), name=f"logs-{source.name}", daemon=True)
            self._busy[source.id] = thread
            thread.start()

    def read(self, source: Source) -> None:
        """Tell what is there of this container, and come back: without a thread, where nothing is followed."""
        self._read(source, self._query)

    def join(self, project: str, services: Collection[str] = ()) -> None:
        """From now on, add what starts of the project (of these services), containers that start again included."""
        from threading import Thread

        self._joiner = Thread(target=self._watch, args=(project, services), name="logs-joiner", daemon=True)
        self._joiner.start()

    def wait(self) -> None:
        """Until no container is followed any more, or it was cancelled. Raises: Cancelled; OSError of the sink."""
        while thread := self._any():
            thread.join(0.2)
            self.check()
            self._cancel.check()
        self.check()

    def check(self) -> None:
        """Raises: OSError when the sink could not be written to; all has ended then."""
        if self._fault is not None:
            raise self._fault

    def stop(self) -> None:
        """Let all threads end, as soon as they see it. Idempotent."""
        self._cancel.set()

    def _any(self) -> Thread | None:
        with self._lock:
            return next(iter(self._busy.values()), None)

    def _read(self, source: Source, query: LogQuery) -> None:
        from wherry.engine import containers_logs, containers_rows

        try:
            row = containers_rows.find(self._engine.db, source.id)
            # One that was added when it was started ran, be it over by now
            has_run = query is not self._query or self._engine.containers.state(source.id).is_running
            with _Pause(self._engine.containers.bundle(source.id), is_needed=query.follow) as pause:
                for batch in containers_logs.batches(self._engine, row, query, self._cancel, pause):
                    self._sink.lines(source, batch)
            if query.follow and has_run:
                self._sink.ended(source, self._engine.containers.state(source.id).exit_code)
        except Cancelled:
            pass
        except (WherryError, OSError) as fault:
            self._tell_failed(source, fault)
        finally:
            with self._lock:
                self._busy.pop(source.id, None)
                self._read_to[source.id] = time.time_ns()

    def _tell_failed(self, source: Source, fault: Exception) -> None:
        try:
            self._sink.failed(source, str(fault))
        except OSError as second:
            # It is the sink that can't be written to: nobody reads any more (`| head`), or its disk is full
            self._fault = second
            self._cancel.set()

    def _watch(self, project: str, services: Collection[str]) -> None:
        from wherry.engine.events_read import EventQuery

        query = EventQuery(
            filters={"type": ["container"], "event": ["start"], "label": [f"{labels.PROJECT}={project}"]}
        )
        try:
            for event in self._engine.events.stream(query, self._cancel):
                source = _of_event(event.id, event.attributes, project)
                if not services or source.service in services:
                    # What it writes at once may be older than the event that tells of its start
                    since_ns = max(event.time_ns - 1_000_000_000, self._read_to.get(source.id, 0))
                    self.add(source, since_ns=since_ns)
        except Cancelled:
            pass


def _of_event(id: str, attributes: Mapping[str, str], project: str) -> Source:
    service = attributes.get(labels.SERVICE, "")
    name = short_name(attributes.get("name", id[:12]), project, service, attributes.get(labels.NUMBER, ""))
    return Source(id, name, service)


class _Pause:
    """Sleeps until something changes in a container's folder."""

    def __init__(self, folder: str, *, is_needed: bool) -> None:
        self._wait: Callable[[float], None] | None = None
        if is_needed:
            from wherry.fs.watch import FolderWatch

            self._folder = FolderWatch(folder)
            self._wait = self._folder.wait

    def __call__(self) -> None:
        if self._wait:
            self._wait(_LOOK_S)

    def __enter__(self) -> _Pause:
        return self

    def __exit__(self, *_: object) -> None:
        if self._wait:
            self._folder.close()
