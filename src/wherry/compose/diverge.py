"""Whether a container is still what its service says, and if not, why. Pure."""

from __future__ import annotations

from wherry.compose import labels
from wherry.compose.order import parents, with_parents
from wherry.compose.plan import Cause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NamedTuple

    from wherry.compose.model import Project, Service
    from wherry.compose.observe import ObservedContainer
else:
    from wherry.lean import NamedTuple

__all__ = ["Standard", "divergence", "mounted_images_label"]


class Standard(NamedTuple):
    """What containers of a project are measured by. `hash_of` is docker-compose's config hash of a service.

    `images` are the ids that services' images have now, `mounted_images` those of references of `type: image` volumes:
    what is not in there is not compared. `renewed_volumes` are names of volumes that are about to be made anew.
    `keys_of` names what is another than when the container was made: "environment.DEBUG".
    """

    project: Project
    hash_of: Callable[[Service], str]
    images: Mapping[str, str] = {}
    mounted_images: Mapping[str, str] = {}
    renewed_volumes: frozenset[str] = frozenset()
    keys_of: Callable[[Service, ObservedContainer], Sequence[str]] = lambda service, container: ()


def mounted_images_label(service: Service, images: Mapping[str, str]) -> str:
    """The label's value: TARGET=ID of each `type: image` volume; "" when there is none, or one is not known."""
    mounts = [one for one in service.volumes if one.type == "image"]
    if not all(one.source in images for one in mounts):
        return ""
    return ",".join(f"{one.target}={images[one.source]}" for one in mounts)


def divergence(
    standard: Standard, service: Service, container: ObservedContainer, first: Mapping[str, str]
) -> Cause | None:
    """Why it has to be made anew, None when it is as it should be. `first` is the id of the container to share with, of
    each service whose first one stays; a parent that is not in there is (or was) made anew."""
    for parent, what in parents(service).items():
        if parent not in first:
            return Cause("parent", f"service {parent}, whose {what} it shares, is recreated")
    if standard.hash_of(with_parents(service, first)) != container.config_hash:
        keys = standard.keys_of(service, container)
        return Cause("config", "configuration changed" + (f": {', '.join(keys)}" if keys else ""))
    return _image(standard, service, container) or _networks(standard, service, container) or _volumes(
        standard, service, container
    )  # fmt: skip


def _image(standard: Standard, service: Service, container: ObservedContainer) -> Cause | None:
    now = standard.images.get(service.name)
    if now is not None and now not in (container.made_from, container.image_id):
        name = service.image_name(standard.project.name)
        return Cause("image", f"image changed: {name} was {_short(container.made_from)}, is {_short(now)}")
    wanted = mounted_images_label(service, standard.mounted_images)
    had = container.labels.get(labels.IMAGE_VOLUME_DIGEST, "")
    if wanted and had and wanted != had:
        return Cause("image", "image changed that it mounts")
    return None


def _short(id: str) -> str:
    return id.rpartition(":")[2][:12]


def _networks(standard: Standard, service: Service, container: ObservedContainer) -> Cause | None:
    if service.network_mode:
        return None
    for key in service.networks:
        name, is_external = standard.project.networks[key].name, standard.project.networks[key].external
        if is_external and len(name) == 64:
            # An id, which containers are not on by that name
            continue
        if name not in container.networks:
            return Cause("network", f"it is not on network {name}")
    return None


def _volumes(standard: Standard, service: Service, container: ObservedContainer) -> Cause | None:
    has = {target: name for target, name, _ in container.volumes}
    for mount in service.volumes:
        if mount.type != "volume" or mount.source not in standard.project.volumes:
            continue
        name = standard.project.volumes[mount.source].name
        if has.get(mount.target) != name:
            return Cause("volume", f"volume {name} is not mounted at {mount.target}")
    return None
