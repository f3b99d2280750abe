"""What is deployed: one small model that every target understands. `reading` makes it of files, flags and the image."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from wherry.errors import InputError
from wherry.oci.config import Healthcheck
from wherry.oci.platform import Platform

__all__ = ["APPLICATION_LABEL", "Application", "Gpu", "Health", "ImageFacts", "Secret", "Weights", "plain_name"]

APPLICATION_LABEL = "wherry:application"
"""The tag on all that a target makes, with the application's name. What lacks it is somebody else's: never touched.

Where a platform allows no colon in a tag's name it is "wherry-application" (Google's and ACA's labels) or
"wherry.dev/application" (Kubernetes).
"""


@dataclass(frozen=True, slots=True)
class Gpu:
    """`kind` is the platform's own name of the accelerator ("nvidia-l4", "nvidia.com/gpu"), or "" for its default."""

    count: int
    kind: str = ""


class Health(NamedTuple):
    """Paths that answer 2xx or 3xx. `ready`: takes requests; `live`: need not be restarted; "" where none is known."""

    ready: str = ""
    live: str = ""


class Secret(NamedTuple):
    """A variable whose value no document holds. `kind` is "file" or "env" (read on this machine when it is applied),
    or "ref": `where` names one that is in the platform's store already. It is never printed.
    """

    name: str
    kind: str
    where: str


class Weights(NamedTuple):
    """A model artifact (an OCI reference), shown read-only as the folder `mount`."""

    reference: str
    mount: str


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """The image as it was resolved. `reference` is what the platform pulls: NAME@sha256:... once it is pushed.

    `id` is the config digest of the local image ("" when it is known from a registry only), `digest` that of the
    manifest, "" as long as it is not pushed. `size_bytes` is uncompressed. Ports are TCP ones, ascending.
    """

    reference: str
    platform: Platform
    id: str = ""
    digest: str = ""
    size_bytes: int = 0
    user: str = ""
    exposed_ports: tuple[int, ...] = ()
    healthcheck: Healthcheck | None = None
    stop_signal: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def uid(self) -> int | None:
        """The numeric user, or None where the image gives a name or nothing."""
        user = self.user.partition(":")[0]
        return int(user) if user.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Application:
    """What runs, in no platform's words. `cpu_m` is thousandths of a CPU. `entrypoint` and `command` are None where the
    image's own are used. `max_instances` >= `min_instances`; `concurrency` is requests at once of one instance (None:
    the platform's default). `labels` are the user's own. `grace_s`: from the stop signal to the kill.
    """

    name: str
    image: ImageFacts
    port: int
    health: Health = field(default_factory=Health)
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    secrets: tuple[Secret, ...] = ()
    cpu_m: int = 1000
    memory_bytes: int = 2 << 30
    gpu: Gpu | None = None
    min_instances: int = 1
    max_instances: int = 1
    concurrency: int | None = None
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    weights: tuple[Weights, ...] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    grace_s: int = 30

    def with_image(self, reference: str, digest: str) -> Application:
        """The same application, with the image where it was pushed. `reference` without tag or digest."""
        return replace(self, image=replace(self.image, reference=f"{reference}@{digest}", digest=digest))

    @property
    def cpus(self) -> str:
        """1, 0.25: as people and most documents write it."""
        return f"{self.cpu_m / 1000:g}"

    @property
    def memory_mib(self) -> int:
        """Rounded up."""
        return -(-self.memory_bytes // (1 << 20))


def plain_name(name: str) -> str:
    """The intersection of what platforms take: a-z, 0-9 and "-", a letter first, no "-" at the end, at most 32.

    (ALB 32, ACA 32, Cloud Run 49, Kubernetes 63: RFC 1035.) Raises: InputError.
    """
    if not re.fullmatch(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?", name) or "--" in name:
        raise InputError(
            f"{name!r} is no name for a deployment",
            hint="1 to 32 of a-z, 0-9 and single -, a letter first, no - at the end: --name my-api",
        )
    return name
