"""`compose watch` as a library call: bring the services up, then watch until somebody says stop."""

from __future__ import annotations

from wherry.compose.watch_rules import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from typing import NamedTuple

    from wherry.cancel import Cancel
    from wherry.compose.model import Project
    from wherry.compose.progress import Progress
    from wherry.compose.watch_rules import Selection
    from wherry.engine import Engine

    Shows = Callable[[], AbstractContextManager[Progress]]
else:
    from wherry.lean import NamedTuple

__all__ = ["WatchOptions", "bring_up", "check", "watch_project"]


class WatchOptions(NamedTuple):
    """`services` () is all. `prune` removes images that rebuilds leave without a name. `parallel` as in `up`.
    `is_prepared`: models and providers of the project have answered (`prepare`): they are not asked again."""

    services: tuple[str, ...] = ()
    prune: bool = True
    parallel: int = -1
    is_prepared: bool = False


def check(project: Project, services: Sequence[str] = ()) -> Selection:
    """What would be watched, before anything is done for it. Raises: InputError."""
    return select(project, services)


def bring_up(engine: Engine, project: Project, options: WatchOptions, progress: Progress, cancel: Cancel) -> Project:
    """`up` before a watch, in the background: services that are watched are built anew, what they depend on stays. The
    project, as models and providers change it.

    Raises: what `up` raises.
    """
    from wherry.compose.decide import ReconcileOptions
    from wherry.compose.up import Up, UpOptions

    reconcile = ReconcileOptions(options.services, recreate_dependencies="never", ignore_orphans=True)
    wishes = UpOptions(reconcile, parallel=options.parallel, verb="watch")
    work = Up(engine, _built(project), wishes, progress, cancel)
    work.fetch()
    with work.lock:
        work.run(work.plan())
    return work.project


def _built(project: Project) -> Project:
    """Their images are to be of what is here now: nobody edits to see what was built yesterday."""
    services = {
        name: service.replace(pull_policy="build") if service.build and service.develop else service
        for name, service in project.services.items()
    }
    return project.replace(services=services)


def watch_project(
    engine: Engine, project: Project, options: WatchOptions, shows: Shows, say: Callable[[str], None], cancel: Cancel
) -> None:
    """Watch until `cancel` is set. `shows` opens what shows a rebuild's steps; `say` gets one line at a time.

    Raises: InputError for what can't be watched, and what preparing models and providers raises.
    """
    from wherry.compose.prepare import needs_preparing, prepare
    from wherry.compose.watch import watch
    from wherry.compose.watch_acts import EngineActor

    selection = select(project, options.services)
    if needs_preparing(project) and not options.is_prepared:
        with shows() as progress:
            project = prepare(engine, project, progress, cancel).project
    watch(selection, EngineActor(engine, project, shows, prune=options.prune), say, cancel)
