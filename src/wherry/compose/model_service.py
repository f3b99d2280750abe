"""A service of the model, with every key of the Compose specification in its long form. Units: see `compose.model`."""

from __future__ import annotations

from wherry.compose.model_build import Build, Deploy, Develop, DeviceRequest, Ulimit
from wherry.compose.model_parts import (
    Blkio,
    CredentialSpec,
    Dependency,
    Device,
    EnvFile,
    Extends,
    FileReference,
    Healthcheck,
    Hook,
    Logging,
    Mount,
    Port,
    Provider,
    ServiceModel,
    ServiceNetwork,
)
from wherry.compose.record import EMPTY, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["Service"]


class Service(Record):
    """A service. Fields stand in the order in which docker writes them into JSON: the config hash depends on it."""

    name: str
    """The key in `services`."""
    profiles: Sequence[str] = ()
    annotations: Mapping[str, str] = EMPTY
    attach: bool | None = None
    """False: `up` shows no logs of it; None is true."""
    build: Build | None = None
    develop: Develop | None = None
    blkio_config: Blkio | None = None
    cap_add: Sequence[str] = ()
    cap_drop: Sequence[str] = ()
    cgroup_parent: str = ""
    cgroup: str = ""
    cpu_count: int = 0
    cpu_percent: float = 0
    cpu_period: int = 0
    """Microseconds."""
    cpu_quota: int = 0
    """Microseconds."""
    cpu_rt_period: int = 0
    """Microseconds."""
    cpu_rt_runtime: int = 0
    """Microseconds."""
    cpus: float = 0
    cpuset: str = ""
    cpu_shares: int = 0
    command: Sequence[str] | None = None
    """None: the image's; an empty one: none."""
    configs: Sequence[FileReference] = ()
    container_name: str = ""
    credential_spec: CredentialSpec | None = None
    depends_on: Mapping[str, Dependency] = EMPTY
    """Also those implied by links, volumes_from and `service:` modes (unless loaded without normalisation)."""
    deploy: Deploy | None = None
    device_cgroup_rules: Sequence[str] = ()
    devices: Sequence[Device] = ()
    dns: Sequence[str] = ()
    dns_opt: Sequence[str] = ()
    dns_search: Sequence[str] = ()
    domainname: str = ""
    entrypoint: Sequence[str] | None = None
    """None: the image's; an empty one: none."""
    environment: Mapping[str, str | None] = EMPTY
    """With `env_file` read into it and values from the project's environment; None: a name without a value anywhere."""
    env_file: Sequence[EnvFile] = ()
    expose: Sequence[str] = ()
    extends: Extends | None = None
    external_links: Sequence[str] = ()
    extra_hosts: Mapping[str, Sequence[str]] = EMPTY
    """Host name to addresses."""
    group_add: Sequence[str] = ()
    gpus: Sequence[DeviceRequest] = ()
    """`all` is one request with count -1."""
    hostname: str = ""
    healthcheck: Healthcheck | None = None
    image: str = ""
    """As the file says it: empty when there is only `build`."""
    init: bool | None = None
    ipc: str = ""
    isolation: str = ""
    labels: Mapping[str, str] = EMPTY
    """With those of `label_file`."""
    label_file: Sequence[str] = ()
    links: Sequence[str] = ()
    logging: Logging | None = None
    mem_limit: int = 0
    mem_reservation: int = 0
    memswap_limit: int = 0
    """-1: unlimited."""
    mem_swappiness: int = 0
    mac_address: str = ""
    models: Mapping[str, ServiceModel] = EMPTY
    network_mode: str = ""
    networks: Mapping[str, ServiceNetwork | None] = EMPTY
    """By key of the project's networks; None where there are no options."""
    oom_kill_disable: bool = False
    oom_score_adj: int = 0
    pid: str = ""
    pids_limit: int = 0
    platform: str = ""
    ports: Sequence[Port] = ()
    privileged: bool = False
    provider: Provider | None = None
    pull_policy: str = ""
    """always, never, build, missing (if_not_present), refresh, daily, weekly, every_<duration>, or empty."""
    pull_refresh_after: str = ""
    read_only: bool = False
    restart: str = ""
    runtime: str = ""
    scale: int | None = None
    """As the file says it; `replicas` is what counts."""
    secrets: Sequence[FileReference] = ()
    security_opt: Sequence[str] = ()
    shm_size: int = 0
    stdin_open: bool = False
    stop_grace_period: int | None = None
    """Nanoseconds."""
    stop_signal: str = ""
    storage_opt: Mapping[str, str] = EMPTY
    sysctls: Mapping[str, str] = EMPTY
    tmpfs: Sequence[str] = ()
    tty: bool = False
    ulimits: Mapping[str, Ulimit] = EMPTY
    use_api_socket: bool = False
    user: str = ""
    userns_mode: str = ""
    uts: str = ""
    volumes: Sequence[Mount] = ()
    volumes_from: Sequence[str] = ()
    working_dir: str = ""
    pre_start: Sequence[Hook] = ()
    post_start: Sequence[Hook] = ()
    pre_stop: Sequence[Hook] = ()
    extensions: Mapping[str, Any] = EMPTY

    @property
    def replicas(self) -> int:
        """How many containers the file wants: `scale`, else `deploy.replicas`, else 1."""
        if self.scale is not None:
            return self.scale
        if self.deploy is not None and self.deploy.replicas is not None:
            return self.deploy.replicas
        return 1

    def image_name(self, project: str) -> str:
        """Give `image`, or the name that a service without one is built as: `<project>-<service>`."""
        return self.image or f"{project}-{self.name}"

    def networks_by_priority(self) -> list[str]:
        """Give the keys of its networks, the highest `priority` first, then by name."""

        def rank(key: str) -> tuple[int, str]:
            network = self.networks[key]
            return (-network.priority if network else 0, key)

        return sorted(self.networks, key=rank)

    def scaled(self, replicas: int) -> Service:
        """Give a copy that wants `replicas` containers."""
        deploy = self.deploy.replace(replicas=replicas) if self.deploy else None
        return self.replace(scale=replicas, deploy=deploy)
