"""Images by digest instead of by tag: `compose config --resolve-image-digests`."""

from __future__ import annotations

from wherry.errors import WherryError
from wherry.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.compose.model import Project

__all__ = ["pinned"]


def pinned(project: Project, digest_of: Callable[[str], str], warn: Callable[[str], None]) -> Project:
    """
    Give the project with whole names and digests for images: `docker.io/library/redis:7@sha256:...`.

    Args:
        digest_of: asks the registry; what it can't tell stays as it is, as docker does, and `warn` is told.
    """
    services = {}
    for name, service in project.services.items():
        image = service.image
        if image:
            try:
                image = _whole(image, digest_of)
            except WherryError as fault:
                warn(f"services.{name}: {image} is not pinned: {fault}")
        services[name] = service.replace(image=image)
    return project.replace(services=services)


def _whole(image: str, digest_of: Callable[[str], str]) -> str:
    reference = Reference.parse(image)
    name = f"{reference.registry}/{reference.repository}"
    if reference.digest:
        return f"{name}@{reference.digest}"
    return f"{name}:{reference.tag}@{digest_of(image)}"
