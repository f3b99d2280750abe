"""`up` as a library call: images first, then what is missing or has changed is made, started, and waited for.

    up(engine, project, UpOptions(), progress, Cancel())

`Up` gives the same in its parts, to those who do something in between: an attached `up` follows the logs from the first
start on, and `create` stops before it.
"""

from __future__ import annotations

from wherry.compose.decide import ReconcileOptions
from wherry.compose.image_plan import ImageOptions
from wherry.compose.plan import BuildImage, PullImage, RunHook, StartContainer, WaitFor
from wherry.compose.progress import DONE, WORDS, Event
from wherry.compose.progress import container as resource
from wherry.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NamedTuple

    from wherry.cancel import Cancel
    from wherry.compose.image_plan import LocalImage
    from wherry.compose.lock import ProjectLock
    from wherry.compose.model import Project, Service
    from wherry.compose.observe import Observed, ObservedContainer
    from wherry.compose.perform import Performer
    from wherry.compose.plan import ContainerRef, Operation, Plan
    from wherry.compose.progress import Progress
    from wherry.engine import Engine
else:
    from wherry.lean import NamedTuple

__all__ = ["Up", "UpOptions", "dry_run", "is_start", "up"]


def _refuse(question: str) -> bool:
    del question
    return False


class UpOptions(NamedTuple):
    """`parallel` is how many operations at once, -1 as many as are good. `wait` waits until all are running or healthy.

    `agree` is asked before data is lost: whether a volume that is not what the file says may be made anew.
    """

    reconcile: ReconcileOptions = ReconcileOptions()
    images: ImageOptions = ImageOptions()
    parallel: int = -1
    quiet_pull: bool = False
    quiet_build: bool = False
    wait: bool = False
    wait_timeout_s: int | None = None
    verb: str = "up"
    agree: Callable[[str], bool] = _refuse


def up(engine: Engine, project: Project, options: UpOptions, progress: Progress, cancel: Cancel) -> None:
    """Have the project as its files say. Idempotent: what is as it should be is left alone.

    Raises: what loading images, making and starting containers raises; ConditionFailed for a dependency that does not
    become what its dependents wait for; Cancelled. What is done by then stays, and the next call goes on from it.
    """
    work = Up(engine, project, options, progress, cancel)
    work.fetch()
    with work.lock:
        work.run(work.plan())
    if options.wait:
        work.wait()


class Up:
    """One `up`: `fetch`, then under `lock` `plan` and `run`, then `wait`."""

    def __init__(
        self, engine: Engine, project: Project, options: UpOptions, progress: Progress, cancel: Cancel,
        on_start: Callable[[ContainerRef, int], None] | None = None,
    ) -> None:  # fmt: skip
        from wherry.compose.lock import ProjectLock

        self.engine, self.project, self.options, self.progress, self.cancel = engine, project, options, progress, cancel
        self.on_start = on_start
        folder = f"{engine.settings.paths.run}/compose"
        self.lock: ProjectLock = ProjectLock(folder, project.name, options.verb, say=progress.note, cancel=cancel)
        self._provided: frozenset[str] = frozenset()

    def fetch(self) -> None:
        """Models, providers, and images. The project is not touched yet, and its lock is not held."""
        if any(one.models or one.provider for one in self.project.services.values()):
            from wherry.compose.prepare import prepare

            self.project, self._provided = prepare(self.engine, self.project, self.progress, self.cancel)
        plan, absent = image_plan(self.engine, self.project, self.options.images)
        _refuse_absent(self.project, absent)
        if plan.is_empty:
            return
        from wherry.compose.execute import NO_LOCK, execute

        work = self._performer(self.progress)
        execute(plan, work, cancel=self.cancel, lock=NO_LOCK, limit=self.options.parallel)

    def plan(self) -> Plan:
        """What is to be done, by what is there now: call it under the lock. Tells the watcher of warnings, and of what
        runs already."""
        from wherry.compose.observe import observe

        observed = observe(self.engine, self.project.name)
        plan = _reconciled(self.engine, self.project, observed, self.options)
        for text in plan.warnings:
            self.progress.warn(text)
        for ref in plan.unchanged:
            self.progress.event(Event(resource(ref.name), DONE, WORDS["running"][1]))
        return plan

    def run(self, plan: Plan, progress: Progress | None = None) -> None:
        """Do it; `progress` is told instead of the usual one. Raises: see `up`."""
        if plan.is_empty:
            return
        from wherry.compose.execute import execute

        work = self._performer(progress or self.progress)
        work.prepare(plan)
        execute(plan, work, cancel=self.cancel, lock=self.lock, limit=self.options.parallel)
        if work.faults:
            raise work.faults[0]

    def wait(self) -> None:
        """Until all are running or healthy; those that others wait to complete, until they have. Raises: see `up`."""
        from wherry.compose.wait_healthy import await_running

        await_running(self.engine, self.project, self.progress, self.cancel, self.options.wait_timeout_s)

    def _performer(self, progress: Progress) -> Performer:
        from wherry.compose.perform import Performer

        work = Performer(self.engine, self.project, progress, self.on_start)
        work.quiet_pull, work.quiet_build = self.options.quiet_pull, self.options.quiet_build
        work.provided = self._provided
        return work


