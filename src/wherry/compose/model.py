"""The model of a project in canonical form: what `load` gives, and what plan, execution and `config` read.

All short forms are gone: ports are single or ranged objects, volumes objects, lists of `KEY=VALUE` mappings. Units are
the same everywhere: durations are integer **nanoseconds**, sizes integer **bytes**, CPUs a float of cores. A field's
name is the key of the Compose specification; its default is what an absent key means. Where the specification tells an
absent key from a false or empty one, the field is `None` when the key is absent.
`extensions` holds the `x-...` keys of an object as plain Python values. Specification: compose-spec, 01 to 15.
"""

from __future__ import annotations

from wherry.compose.model_service import Service
from wherry.compose.record import EMPTY, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["Config", "Ipam", "IpamPool", "Model", "Network", "Project", "Secret", "Service", "Volume"]


class IpamPool(Record):
    """One element of `networks.NAME.ipam.config`."""

    subnet: str = ""
    gateway: str = ""
    ip_range: str = ""
    aux_addresses: Mapping[str, str] = EMPTY
    extensions: Mapping[str, Any] = EMPTY


class Ipam(Record):
    """`networks.NAME.ipam`."""

    driver: str = ""
    config: Sequence[IpamPool] = ()
    options: Mapping[str, str] = EMPTY
    extensions: Mapping[str, Any] = EMPTY


class Network(Record):
    """A top-level network. `name` is the one the engine knows (`<project>_<key>` unless given or external)."""

    name: str = ""
    driver: str = ""
    driver_opts: Mapping[str, str] = EMPTY
    ipam: Ipam = Ipam()
    external: bool = False
    internal: bool = False
    attachable: bool = False
    labels: Mapping[str, str] = EMPTY
    enable_ipv4: bool | None = None
    enable_ipv6: bool | None = None
    extensions: Mapping[str, Any] = EMPTY


class Volume(Record):
    """A top-level volume. `name` is the one the engine knows."""

    name: str = ""
    driver: str = ""
    driver_opts: Mapping[str, str] = EMPTY
    external: bool = False
    labels: Mapping[str, str] = EMPTY
    extensions: Mapping[str, Any] = EMPTY


class _FileObject(Record):
    name: str = ""
    file: str = ""
    """An absolute path of the host, unless paths were not resolved."""
    environment: str = ""
    """The variable whose value is the content."""
    content: str | None = None
    """The content, where `environment` (its value then) or `content` says it; None for a file or an external one."""
    external: bool = False
    labels: Mapping[str, str] = EMPTY
    driver: str = ""
    driver_opts: Mapping[str, str] = EMPTY
    template_driver: str = ""
    extensions: Mapping[str, Any] = EMPTY


class Secret(_FileObject):
    """A top-level secret: exactly one of `file`, `environment`, `external` or a `driver`."""


class Config(_FileObject):
    """A top-level config: exactly one of `file`, `environment`, `content`, `external`."""


class Model(Record):
    """A top-level model (compose-spec 15): what a service's `models` refers to."""

    name: str = ""
    model: str = ""
    """The OCI artifact's name, or a local path."""
    context_size: int = 0
    runtime_flags: Sequence[str] = ()
    extensions: Mapping[str, Any] = EMPTY


class Project(Record):
    """
    A project in canonical form.

    `services` are the active ones (their profiles are enabled, or they were asked for); `disabled_services` the others.
    Mappings are by key of the file, in the order of names; resource names are in the values' `.name`.
    """

    name: str
    working_dir: str
    """Absolute; what relative paths were resolved against (`--project-directory`, or the folder of the first file)."""
    files: Sequence[str] = ()
    """Absolute paths of the compose files, in the order they were merged, without included ones."""
    env_files: Sequence[str] = ()
    """Absolute paths of `--env-file`; empty when it was the default `.env`."""
    environment: Mapping[str, str] = EMPTY
    """What interpolation used: the shell's variables over those of `.env`, and COMPOSE_PROJECT_NAME."""
    profiles: Sequence[str] = ()
    """Enabled profiles; `*` is all."""
    services: Mapping[str, Service] = EMPTY
    disabled_services: Mapping[str, Service] = EMPTY
    networks: Mapping[str, Network] = EMPTY
    volumes: Mapping[str, Volume] = EMPTY
    secrets: Mapping[str, Secret] = EMPTY
    configs: Mapping[str, Config] = EMPTY
    models: Mapping[str, Model] = EMPTY
    extensions: Mapping[str, Any] = EMPTY
    warnings: Sequence[str] = ()
    """What was wrong but not fatal (`version` is obsolete, a variable is not set), in order, one line each."""

    def service(self, name: str) -> Service | None:
        """Give the active service `name`, or None."""
        return self.services.get(name)

    def all_services(self) -> Mapping[str, Service]:
        """Give active and disabled services by name."""
        return {**self.services, **self.disabled_services}
