"""The hashes that tell a container, network or volume from the definition it was made from: docker-compose's own.

A container's label `com.docker.compose.config-hash` has the first one. Equal hashes let docker-compose and wherry take
over each other's projects without making anything anew.
"""

from __future__ import annotations

from wherry.compose.emit_json import compact
from wherry.compose.present import Present
from wherry.oci.digest import small_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.compose.model import Network, Service, Volume

__all__ = ["network_hash", "service_hash", "shown_hash", "volume_hash"]

_BUILD_ONLY = frozenset({"build", "pull_policy", "scale"})
_NO_MATTER = _BUILD_ONLY | {"depends_on", "profiles"}


def service_hash(service: Service) -> str:
    """Hash a service (64 hex digits) without what changes no container: build, pull policy, replicas, dependencies."""
    return _hash(Present(as_json=True).service(_without_replicas(service), _NO_MATTER))


def shown_hash(service: Service) -> str:
    """Hash a service as `docker-compose config --hash` of 2.26 does: with its dependencies and profiles."""
    return _hash(Present(as_json=True).service(_without_replicas(service), _BUILD_ONLY))


def _without_replicas(service: Service) -> Service:
    if service.deploy is None or service.deploy.replicas is None:
        return service
    return service.replace(deploy=service.deploy.replace(replicas=None))


def network_hash(network: Network) -> str:
    """Hash a network."""
    return _hash(Present(as_json=True).record(network))


def volume_hash(volume: Volume) -> str:
    """Hash a volume; no driver is the driver `local`."""
    return _hash(Present(as_json=True).record(volume if volume.driver else volume.replace(driver="local")))


def _hash(value: object) -> str:
    return small_sha256(compact(value).encode())
