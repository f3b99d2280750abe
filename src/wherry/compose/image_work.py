"""`build`, `pull` and `push` of a project's services, side by side, as library calls."""

from __future__ import annotations

from wherry.compose.plan import BuildImage, Cause, Plan, Planner, PullImage
from wherry.compose.progress import DONE, ERROR, WARNING, WORDS, WORKING, Event
from wherry.errors import Cancelled, InputError, NotFound, WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import NamedTuple

    from wherry.cancel import Cancel
    from wherry.compose.build_request import BuildWishes
    from wherry.compose.execute import Work
    from wherry.compose.model import Project, Service
    from wherry.compose.plan import Step
    from wherry.compose.progress import Progress
    from wherry.engine import Engine
else:
    from wherry.lean import NamedTuple

__all__ = [
    "BUILD_EXIT",
    "PULL_EXIT",
    "PullWishes",
    "PushWishes",
    "build_images",
    "chosen",
    "pull_images",
    "push_images",
]

BUILD_EXIT, PULL_EXIT = 17, 18
"""docker-compose's exit codes for a failed build, and a failed pull."""

_LOCAL = ("", "missing", "if_not_present")


class PullWishes(NamedTuple):
    """`policy` is "missing", "always", or "" for the file's. `quiet`: no layers are shown."""

    policy: str = ""
    ignore_failures: bool = False
    ignore_buildable: bool = False
    quiet: bool = False


class PushWishes(NamedTuple):
    """`quiet`: no layers are shown."""

    ignore_failures: bool = False
    quiet: bool = False


def chosen(project: Project, names: Sequence[str], *, with_dependencies: bool) -> list[Service]:
    """The services of these names (all of the project without any), with those that they depend on, by name."""
    wanted = set(names or project.services)
    todo = list(wanted) if with_dependencies else []
    while todo:
        for other in project.services[todo.pop()].depends_on:
            if other in project.services and other not in wanted:
                wanted.add(other)
                todo.append(other)
    return [project.services[name] for name in sorted(wanted)]


def build_images(
    engine: Engine, project: Project, services: Sequence[Service], progress: Progress, cancel: Cancel, *,
    wishes: BuildWishes | None = None, limit: int = -1,
) -> dict[str, str]:  # fmt: skip
    """Build those that have a build section, and what their builds take images of first: image ids by service.

    Raises: what `build_service` raises, with exit code 17.
    """
    from wherry.compose.build_request import BuildWishes, build_service, built_from

    built: dict[str, str] = {}
    plan = _build_plan(project, services, built_from)

    def work(step: Step, cancel: Cancel) -> None:
        assert isinstance(step.operation, BuildImage)
        service = project.all_services()[step.operation.service]
        _warn_of_platforms(service, progress)
        words = WORDS["build"]
        progress.event(Event(service.name, WORKING, words[0]))
        try:
            record = build_service(
                engine, project, service, progress.build(service.name), cancel, wishes or BuildWishes()
            )
        except WherryError as fault:
            progress.event(Event(service.name, ERROR, "Error", fault.message.partition("\n")[0]))
            if not isinstance(fault, Cancelled):
                fault.exit_code = BUILD_EXIT
            raise
        built[service.name] = record.id
        progress.event(Event(service.name, DONE, words[1]))

    _execute(plan, work, cancel, limit)
    return built


def _build_plan(
    project: Project, services: Sequence[Service], needs_of: Callable[[Project, Service], tuple[str, ...]]
) -> Plan:
    """Raises: InputError for builds that take each other's images."""
    planner, steps = Planner(), dict[str, int]()

    def add(service: Service, above: tuple[str, ...]) -> None:
        if service.name in above:
            raise InputError(f"services build from each other: {' -> '.join((*above, service.name))}")
        if service.name in steps or service.build is None:
            return
        others = needs_of(project, service)
        for other in others:
            add(project.all_services()[other], (*above, service.name))
        needs = [steps[other] for other in others if other in steps]
        image = service.image_name(project.name)
        steps[service.name] = planner.add(BuildImage(service.name, image), Cause("policy", "it is asked for"), needs)

    for service in services:
        add(service, ())
    return planner.plan()


def _warn_of_platforms(service: Service, progress: Progress) -> None:
    if service.build and len(service.build.platforms) > 1 and not service.platform:
        progress.warn(
            f"service {service.name}: an image is built for one platform at a time, this machine's if it is listed"
        )


