"""The values of networking: what a container asks for, and what it got."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = [
    "EVERY_IPV4",
    "Attachment",
    "Endpoint",
    "FileRequest",
    "Listener",
    "NetFiles",
    "Network",
    "NetworkRequest",
    "PortMapping",
    "Published",
]

EVERY_IPV4 = "0.0.0.0"  # noqa: S104  what -p without an address means in messages

_NONE: Mapping[str, str] = MappingProxyType({})


class Network(NamedTuple):
    """A bridge with its pool of addresses. `number` is unique in its root and names the bridge.

    `subnet` is "10.213.0.0/20", `gateway` the bridge's own address. `is_default` is the network named "bridge",
    where containers do not see each other's names, as docker.
    """

    id: str
    name: str
    number: int
    bridge: str
    subnet: str
    gateway: str
    ip_range: str = ""
    internal: bool = False
    labels: Mapping[str, str] = _NONE
    options: Mapping[str, str] = _NONE
    created_ns: int = 0
    is_auto: bool = True
    """The pool was chosen by wherry, so it may choose another when the host's routes come to overlap it."""

    @property
    def is_default(self) -> bool:
        return self.name == "bridge"


class PortMapping(NamedTuple):
    """One container port to publish. `host_ip` "" is every address, IPv4 and IPv6.

    `host_port` 0 asks for a free one; `host_port_last` above it gives a range to take the first free one of.
    """

    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""
    host_port: int = 0
    host_port_last: int = 0


class NetworkRequest(NamedTuple):
    """What one container wants. `mode` is "bridge" (or ""), "none", "host", "container:<whole id>" or a network's name.

    `hosts_path` is the container's /etc/hosts on the host: peers' names are kept current in it on networks that the
    user made ("" for none). `name` is the container's, for messages and for its peers.
    """

    mode: str = "bridge"
    name: str = ""
    hostname: str = ""
    ports: tuple[PortMapping, ...] = ()
    aliases: tuple[str, ...] = ()
    ipv4: str = ""
    mac: str = ""
    hosts_path: str = ""


class Endpoint(NamedTuple):
    """A container's place on a network: `address` without prefix, `link` the veth's end on the host."""

    container_id: str
    network_id: str
    address: str
    prefix: int
    gateway: str
    mac: str
    link: str
    bridge: str


class Published(NamedTuple):
    """A container port and where on the host it answers; `host_ip` "" is every address, IPv4 and IPv6."""

    container_port: int
    protocol: str
    host_ip: str
    host_port: int


class Listener(NamedTuple):
    """A socket bound on the host (TCP: listening; UDP: bound) for whoever relays it to `address`:`port`.

    The fd belongs to the Attachment: hand it to the monitor, then `Networks.close_listeners`.
    """

    fd: int
    protocol: str
    address: str
    port: int


class Attachment(NamedTuple):
    """What `reserve` gives. `netns` says who makes the network namespace:

    "own": the monitor unshares one and brings lo up (bridge, none); "host": no namespace at all; "container": the one
    of the container `joins`. Only with an `endpoint` is there anything to plumb.
    """

    container_id: str
    mode: str
    netns: str
    joins: str = ""
    network: Network | None = None
    endpoint: Endpoint | None = None
    published: tuple[Published, ...] = ()
    listeners: tuple[Listener, ...] = ()


class FileRequest(NamedTuple):
    """What goes in the three files of /etc. `extra_hosts` are NAME:ADDRESS or NAME:host-gateway."""

    hostname: str
    domainname: str = ""
    extra_hosts: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()


class NetFiles(NamedTuple):
    """The three files, ready to write."""

    hosts: str
    resolv_conf: str
    hostname: str
