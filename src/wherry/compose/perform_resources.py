"""The steps about networks, volumes, images and providers."""

from __future__ import annotations

from contextlib import contextmanager

from wherry.compose import plan as plans
from wherry.compose.progress import DONE, ERROR, WARNING, WORDS, WORKING, Event, network, volume
from wherry.errors import Cancelled, Conflict, NotFound, WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wherry.cancel import Cancel
    from wherry.compose.perform import Performer
    from wherry.compose.plan import Step

__all__ = ["perform"]

# docker-compose's
_BUILD_EXIT, _PULL_EXIT = 17, 18
_IN_USE, _NONE = "Resource is still in use", "No resource found to remove"


def perform(work: Performer, step: Step, cancel: Cancel) -> None:
    """Raises: what stood in the way."""
    operation = step.operation
    if isinstance(operation, plans.CreateNetwork):
        _create_network(work, operation)
    elif isinstance(operation, plans.CreateVolume):
        _create_volume(work, operation)
    elif isinstance(operation, plans.RemoveNetwork):
        name = operation.name
        _remove(work, network(name), operation.if_unused, lambda: work.engine.networks.remove(name))
    elif isinstance(operation, plans.RemoveVolume):
        volume_name = operation.name
        # As docker-compose, without the quotes that it has at its creation
        _remove(work, f"Volume {volume_name}", operation.if_unused, lambda: work.engine.volumes.remove(volume_name))
    elif isinstance(operation, plans.RemoveImage):
        image = operation.image
        _remove(work, f"Image {image}", operation.if_unused, lambda: work.engine.images.remove(image))
    elif isinstance(operation, plans.PullImage):
        _pull(work, operation, cancel)
    elif isinstance(operation, plans.BuildImage):
        _build(work, step, operation, cancel)
    elif isinstance(operation, plans.RunProvider):
        _provide(work, operation, cancel)
    else:
        raise TypeError(f"nobody does {operation}")


def _create_network(work: Performer, operation: plans.CreateNetwork) -> None:
    from wherry.compose.create import create_network

    with work.telling(network(operation.name), WORDS["create"]):
        create_network(work.engine, work.known_project(), operation.key)


def _create_volume(work: Performer, operation: plans.CreateVolume) -> None:
    from wherry.compose.create import create_volume

    with work.telling(volume(operation.name), WORDS["create"]):
        create_volume(work.engine, work.known_project(), operation.key)


def _remove(work: Performer, id: str, if_unused: bool, remove: Callable[[], object]) -> None:
    """Something that is used stays, and something that is gone was wanted gone."""
    say = work.progress.event
    say(Event(id, WORKING, WORDS["remove"][0]))
    try:
        remove()
    except NotFound:
        say(Event(id, WARNING, _NONE))
    except Conflict as fault:
        if not if_unused:
            say(Event(id, ERROR, "Error", str(fault)))
            raise
        say(Event(id, WARNING, _IN_USE, str(fault)))
    else:
        say(Event(id, DONE, WORDS["remove"][1]))


def _pull(work: Performer, operation: plans.PullImage, cancel: Cancel) -> None:
    from wherry.compose.pulling import pull

    with _exits(_PULL_EXIT):
        pull(
            work.engine, work.service(operation.service), operation.image, work.progress, cancel,
            or_build=operation.or_build, quiet=work.quiet_pull,
        )  # fmt: skip


@contextmanager
def _exits(code: int) -> Iterator[None]:
    """What goes wrong in the body is the command's exit code, but a ^C."""
    try:
        yield
    except Cancelled:
        raise
    except WherryError as fault:
        fault.exit_code = code
        raise


def _provide(work: Performer, operation: plans.RunProvider, cancel: Cancel) -> None:
    from wherry.compose.provider import run_provider

    if operation.command == "up" and operation.service in work.provided:
        return
    service, project = work.service(operation.service), work.known_project()
    found = run_provider(work.engine, project, service, operation.command, work.progress, cancel)
    work.variables[service.name] = found


def _build(work: Performer, step: Step, operation: plans.BuildImage, cancel: Cancel) -> None:
    from wherry.build.progress import Quiet as QuietBuild
    from wherry.compose.build_request import build_service
    from wherry.compose.image_plan import FALLBACK

    service, project = work.service(operation.service), work.known_project()
    if step.cause.kind == FALLBACK and _is_here(work, operation.image):
        return
    say, words = work.progress.event, WORDS["build"]
    say(Event(service.name, WORKING, words[0]))
    try:
        with _exits(_BUILD_EXIT):
            watch = QuietBuild() if work.quiet_build else work.progress.build(service.name)
            build_service(work.engine, project, service, watch, cancel)
    except Cancelled:
        raise
    except Exception as fault:
        say(Event(service.name, ERROR, "Error", str(fault).partition("\n")[0]))
        raise
    say(Event(service.name, DONE, words[1]))


def _is_here(work: Performer, image: str) -> bool:
    try:
        work.engine.images.resolve(image)
    except NotFound:
        return False
    return True
