"""`down` as a library call: containers, networks, and on request images and volumes of a project go away.

The files are not needed: labels say what belongs to the project, and in which order it stops.
"""

from __future__ import annotations

from wherry.errors import InputError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from wherry.cancel import Cancel
    from wherry.compose.model import Project
    from wherry.compose.observe import Observed
    from wherry.compose.plan import Plan
    from wherry.compose.progress import Progress
    from wherry.engine import Engine
else:
    from wherry.lean import NamedTuple

__all__ = ["DownRequest", "down", "down_plan"]


class DownRequest(NamedTuple):
    """Flags of `down`. `images` is --rmi: "", "local" (those without a name of the user's) or "all"."""

    services: tuple[str, ...] = ()
    volumes: bool = False
    remove_orphans: bool = False
    images: str = ""
    timeout_s: int | None = None
    parallel: int = -1
    verb: str = "down"


def down(
    engine: Engine, name: str, project: Project | None, request: DownRequest, progress: Progress, cancel: Cancel
) -> None:  # fmt: skip
    """Take project `name` down. What fails does not keep the rest from going: the next call has less to do.

    Raises: NotFound (a service that is not there), InputError, and the first failure.
    """
    from wherry.compose.lock import ProjectLock

    folder = f"{engine.settings.paths.run}/compose"
    with ProjectLock(folder, name, request.verb, say=progress.note, cancel=cancel) as lock:
        plan = down_plan(engine, name, project, request)
        for text in plan.warnings:
            progress.warn(text)
        if plan.is_empty:
            progress.warn(f'No resource found to remove for project "{name}".')
            return
        from wherry.compose.execute import execute
        from wherry.compose.perform import Performer

        work = Performer(engine, project, progress)
        execute(plan, work, cancel=cancel, lock=lock, limit=request.parallel, keep_going=True)
    if work.faults:
        raise work.faults[0]


def down_plan(engine: Engine, name: str, project: Project | None, request: DownRequest) -> Plan:
    """What `down` does. Raises: NotFound, InputError."""
    from wherry.compose.observe import observe
    from wherry.compose.reconcile_down import DownOptions, reconcile_down

    if request.images not in ("", "local", "all"):
        raise InputError(f'invalid value for --rmi: "{request.images}"', hint='"local" or "all"')
    observed = observe(engine, name)
    options = DownOptions(
        services=request.services,
        volumes=request.volumes,
        remove_orphans=request.remove_orphans,
        images=tuple(_images(engine, project, observed, request)) if request.images else (),
        timeout_s=request.timeout_s,
    )
    return reconcile_down(observed, options, project)


def _images(engine: Engine, project: Project | None, observed: Observed, request: DownRequest) -> list[str]:
    """Names of images that are here: those of the services; without files, those of the containers."""
    services = list(project.all_services().values()) if project else []
    wanted = [one for one in services if not request.services or one.name in request.services]
    names = {one.image_name(observed.project) for one in wanted if request.images == "all" or not one.image}
    if project is None:
        of_containers = {_image_of(engine, one.id) for one in observed.containers}
        own = {f"{observed.project}-{one.service}" for one in observed.containers}
        names = of_containers if request.images == "all" else {one for one in of_containers if one in own}
    return sorted(name for name in names if _is_here(engine, name))


def _image_of(engine: Engine, container_id: str) -> str:
    try:
        return engine.containers.find(container_id).image_name
    except NotFound:
        return ""


def _is_here(engine: Engine, name: str) -> bool:
    try:
        engine.images.resolve(name)
    except (NotFound, InputError):
        return False
    return True
