"""What becomes of a project's networks and volumes. Pure."""

from __future__ import annotations

from wherry.compose.model import Network
from wherry.errors import Conflict, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence, Set
    from typing import NamedTuple

    from wherry.compose.model import Project, Volume
    from wherry.compose.observe import Observed, ObservedContainer, ObservedNetwork, ObservedVolume
else:
    from wherry.lean import NamedTuple

__all__ = ["Resources", "drifted_volumes", "resources", "used_networks", "used_volumes"]


class Resources(NamedTuple):
    """By key. Drifted ones are there, and to be made anew; `renamed` are networks that have another name in the file by
    now."""

    missing_networks: tuple[str, ...] = ()
    drifted_networks: tuple[str, ...] = ()
    renamed_networks: tuple[ObservedNetwork, ...] = ()
    missing_volumes: tuple[str, ...] = ()
    drifted_volumes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def used_networks(project: Project) -> list[str]:
    """The keys of the networks that active services are on, by name: others are not made, as with docker-compose."""
    services = [one for one in project.services.values() if one.provider is None and not one.network_mode]
    keys = {key for service in services for key in service.networks}
    return sorted(key for key in keys if key in project.networks)


def used_volumes(project: Project) -> list[str]:
    """The keys of the volumes that active services mount, by name."""
    services = [one for one in project.services.values() if one.provider is None]
    keys = {mount.source for service in services for mount in service.volumes if mount.type == "volume"}
    return sorted(key for key in keys if key in project.volumes)


def drifted_volumes(project: Project, observed: Observed) -> tuple[str, ...]:
    """The keys of volumes that are others than the file says: to make them anew loses their data, so ask first."""
    found = []
    for key in used_volumes(project):
        volume = project.volumes[key]
        there = observed.volumes.get(volume.name)
        if there is not None and not volume.external and _has_drifted(volume, there, observed.project):
            found.append(key)
    return tuple(found)


def resources(
    project: Project,
    observed: Observed,
    recreate_volumes: Set[str] = frozenset(),
    bystanders: Sequence[ObservedContainer] = (),
) -> Resources:
    """What is missing or drifted. `bystanders` are the project's containers that stay as they are: what they use is not
    made anew. Raises: NotFound (an external one), Conflict (a network of another key)."""
    missing, drifted, warnings = _networks(project, observed, bystanders)
    missing_volumes = []
    for key in used_volumes(project):
        there = observed.volumes.get(project.volumes[key].name)
        if there is None:
            missing_volumes.append(_missing_volume(key, project.volumes[key]))
        elif not project.volumes[key].external:
            warnings += _foreign_volume(there, observed.project)
    renewed = []
    for key in drifted_volumes(project, observed):
        why = _why_volume_stays(project.volumes[key].name, observed, bystanders)
        if key in recreate_volumes and not why:
            renewed.append(key)
            continue
        warnings.append(
            f'Volume "{project.volumes[key].name}" exists but doesn\'t match configuration in compose file. It is kept '
            f"as it is, since {why or 'its data would be lost'}"
        )
    return Resources(
        tuple(missing),
        tuple(drifted),
        _renamed(project, observed),
        tuple(missing_volumes),
        tuple(renewed),
        tuple(warnings),
    )


def _why_volume_stays(name: str, observed: Observed, bystanders: Sequence[ObservedContainer]) -> str:
    users = [one.name for one in bystanders if any(name == volume for _, volume, _ in one.volumes)]
    users += [id[:12] for id in observed.volumes[name].others]
    return f"{', '.join(users)} uses it" if users else ""


def _why_network_stays(name: str, observed: Observed, bystanders: Sequence[ObservedContainer]) -> str:
    users = [one.name for one in bystanders if one.is_running and name in one.networks]
    users += [id[:12] for id in observed.networks[name].others]
    return f"{', '.join(users)} is on it" if users else ""


def _has_drifted(wanted: Network | Volume, there: ObservedNetwork | ObservedVolume, project: str) -> bool:
    """One of somebody else's, or without a hash, is never said to have."""
    if there.project != project or not there.config_hash:
        return False
    from wherry.compose.config_hash import network_hash, volume_hash

    return there.config_hash != (network_hash(wanted) if isinstance(wanted, Network) else volume_hash(wanted))


def _networks(
    project: Project, observed: Observed, bystanders: Sequence[ObservedContainer]
) -> tuple[list[str], list[str], list[str]]:
    missing, drifted, warnings = [], [], []
    for key in used_networks(project):
        network = project.networks[key]
        there = observed.networks.get(network.name) or _by_id(observed, network)
        if there is None:
            if network.external:
                raise NotFound(
                    f"network {network.name} declared as external, but could not be found",
                    hint=f"wherry network create {network.name}",
                )
            missing.append(key)
        elif not network.external:
            warnings += _foreign_network(there, key, observed.project)
            if not _has_drifted(network, there, observed.project):
                continue
            if why := _why_network_stays(network.name, observed, bystanders):
                warnings.append(
                    f'Network "{network.name}" exists but doesn\'t match configuration in compose file. It is kept as '
                    f"it is, since {why}"
                )
            else:
                drifted.append(key)
    return missing, drifted, warnings


def _by_id(observed: Observed, network: Network) -> ObservedNetwork | None:
    """An external one may be named by its id."""
    if not network.external:
        return None
    return next((one for one in observed.networks.values() if one.id == network.name), None)


def _foreign_network(there: ObservedNetwork, key: str, project: str) -> list[str]:
    """docker-compose's warning about one that the project did not make. Raises: Conflict."""
    warnings = []
    if there.project != project:
        by = f'for project "{project}"' if there.project else "by compose"
        warnings.append(
            f"a network with name {there.name} exists but was not created {by}.\n"
            "Set `external: true` to use an existing network"
        )
    if there.key != key:
        raise Conflict(
            f'network {there.name} was found but has incorrect label com.docker.compose.network set to "{there.key}"',
            hint=f"external: true uses it as it is; wherry network rm {there.name} removes it",
        )
    return warnings


def _missing_volume(key: str, volume: Volume) -> str:
    if volume.external:
        raise NotFound(f'external volume "{volume.name}" not found', hint=f"wherry volume create {volume.name}")
    return key


def _foreign_volume(there: ObservedVolume, project: str) -> list[str]:
    if there.project == project:
        return []
    by = f'for project "{there.project}" (expected "{project}")' if there.project else "by Docker Compose"
    what = "was created" if there.project else "was not created"
    return [f'volume "{there.name}" already exists but {what} {by}. Use `external: true` to use an existing volume']


def _renamed(project: Project, observed: Observed) -> tuple[ObservedNetwork, ...]:
    """Networks that the project made, and that their key means no more."""
    found = []
    for one in observed.own_networks:
        wanted = project.networks.get(one.key)
        if wanted is not None and wanted.name != one.name:
            found.append(one)
    return tuple(found)
