"""Which services of a project are active: profiles, and those that were asked for with what they depend on."""

from __future__ import annotations

from wherry.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wherry.compose.model import Project, Service

__all__ = ["enable", "has_profile", "select", "with_profiles", "without_unused"]


def has_profile(service: Service, profiles: Iterable[str]) -> bool:
    """Whether a service is active: it has no profiles, or one that is enabled; `*` is all."""
    enabled = set(profiles)
    return not service.profiles or "*" in enabled or not enabled.isdisjoint(service.profiles)


def with_profiles(project: Project, profiles: Sequence[str]) -> Project:
    """Sort all services into active and disabled ones."""
    everything = project.all_services()
    active = {name: everything[name] for name in sorted(everything) if has_profile(everything[name], profiles)}
    disabled = {name: everything[name] for name in sorted(everything) if name not in active}
    return project.replace(services=active, disabled_services=disabled, profiles=tuple(profiles))


def enable(project: Project, names: Sequence[str]) -> Project:
    """Enable the profiles of services that are asked for."""
    wanted = [name for name in names if name not in project.services and name in project.disabled_services]
    if not wanted:
        return project
    more = [profile for name in wanted for profile in project.disabled_services[name].profiles]
    return with_profiles(project, (*project.profiles, *more))


def select(project: Project, names: Sequence[str], *, with_dependencies: bool = True) -> Project:
    """
    Keep only `names` active, and what they depend on; without names all stay.

    Raises:
        NotFound: no such service.
    """
    if not names:
        return project
    chosen: set[str] = set()
    pending = [(name, True) for name in names]
    while pending:
        name, is_needed = pending.pop()
        if name in chosen:
            continue
        service = project.services.get(name)
        if service is None:
            if is_needed:
                raise NotFound(f"no such service: {name}", hint=_hint(project))
            continue
        chosen.add(name)
        if with_dependencies:
            pending += [(each, dependency.required) for each, dependency in service.depends_on.items()]
    active = {name: _restricted(service, chosen) for name, service in project.services.items() if name in chosen}
    others = {name: service for name, service in project.all_services().items() if name not in chosen}
    return project.replace(services=active, disabled_services=dict(sorted(others.items())))


def _hint(project: Project) -> str | None:
    return f"services: {', '.join(project.services)}" if project.services else None


def _restricted(service: Service, chosen: set[str]) -> Service:
    if chosen.issuperset(service.depends_on):
        return service
    kept = {name: dependency for name, dependency in service.depends_on.items() if name in chosen}
    return service.replace(depends_on=kept)


def without_unused(project: Project) -> Project:
    """Leave out networks, volumes, secrets and configs that no active service uses."""
    networks, volumes, secrets, configs, models = (set[str]() for _ in range(5))
    for service in project.services.values():
        networks.update(service.networks)
        volumes.update(mount.source for mount in service.volumes if mount.type == "volume" and mount.source)
        secrets.update(each.source for each in (*service.secrets, *(service.build.secrets if service.build else ())))
        configs.update(each.source for each in service.configs)
        models.update(service.models)

    used = {"networks": networks, "volumes": volumes, "secrets": secrets, "configs": configs, "models": models}
    changes = {
        kind: {name: each for name, each in getattr(project, kind).items() if name in names}
        for kind, names in used.items()
    }
    return project.replace(**changes)
