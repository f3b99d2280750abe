"""What has to be done before a project can be compared with what is there: models and providers answer first.

Both give variables to services. They belong to what a container is made of, so they must be known before anybody asks
whether it is still as it should be: an endpoint that moved makes a new container, and nothing else does.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from wherry.cancel import Cancel
    from wherry.compose.model import Project, Service
    from wherry.compose.progress import Progress
    from wherry.engine import Engine
else:
    from wherry.lean import NamedTuple

__all__ = ["Prepared", "needs_preparing", "prepare"]


class Prepared(NamedTuple):
    """`project` has all variables, and a service for each model. `providers` are the services whose providers did "up"
    by now: those that depend on a container come later, in the plan."""

    project: Project
    providers: frozenset[str] = frozenset()


def needs_preparing(project: Project) -> bool:
    """Whether `prepare` has anything to do: costs nothing."""
    return any(service.models or service.provider for service in project.services.values())


def prepare(engine: Engine, project: Project, progress: Progress, cancel: Cancel) -> Prepared:
    """Fetch the models, let the providers do their part. Not for --dry-run: `models.implied` says what would be there.

    Raises: InputError, and what pulls and providers raise; Cancelled.
    """
    if any(service.models for service in project.services.values()):
        from wherry.compose.models_fetch import settle

        project = settle(engine, project, progress, cancel)
    done: set[str] = set()
    while (service := _next(project, done)) is not None:
        from wherry.compose.provider import run_provider
        from wherry.compose.provider_protocol import with_variables

        variables = run_provider(engine, project, service, "up", progress, cancel)
        project = with_variables(project, service.name, variables)
        done.add(service.name)
    return Prepared(project, frozenset(done))


def _next(project: Project, done: set[str]) -> Service | None:
    """A provider that waits for nothing but providers that are done."""
    for name, service in project.services.items():
        if service.provider and name not in done and all(one in done for one in service.depends_on):
            return service
    return None
