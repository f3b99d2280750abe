"""The objects inside a service: ports, volumes, networks, health checks, hooks, ... Units: see `compose.model`."""

from __future__ import annotations

from wherry.compose.record import EMPTY, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = [
    "BindOptions",
    "Blkio",
    "CredentialSpec",
    "Dependency",
    "Device",
    "EnvFile",
    "Extends",
    "FileReference",
    "Healthcheck",
    "Hook",
    "ImageOptions",
    "Logging",
    "Mount",
    "Port",
    "Provider",
    "ServiceModel",
    "ServiceNetwork",
    "ThrottleDevice",
    "TmpfsOptions",
    "VolumeOptions",
    "WeightDevice",
]


class Dependency(Record):
    """One value of `depends_on`."""

    condition: str = "service_started"
    restart: bool = False
    """Restart (and, before a recreate, stop) the dependent together with it."""
    required: bool = True
    extensions: Mapping[str, Any] = EMPTY


class Port(Record):
    """One element of `ports`. A range of targets is one `Port` each; `published` may still be a range `8000-8010`."""

    name: str = ""
    mode: str = ""
    """`ingress` or `host`; no difference on one machine."""
    host_ip: str = ""
    target: int = 0
    published: str = ""
    """A number, a range of which one is taken, or empty: any free port."""
    protocol: str = ""
    """`tcp`, `udp` or `sctp`."""
    app_protocol: str = ""
    extensions: Mapping[str, Any] = EMPTY


class BindOptions(Record):
    """`volumes[].bind`."""

    selinux: str = ""
    propagation: str = ""
    create_host_path: bool = False
    """Make the source as a folder if it is missing; true for the short form, and for the long one without the key."""
    recursive: str = ""
    extensions: Mapping[str, Any] = EMPTY


class VolumeOptions(Record):
    """`volumes[].volume`."""

    labels: Mapping[str, str] = EMPTY
    nocopy: bool = False
    subpath: str = ""
    extensions: Mapping[str, Any] = EMPTY


class TmpfsOptions(Record):
    """`volumes[].tmpfs`."""

    size: int = 0
    """Bytes; 0 is no limit."""
    mode: int = 0
    """Mode bits as a number (`0o1777`); 0 is the default."""
    extensions: Mapping[str, Any] = EMPTY


class ImageOptions(Record):
    """`volumes[].image`."""

    subpath: str = ""
    extensions: Mapping[str, Any] = EMPTY


class Mount(Record):
    """One element of a service's `volumes`."""

    type: str = ""
    """`bind`, `volume`, `tmpfs`, `image`, `cluster` or `npipe`."""
    source: str = ""
    """bind: an absolute path; volume: a key of the project's volumes, or empty (anonymous); image: its name."""
    target: str = ""
    read_only: bool = False
    consistency: str = ""
    bind: BindOptions | None = None
    volume: VolumeOptions | None = None
    tmpfs: TmpfsOptions | None = None
    image: ImageOptions | None = None
    extensions: Mapping[str, Any] = EMPTY


class ServiceNetwork(Record):
    """One value of a service's `networks`."""

    priority: int = 0
    gw_priority: int = 0
    # Differs from docker: 2.26 forgets it while it copies the model; later ones keep it
    aliases: Sequence[str] = ()
    interface_name: str = ""
    ipv4_address: str = ""
    ipv6_address: str = ""
    link_local_ips: Sequence[str] = ()
    mac_address: str = ""
    driver_opts: Mapping[str, str] = EMPTY
    extensions: Mapping[str, Any] = EMPTY


class Healthcheck(Record):
    """`healthcheck`; durations in nanoseconds, None where the image's (or the engine's default) holds."""

    test: Sequence[str] = ()
    """`NONE`, or `CMD` and words, or `CMD-SHELL` and one string; empty: the image's."""
    timeout: int | None = None
    interval: int | None = None
    retries: int | None = None
    start_period: int | None = None
    start_interval: int | None = None
    disable: bool = False
    extensions: Mapping[str, Any] = EMPTY


class Hook(Record):
    """One element of `pre_start`, `post_start`, `pre_stop`, and `develop.watch[].exec`."""

    command: Sequence[str] | None = None
    image: str = ""
    """`pre_start` only."""
    per_replica: bool = False
    """`pre_start` only."""
    user: str = ""
    privileged: bool = False
    working_dir: str = ""
    environment: Mapping[str, str | None] = EMPTY
    extensions: Mapping[str, Any] = EMPTY


class Provider(Record):
    """`provider`: a program that makes this service, instead of a container."""

    type: str = ""
    options: Mapping[str, Sequence[str]] = EMPTY
    """Each option's values, in order, as strings."""
    extensions: Mapping[str, Any] = EMPTY


class ServiceModel(Record):
    """One value of a service's `models`; empty names mean `<MODEL>_URL` and `<MODEL>_MODEL`."""

    endpoint_var: str = ""
    model_var: str = ""
    extensions: Mapping[str, Any] = EMPTY


class FileReference(Record):
    """One element of a service's `secrets` or `configs`."""

    source: str = ""
    """A key of the project's secrets or configs."""
    target: str = ""
    """Empty: not said (secrets: `/run/secrets/<source>`, configs: `/<source>`, which normalising writes here)."""
    uid: str = ""
    gid: str = ""
    mode: int | None = None
    """Mode bits as a number."""
    extensions: Mapping[str, Any] = EMPTY


class EnvFile(Record):
    """One element of `env_file`."""

    path: str = ""
    required: bool = True
    format: str = ""
    """`raw`: values without interpolation and quotes; or empty."""


class Device(Record):
    """One element of `devices`; a CDI name has the whole name as source and target."""

    source: str = ""
    target: str = ""
    permissions: str = ""
    extensions: Mapping[str, Any] = EMPTY


class Logging(Record):
    """`logging`."""

    driver: str = ""
    options: Mapping[str, str] = EMPTY
    extensions: Mapping[str, Any] = EMPTY


class WeightDevice(Record):
    """One element of `blkio_config.weight_device`."""

    path: str = ""
    weight: int = 0
    extensions: Mapping[str, Any] = EMPTY


class ThrottleDevice(Record):
    """One element of the rates of `blkio_config`: bytes or operations per second."""

    path: str = ""
    rate: int = 0
    extensions: Mapping[str, Any] = EMPTY


class Blkio(Record):
    """`blkio_config`."""

    weight: int = 0
    weight_device: Sequence[WeightDevice] = ()
    device_read_bps: Sequence[ThrottleDevice] = ()
    device_read_iops: Sequence[ThrottleDevice] = ()
    device_write_bps: Sequence[ThrottleDevice] = ()
    device_write_iops: Sequence[ThrottleDevice] = ()
    extensions: Mapping[str, Any] = EMPTY


class CredentialSpec(Record):
    """`credential_spec` (Windows)."""

    config: str = ""
    file: str = ""
    registry: str = ""
    extensions: Mapping[str, Any] = EMPTY


class Extends(Record):
    """`extends`, as the file says it; what it extends is merged already."""

    file: str = ""
    service: str = ""
