"""What a watch does to a project, by the engine's own calls: sync, rebuild, restart, exec."""

from __future__ import annotations

import time
from contextlib import suppress
from threading import Lock

from wherry.cancel import Cancel
from wherry.compose import labels
from wherry.compose.watch import Replica
from wherry.errors import Conflict, InputError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from wherry.compose.model import Project, Service
    from wherry.compose.model_parts import Hook
    from wherry.compose.plan import Operation
    from wherry.compose.progress import Progress
    from wherry.compose.watch_plan import Put
    from wherry.engine import Engine

__all__ = ["EngineActor", "share"]

_TURN_S = 0.1


class EngineActor:
    """`watch.Actor` over an engine. `progress` opens what shows the steps of one rebuild, and is closed behind it.

    `prune`: the image that a rebuild leaves without a name is removed.
    """

    def __init__(
        self, engine: Engine, project: Project, progress: Callable[[], AbstractContextManager[Progress]], *, prune: bool
    ) -> None:
        self._engine, self._project, self._progress, self._prune = engine, project, progress, prune
        # Two rebuilds at once would draw over each other, and share the machine
        self._rebuilding = Lock()

    def running(self, service: str) -> list[Replica]:
        """By number."""
        from wherry.engine import labelled

        found = []
        for row, state in labelled.containers(self._engine, labels.SERVICE, service):
            mine = row.labels.get(labels.PROJECT) == self._project.name and row.labels.get(labels.ONE_OFF) != "True"
            if mine and state.status == "running" and labels.CONFIG_HASH in row.labels:
                number = row.labels.get(labels.NUMBER, "")
                found.append((int(number) if number.isdecimal() else 0, Replica(row.id, row.name)))
        return [replica for _, replica in sorted(found)]

    def sync(self, replica: Replica, puts: Sequence[Put], removes: Sequence[str], *, only_different: bool) -> int:
        from wherry.engine.copy_sync import SyncRequest, sync_in

        request = SyncRequest(tuple((put.source, put.target) for put in puts), tuple(removes), only_different)
        try:
            return sync_in(self._engine, replica.id, request)
        except NotFound:
            return 0  # removed just now: the one that takes its place is found

    def exec(self, replica: Replica, hook: Hook) -> tuple[int, bytes]:
        from wherry.compose.hooks import HookFailed, run_hook

        output: list[bytes] = []
        try:
            run_hook(self._engine, replica.id, replica.name, "watch", hook, output.append)
        except HookFailed as fault:
            return fault.status, b"".join(output)
        return 0, b"".join(output)

    def restart(self, service: str, cancel: Cancel) -> None:
        """All its containers at once, and then those that are to be restarted with it (`depends_on: restart: true`)."""
        from wherry.lean import in_thread

        every = [service, *_restarted_with(self._project, service)]
        for name in every:
            faults: list[Exception] = []
            waits = [in_thread(self._restarting(replica, faults)) for replica in self.running(name)]
            for wait in waits:
                wait()
            if faults:
                raise faults[0]

    def _restarting(self, replica: Replica, faults: list[Exception]) -> Callable[[], None]:
        def work() -> None:
            try:
                self._engine.containers.restart(replica.id)
            except Exception as fault:
                faults.append(fault)

        return work

    def rebuild(self, service: str, cancel: Cancel) -> None:
        """Build first: whatever fails there leaves the containers alone."""
        from wherry.compose.build_request import build_service

        cancel = _OfOneRebuild(cancel)
        with self._rebuilding, self._progress() as progress:
            found = self._project.service(service)
            if found is None:
                raise InputError(f"no such service: {service}")
            old = self._image_id(found)
            image = build_service(self._engine, self._project, found, progress.build(service), cancel)
            # Differs from docker: when the image comes out the same, the containers of it go on; docker makes new ones
            self._recreate(service, progress, cancel)
            if self._prune and old and old != image.id:
                # Still named, or used by another container: then it is none of the watch's leftovers
                with suppress(Conflict, NotFound):
                    self._remove_unnamed(old)

    def _recreate(self, service: str, progress: Progress, cancel: Cancel) -> None:
        from wherry.compose.decide import ReconcileOptions
        from wherry.compose.progress import Quiet
        from wherry.compose.up import Up, UpOptions

        options = UpOptions(ReconcileOptions(ignore_orphans=True), verb="watch")
        work = Up(self._engine, self._project, options, Quiet(), cancel)
        touched = share(self._project, service)
        with work.lock:
            work.run(work.plan().only(lambda operation: _concerns(operation, touched)), progress)

    def _image_id(self, service: Service) -> str:
        try:
            return str(self._engine.images.resolve(service.image_name(self._project.name)).id)
        except NotFound:
            return ""

    def _remove_unnamed(self, image_id: str) -> None:
        record = self._engine.images.resolve(image_id)
        if not record.references:
            self._engine.images.remove(image_id)


class _OfOneRebuild(Cancel):
    """Set with the watch's own, but not the other way round: a step that fails ends its build's others by it."""

    def __init__(self, whole: Cancel) -> None:
        super().__init__()
        self._whole = whole

    def is_set(self) -> bool:
        if self._whole.is_set():
            self.set(self._whole.reason)
        return super().is_set()

    def wait(self, timeout_s: float) -> bool:
        end = time.monotonic() + timeout_s
        while not self.is_set() and (left := end - time.monotonic()) > 0:
            super().wait(min(left, _TURN_S))
        return self.is_set()


def share(project: Project, service: str) -> frozenset[str]:
    """The service, and those that can't go on without its containers: they share a namespace or its volumes, or are to
    be restarted with it. Pure."""
    from wherry.compose.order import parents

    found = {service}
    while True:
        more = {
            name
            for name, one in project.services.items()
            if found & {*parents(one)} or any(found & {key} and dep.restart for key, dep in one.depends_on.items())
        }
        if more <= found:
            return frozenset(found)
        found |= more


def _restarted_with(project: Project, service: str) -> list[str]:
    return sorted(
        name for name, one in project.services.items() if (dep := one.depends_on.get(service)) and dep.restart
    )


def _concerns(operation: Operation, services: frozenset[str]) -> bool:
    """Whether a step of a plan for the whole project is about one of these."""
    container = getattr(operation, "container", None)
    return container is not None and container.service in services
