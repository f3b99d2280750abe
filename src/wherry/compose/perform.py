"""Doing the steps of a plan, by the engine's own calls, and telling the watcher in docker-compose's words."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress

from wherry.compose import plan as plans
from wherry.compose.conditions import await_condition
from wherry.compose.look import EngineLook, find
from wherry.compose.progress import DONE, ERROR, WORDS, WORKING, Event
from wherry.compose.progress import container as resource
from wherry.errors import Cancelled, Conflict, InputError, NotFound, WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from wherry.cancel import Cancel
    from wherry.compose.model import Project, Service
    from wherry.compose.plan import ContainerRef, Plan, Step
    from wherry.compose.progress import Progress
    from wherry.engine import Engine

    Did = Callable[["Performer", Step, Cancel], None]

__all__ = ["RESTART", "Performer"]

RESTART = "restart"
"""The kind of cause of a stop and a start that are shown as one restart."""


class Performer:
    """`execute.Work` over an engine. `project` None is one whose files are not at hand: steps that need them fail.

    `on_start` is told of each container that was started, and when (ns) its start began: what it wrote is not older.
    `faults` are those of pre_stop hooks, which do not keep a container from being stopped. `variables` are what the
    providers of services set for those that depend on them; `provided` those services whose providers have been asked.
    """

    def __init__(
        self, engine: Engine, project: Project | None, progress: Progress,
        on_start: Callable[[ContainerRef, int], None] | None = None,
    ) -> None:  # fmt: skip
        self.engine, self.project, self.progress = engine, project, progress
        self.faults: list[WherryError] = []
        self.variables: dict[str, Mapping[str, str]] = {}
        self.quiet_pull = self.quiet_build = False
        self.provided: frozenset[str] = frozenset()
        self._replaced: frozenset[str] = frozenset()
        self._on_start = on_start
        self._look = EngineLook(engine)

    def __call__(self, step: Step, cancel: Cancel) -> None:
        """Do it. Raises: what stood in the way."""
        cancel.check()
        act = _ACTS.get(type(step.operation))
        if act is not None:
            act(self, step, cancel)
            return
        from wherry.compose import perform_resources

        perform_resources.perform(self, step, cancel)

    def service(self, name: str) -> Service:
        """Raises: NotFound."""
        found = self.project.all_services().get(name) if self.project else None
        if found is None:
            raise NotFound(f"no such service: {name}")
        return found

    def known_project(self) -> Project:
        """Raises: InputError when its files are not at hand."""
        if self.project is None:
            raise InputError("this needs the project's files", hint="give them with -f, or go to their folder")
        return self.project

    def prepare(self, plan: Plan) -> None:
        """Before its steps are done: the stop and the removal of a container that is replaced are not shown."""
        made = (step.operation for step in plan.steps if isinstance(step.operation, plans.CreateContainer))
        self._replaced = frozenset(operation.replaces for operation in made if operation.replaces)

    def is_piece(self, ref: ContainerRef) -> bool:
        """Whether it is on its way out of a recreation, which has a line of its own."""
        return ref.id in self._replaced

    @contextmanager
    def telling(self, id: str, words: tuple[str, str], *, first: bool = True, last: bool = True) -> Iterator[None]:
        """The watcher hears of the beginning (not without `first`) and the end (not without `last`), or of an error."""
        if first:
            self.progress.event(Event(id, WORKING, words[0]))
        try:
            yield
        except Cancelled:
            raise
        except Exception:
            self.progress.event(Event(id, ERROR, "Error"))
            raise
        if last:
            self.progress.event(Event(id, DONE, words[1]))

    def started(self, ref: ContainerRef, since_ns: int) -> None:
        if self._on_start:
            self._on_start(ref, since_ns)


def _create(work: Performer, step: Step, cancel: Cancel) -> None:
    from wherry.compose.create import create

    operation = step.operation
    assert isinstance(operation, plans.CreateContainer)
    is_recreation = bool(operation.replaces)
    words = WORDS["recreate" if is_recreation else "create"]
    with work.telling(resource(operation.final_name), words, last=not is_recreation):
        create(work.engine, work.known_project(), operation, work.variables, work.progress.warn)


def _rename(work: Performer, step: Step, cancel: Cancel) -> None:
    operation = step.operation
    assert isinstance(operation, plans.RenameContainer)
    with work.telling(resource(operation.new_name), WORDS["recreate"], first=False):
        work.engine.containers.rename(operation.container.handle, operation.new_name)


def _start(work: Performer, step: Step, cancel: Cancel) -> None:
    operation = step.operation
    assert isinstance(operation, plans.StartContainer)
    ref, since_ns = operation.container, time.time_ns()
    with work.telling(resource(ref.name), WORDS["start"], first=step.cause.kind != RESTART):
        row = find(work.engine, ref)
        try:
            work.engine.containers.start(row.id)
        except WherryError as fault:
            raise _named(work.engine, ref, fault) from None
        work.started(ref._replace(id=row.id), since_ns)


def _named(engine: Engine, ref: ContainerRef, fault: WherryError) -> WherryError:
    """With who it was that could not start; of a port that is taken: by which service of which project."""
    from wherry.compose import labels

    # `run`'s exit codes (126, 127) are about its one container: as docker-compose, 1
    fault.exit_code = 1
    fault.message = f"container {ref.name} could not start: {fault.message}"
    holder = str(getattr(fault, "container_id", ""))
    if not holder:
        return fault
    with suppress(NotFound):
        marks = engine.containers.find(holder).labels
        project, service = marks.get(labels.PROJECT, ""), marks.get(labels.SERVICE, "")
        if project and service:
            fault.message += f", which is service {service} of project {project}"
            fault.hint = f"publish another port, or stop that one: wherry compose -p {project} stop {service}"
            if engine.containers.find(ref.handle).labels.get(labels.PROJECT) == project:
                fault.hint = 'publish another port, or no port of the machine: `ports: ["80"]` has a free one chosen'
    return fault


def _stop(work: Performer, step: Step, cancel: Cancel) -> None:
    operation = step.operation
    assert isinstance(operation, plans.StopContainer)
    ref, kind = operation.container, step.cause.kind
    words = WORDS["restart"] if kind == RESTART else WORDS["stop"]
    is_shown = not work.is_piece(ref)
    is_last = is_shown and kind != RESTART
    with work.telling(resource(ref.name), words, first=is_shown, last=is_last), suppress(NotFound):
        work.engine.containers.stop(ref.handle, operation.timeout_s, cancel=cancel)


def _remove(work: Performer, step: Step, cancel: Cancel) -> None:
    operation = step.operation
    assert isinstance(operation, plans.RemoveContainer)
    ref = operation.container
    is_shown = not work.is_piece(ref)
    with work.telling(resource(ref.name), WORDS["remove"], first=is_shown, last=is_shown), suppress(NotFound):
        work.engine.containers.remove(ref.handle, force=operation.force, volumes=operation.volumes)


def _kill(work: Performer, step: Step, cancel: Cancel) -> None:
    operation = step.operation
    assert isinstance(operation, plans.KillContainer)
    with work.telling(resource(operation.container.name), WORDS["kill"]):
        work.engine.containers.kill(operation.container.handle, operation.signal)


def _pause(work: Performer, step: Step, cancel: Cancel) -> None:
    operation = step.operation
    assert isinstance(operation, plans.PauseContainer)
    with work.telling(resource(operation.container.name), WORDS["pause"], first=False):
        work.engine.containers.pause(operation.container.handle)


def _unpause(work: Performer, step: Step, cancel: Cancel) -> None:
    operation = step.operation
    assert isinstance(operation, plans.UnpauseContainer)
    with work.telling(resource(operation.container.name), WORDS["unpause"], first=False):
        work.engine.containers.unpause(operation.container.handle)


def _wait(work: Performer, step: Step, cancel: Cancel) -> None:
    operation = step.operation
    assert isinstance(operation, plans.WaitFor)
    await_condition(operation, work._look, work.progress, cancel)


def _hook(work: Performer, step: Step, cancel: Cancel) -> None:
    from wherry.compose.hooks import run_hook

    operation = step.operation
    assert isinstance(operation, plans.RunHook)
    service = work.service(operation.container.service)
    hook = getattr(service, operation.hook)[operation.place]
    try:
        run_hook(work.engine, operation.container.handle, service.name, operation.hook, hook, cancel=cancel)
    except Cancelled:
        raise
    except WherryError as fault:
        if operation.hook != "pre_stop":
            raise
        # Differs from docker: what a hook could not do does not keep the container from being stopped; it is an error
        # at the end. One that does not run (any more) has nothing to say goodbye to, for docker-compose too
        if not isinstance(fault, Conflict | NotFound):
            work.faults.append(fault)


_ACTS: dict[type, Did] = {
    plans.CreateContainer: _create,
    plans.RenameContainer: _rename,
    plans.StartContainer: _start,
    plans.StopContainer: _stop,
    plans.RemoveContainer: _remove,
    plans.KillContainer: _kill,
    plans.PauseContainer: _pause,
    plans.UnpauseContainer: _unpause,
    plans.WaitFor: _wait,
    plans.RunHook: _hook,
}
