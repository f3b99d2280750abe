"""A project's networks and volumes as the engine is asked to make them. Pure."""

from __future__ import annotations

from wherry._version import __version__
from wherry.compose import labels
from wherry.errors import NotFound, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from wherry.compose.model import Network as NetworkModel
    from wherry.compose.model import Project
    from wherry.network.model import Network
else:
    from wherry.lean import NamedTuple

__all__ = ["VolumeToMake", "network_wish", "volume_wish"]

_ELSEWHERE = {
    "overlay": "networks over several machines need a swarm, which there is not",
    "host": 'the host\'s own network is that of `network_mode: host`, or an external one with `name: "host"`',
}


class VolumeToMake(NamedTuple):
    """The arguments of `engine.volumes.create`."""

    name: str
    labels: dict[str, str]
    options: dict[str, str]
    driver: str


def network_wish(project: Project, key: str) -> Network:
    """For `engine.networks.create`. Raises: InputError, NotFound (a driver), Unsupported, in docker's words."""
    from wherry.compose.config_hash import network_hash
    from wherry.engine.networks_create import pools
    from wherry.network.model import Network

    one = project.networks[key]
    _check_drivers(one)
    configs = one.ipam.config
    found = pools(
        [pool.subnet for pool in configs if pool.subnet],
        [pool.gateway for pool in configs if pool.gateway],
        [pool.ip_range for pool in configs if pool.ip_range],
        {name: address for pool in configs for name, address in pool.aux_addresses.items()},
    )
    own = {**one.labels, **_labels(project, labels.NETWORK, key), labels.CONFIG_HASH: network_hash(one)}
    wanted = Network(
        "", one.name, 0, "", "", "", internal=one.internal, labels=own, options=dict(one.driver_opts),
        ipv6=bool(one.enable_ipv6), ipam_options=dict(one.ipam.options), attachable=one.attachable,
    )  # fmt: skip
    return wanted._replace(**found)


def _check_drivers(network: NetworkModel) -> None:
    driver = network.driver or "bridge"
    if driver in ("macvlan", "ipvlan", "overlay", "host", "null", "none"):
        why = _ELSEWHERE.get(driver, f"{driver} networks are not supported")
        raise Unsupported(f"network {network.name}: {why}", hint="bridge is the only driver")
    if driver != "bridge":
        raise NotFound(f'plugin "{driver}" not found', hint="bridge is the only driver")
    if network.ipam.driver not in ("", "default"):
        raise NotFound(f'plugin "{network.ipam.driver}" not found', hint="default is the only IPAM driver")
    if network.enable_ipv4 is False:
        raise Unsupported(f"network {network.name}: enable_ipv4: false is not supported", hint="leave it out")


def volume_wish(project: Project, key: str) -> VolumeToMake:
    """For `engine.volumes.create`."""
    from wherry.compose.config_hash import volume_hash

    one = project.volumes[key]
    own = {**one.labels, **_labels(project, labels.VOLUME, key), labels.CONFIG_HASH: volume_hash(one)}
    return VolumeToMake(one.name, own, dict(one.driver_opts), one.driver or "local")


def _labels(project: Project, kind: str, key: str) -> dict[str, str]:
    return {kind: key, labels.PROJECT: project.name, labels.VERSION: __version__}