def pull_images(
    engine: Engine, project: Project, services: Sequence[Service], progress: Progress, cancel: Cancel,
    wishes: PullWishes, *, limit: int = -1,
) -> None:  # fmt: skip
    """Pull each image once. Raises: what a pull raises, with exit code 18, unless failures are ignored."""
    from wherry.compose.pulling import pull

    planner, pulled_by = Planner(), dict[str, str]()
    must_build: list[str] = []
    for service in services:
        image = service.image_name(project.name)
        if reason := _skipped(engine, service, wishes, pulled_by):
            progress.event(Event(service.name, WARNING, f"{WORDS['skip'][1]} - {reason}"))
            continue
        pulled_by[image] = service.name
        planner.add(PullImage(service.name, image), Cause("policy", "it is asked for"))

    def work(step: Step, cancel: Cancel) -> None:
        assert isinstance(step.operation, PullImage)
        service = project.services[step.operation.service]
        try:
            pull(engine, service, step.operation.image, progress, cancel, quiet=wishes.quiet)
        except Cancelled:
            raise
        except WherryError as fault:
            fault.exit_code = PULL_EXIT
            if service.build is not None:
                must_build.append(service.name)
            elif not wishes.ignore_failures:
                raise

    _execute(planner.plan(), work, cancel, limit)
    if must_build:
        names = " ".join(sorted(must_build))
        progress.warn(f"some service images must be built from source: wherry compose build {names}")
        if not wishes.ignore_failures:
            fault = NotFound(f"images of {names} can't be pulled", hint=f"wherry compose build {names}")
            fault.exit_code = PULL_EXIT
            raise fault


def _skipped(engine: Engine, service: Service, wishes: PullWishes, pulled_by: Mapping[str, str]) -> str:
    """Why a service's image is not pulled, or ""."""
    if not service.image or service.provider is not None:
        return "No image to be pulled"
    if wishes.ignore_buildable and service.build is not None:
        return "Image can be built"
    policy = wishes.policy or service.pull_policy
    if policy in ("never", "build"):
        return "Image is not to be pulled"
    if service.image in pulled_by:
        return f"Image is already being pulled by {pulled_by[service.image]}"
    is_missing_only = policy in _LOCAL and policy != ""
    return "Image is already present locally" if is_missing_only and _is_here(engine, service.image) else ""


def _is_here(engine: Engine, image: str) -> bool:
    try:
        engine.images.resolve(image)
    except NotFound:
        return False
    return True


def push_images(
    engine: Engine, project: Project, services: Sequence[Service], progress: Progress, cancel: Cancel,
    wishes: PushWishes, *, limit: int = -1,
) -> None:  # fmt: skip
    """Push the images that are built here, with their further tags. Raises: what a push raises."""
    planner = Planner()
    for service in services:
        if service.build is None or not service.image:
            progress.event(Event(service.name, WARNING, WORDS["skip"][1]))
        else:
            planner.add(BuildImage(service.name, service.image), Cause("policy", "it is asked for"))

    def work(step: Step, cancel: Cancel) -> None:
        assert isinstance(step.operation, BuildImage)
        service = project.services[step.operation.service]
        try:
            _push(engine, service, progress, cancel, quiet=wishes.quiet)
        except Cancelled:
            raise
        except WherryError as fault:
            progress.event(Event(service.name, ERROR, "Error", fault.message))
            if not wishes.ignore_failures:
                raise

    _execute(planner.plan(), work, cancel, limit)


def _push(engine: Engine, service: Service, progress: Progress, cancel: Cancel, *, quiet: bool) -> None:
    from wherry.engine.push import PushRequest, push
    from wherry.oci.reference import Reference
    from wherry.registry.watch import Silent

    progress.event(Event(service.name, WORKING, "Pushing"))
    names: Collection[str] = (service.image, *(service.build.tags if service.build else ()))
    for name in dict.fromkeys(names):
        watch = Silent() if quiet else progress.transfer(service.name)
        push(engine, PushRequest(Reference.parse(name)), watch, cancel)
    progress.event(Event(service.name, DONE, "Pushed"))


def _execute(plan: Plan, work: Work, cancel: Cancel, limit: int) -> None:
    from wherry.compose.execute import NO_LOCK, execute

    execute(plan, work, cancel=cancel, lock=NO_LOCK, limit=limit)
