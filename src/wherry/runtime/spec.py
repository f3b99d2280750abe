"""ImageConfig + RunOptions + SpecFacts → the OCI runtime's config.json, with docker's defaults.

Spec: https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config.md and config-linux.md
"""

from __future__ import annotations

from typing import Any, NamedTuple

from wherry.runtime.users import User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wherry.oci.config import ImageConfig
    from wherry.runtime.devices import Device
    from wherry.runtime.machine import Machine
    from wherry.runtime.options import MountRequest, RunOptions

__all__ = ["NEW", "SpecFacts", "command", "exec_process", "network_sysctls", "runtime_spec", "warnings"]

NEW = "new"


class SpecFacts(NamedTuple):
    """What the engine found out for this container before its spec is made.

    `rootfs` is root.path: where the root is attached in the namespace that the runtime is started in. `mounts` are
    all mounts of the container, the image's VOLUMEs and tmpfs included; a volume's `source` is its folder on the host.
    `hosts_file`, `hostname_file`, `resolv_file` are bound over the files in /etc; "" leaves the image's own.
    A namespace (`netns`, `pidns`, `ipcns`, `utsns`) is a path to join, NEW for one of its own, or "" for that of the
    process that starts the runtime: for `netns` that is the host's, or the monitor's own, which then is the
    container's. `init` is the host's tini, bound at /sbin/docker-init, for --init. `cgroup_prefix` is the cgroup of
    all containers, with the container's id under it.
    """

    id: str
    rootfs: str
    machine: Machine
    user: User = User()
    mounts: tuple[MountRequest, ...] = ()
    devices: tuple[Device, ...] = ()
    hosts_file: str = ""
    hostname_file: str = ""
    resolv_file: str = ""
    netns: str = ""
    pidns: str = NEW
    ipcns: str = NEW
    utsns: str = NEW
    hostname: str = ""
    """"" is the first 12 digits of the id; `--network host` gives the machine's."""
    init: str = ""
    cgroup_prefix: str = "/wherry"


def command(config: ImageConfig, options: RunOptions) -> tuple[str, ...]:
    """ENTRYPOINT and CMD of image and options joined as docker does; never empty.

    Raises: InputError ("no command specified").
    """
    raise NotImplementedError


def runtime_spec(config: ImageConfig, options: RunOptions, facts: SpecFacts) -> dict[str, Any]:
    """config.json, ready for json.dumps. Raises: InputError."""
    raise NotImplementedError


def warnings(options: RunOptions, facts: SpecFacts) -> tuple[str, ...]:
    """What the container will not get though it was asked for, in sentences for the user."""
    raise NotImplementedError


def network_sysctls(options: RunOptions) -> dict[str, str]:
    """net.* settings of the container's own network namespace, by name ("net.ipv4.ip_unprivileged_port_start").

    Whoever made that namespace (the monitor, the step's child) writes them below /proc/sys, dots as slashes: the
    runtime can't, since the namespace it is started in looks like the host's to it. Not for `--network host`, nor
    container:X. With `facts.netns == NEW` runtime_spec has them in config.json already.
    """
    raise NotImplementedError


def exec_process(
    base: Mapping[str, Any],
    args: Sequence[str],
    *,
    env: Sequence[str] = (),
    user: User | None = None,
    workdir: str = "",
    tty: bool = False,
    privileged: Sequence[str] = (),
) -> dict[str, Any]:
    """The `process` object for `runc exec --process`, from the container's own config.json `base`.

    `user` None keeps the container's; `env` is laid over the container's; `privileged` holds all capabilities of the
    machine for `exec --privileged`.
    """
    raise NotImplementedError
