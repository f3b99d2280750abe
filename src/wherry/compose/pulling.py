"""Pulling a service's image, with docker-compose's words about it."""

from __future__ import annotations

from wherry.compose.progress import DONE, ERROR, WARNING, WORDS, WORKING, Event
from wherry.errors import Cancelled, WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.compose.model import Service
    from wherry.compose.progress import Progress
    from wherry.engine import Engine

__all__ = ["pull"]


def pull(
    engine: Engine, service: Service, image: str, progress: Progress, cancel: Cancel, *, or_build: bool = False,
    quiet: bool = False,
) -> bool:  # fmt: skip
    """Whether it came. `or_build`: what can't be pulled is built, so that a failure is only a warning. `quiet` shows
    no layers. Raises: what engine.pull.pull raises, with what else there is to do about it in the hint."""
    from wherry.engine.pull import PullRequest
    from wherry.engine.pull import pull as pull_image
    from wherry.oci.platform import Platform
    from wherry.oci.reference import Reference
    from wherry.registry.watch import Silent

    say, words, id = progress.event, WORDS["pull"], service.name
    say(Event(id, WORKING, words[0]))
    try:
        platform = Platform.parse(service.platform) if service.platform else None
        watch = Silent() if quiet else progress.transfer(id)
        pull_image(engine, PullRequest(Reference.parse(image), platform), watch, cancel)
    except Cancelled:
        raise
    except WherryError as fault:
        if or_build:
            say(Event(id, WARNING, "Warning", f"{image} could not be pulled, it is built"))
            return False
        say(Event(id, ERROR, "Error", fault.message))
        fault.hint = _advice(service, image, fault.hint)
        raise
    say(Event(id, DONE, words[1]))
    return True


def _advice(service: Service, image: str, hint: str | None) -> str:
    """Of one who has no registry at hand: a stand-in, or a build."""
    from wherry.engine.bootstrap import can_make

    if can_make(image):
        return f"wherry bootstrap {image} makes a stand-in for it from Debian's packages"
    if service.build is not None:
        return f"wherry compose build {service.name} builds it from {service.build.context}"
    return hint or f"service {service.name} has no build section: give it one, or an image that is here (wherry images)"