def is_start(operation: Operation) -> bool:
    """Whether a step is of the second half of `up`, after all is made."""
    is_hook = isinstance(operation, RunHook) and operation.hook == "post_start"
    return is_hook or isinstance(operation, StartContainer | WaitFor)


def dry_run(engine: Engine, project: Project, options: UpOptions) -> Plan:
    """What `up` would do, and what it would warn of. Nothing is pulled: of an image that is not here, nobody can say
    yet whether it is another one than containers were made of."""
    from wherry.compose.observe import observe

    if any(one.models for one in project.services.values()):
        from wherry.compose.models import implied

        project = implied(project)
    images, _ = image_plan(engine, project, options.images)
    return images.then(_reconciled(engine, project, observe(engine, project.name), options))


def image_plan(engine: Engine, project: Project, options: ImageOptions) -> tuple[Plan, frozenset[str]]:
    """Which images are pulled and built, and the names of those that will not be here then. Raises: InputError."""
    import time

    from wherry.compose.image_plan import plan_images

    here: dict[str, LocalImage] = {}
    for service in project.services.values():
        name = service.image_name(project.name)
        if name not in here and (found := _local(engine, name, service.platform)):
            here[name] = found
    plan = plan_images(project, here, options, time.time_ns())
    coming = {step.operation.image for step in plan.steps if isinstance(step.operation, PullImage | BuildImage)}
    names = {one.image_name(project.name) for one in project.services.values() if one.provider is None}
    return plan, frozenset(names - here.keys() - coming)


def _refuse_absent(project: Project, absent: frozenset[str]) -> None:
    """Before anything is made. Raises: NotFound."""
    for service in project.services.values():
        name = service.image_name(project.name)
        if name in absent:
            what = "build" if service.build is not None else "pull"
            raise NotFound(
                f"No such image: {name}, and service {service.name} does not let it be pulled or built here",
                hint=f"wherry compose {what} {service.name}",
            )


def _local(engine: Engine, name: str, platform: str) -> LocalImage | None:
    from wherry.compose.image_plan import LocalImage
    from wherry.engine.image_ids import look_up

    found = look_up(engine, [name]).get(name)
    if found is None:
        return None
    fits = True
    if platform:
        from wherry.oci.digest import Digest
        from wherry.oci.platform import Platform

        have, want = engine.images.config(Digest(found[0])).platform, Platform.parse(platform)
        fits = (have.os, have.architecture) == (want.os, want.architecture)
    return LocalImage(*found, fits)


def _reconciled(engine: Engine, project: Project, observed: Observed, options: UpOptions) -> Plan:
    from wherry.compose.config_hash import service_hash
    from wherry.compose.reconcile import Standard, drifted_volumes, reconcile

    agreed = [key for key in drifted_volumes(project, observed) if options.agree(_question(project, key))]
    standard = Standard(
        project, service_hash, _image_ids(engine, project), _mounted_images(engine, project),
        keys_of=lambda service, container: _changed_keys(engine, project, service, container),
    )  # fmt: skip
    wanted = options.reconcile._replace(recreate_volumes=frozenset(agreed))
    return reconcile(project, observed, standard, wanted)


def _changed_keys(engine: Engine, project: Project, service: Service, container: ObservedContainer) -> Sequence[str]:
    """What is another than when it was made; nothing where its successor can't be made: then that will be said."""
    from wherry.compose.changes import changed_keys
    from wherry.compose.create import facts_of
    from wherry.compose.run_options import Identity, container_request
    from wherry.errors import WherryError

    try:
        facts = facts_of(engine, project, service)
        request = container_request(project, service, Identity(container.name, container.number), facts)
    except WherryError:
        return ()
    return changed_keys(container.options_json, request.options, [file.target for file in request.files])


def _question(project: Project, key: str) -> str:
    name = project.volumes[key].name
    return f'Volume "{name}" exists but doesn\'t match configuration in compose file. Recreate (data will be lost)?'


def _image_ids(engine: Engine, project: Project) -> Mapping[str, str]:
    names = {name: one.image_name(project.name) for name, one in project.services.items() if one.provider is None}
    return _ids(engine, names)


def _mounted_images(engine: Engine, project: Project) -> Mapping[str, str]:
    mounts = [mount for one in project.services.values() for mount in one.volumes if mount.type == "image"]
    return _ids(engine, {one.source: one.source for one in mounts})


def _ids(engine: Engine, names: Mapping[str, str]) -> dict[str, str]:
    if not names:
        return {}
    from wherry.engine.image_ids import look_up

    here = look_up(engine, names.values())
    return {key: here[name][0] for key, name in names.items() if name in here}
