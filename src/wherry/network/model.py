"""The values of networking: what a container asks for, and what it got."""

from __future__ import annotations

from wherry.lean import MappingProxyType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = [
    "BY_NAME",
    "EVERY_IPV4",
    "Attachment",
    "Endpoint",
    "FileRequest",
    "Join",
    "Joined",
    "Listener",
    "NetFiles",
    "Network",
    "NetworkRequest",
    "PortMapping",
    "Published",
]

BY_NAME = "name="
"""Before the target of a link: whichever container has that name at the time, not the one that has it at first."""

EVERY_IPV4 = "0.0.0.0"  # noqa: S104  what -p without an address means in messages

OPTION_BRIDGE = "com.docker.network.bridge.name"
OPTION_MTU = "com.docker.network.driver.mtu"
OPTION_ICC = "com.docker.network.bridge.enable_icc"
OPTION_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
OPTION_HOST_IP = "com.docker.network.bridge.host_binding_ipv4"
TRUE = ("1", "t", "true")
"""What Go's ParseBool takes for yes, in lower case."""

_NONE: Mapping[str, str] = MappingProxyType({})


class Network(NamedTuple):
    """A bridge with its pools of addresses. `number` is unique in its root and names the bridge.

    `subnet` is "10.213.0.0/20", `gateway` the bridge's own address; `subnet6` and `gateway6` the same for IPv6, or "".
    `is_default` is the network named "bridge", where containers do not see each other's names, as docker.
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
    ipv6: bool = False
    """Whether containers get IPv6 addresses: docker keeps an IPv6 pool, too, that is not used."""
    subnet6: str = ""
    gateway6: str = ""
    ip_range6: str = ""
    aux: Mapping[str, str] = _NONE
    """Addresses that no container gets, by name."""
    ipam_options: Mapping[str, str] = _NONE
    attachable: bool = False
    config_only: bool = False
    config_from: str = ""
    is_auto6: bool = False

    @property
    def is_default(self) -> bool:
        return self.name == "bridge"

    @property
    def pool6(self) -> str:
        """The IPv6 pool that containers get addresses of, or ""."""
        return self.subnet6 if self.ipv6 else ""

    @property
    def mtu(self) -> int:
        """What -o com.docker.network.driver.mtu says, or 0."""
        return int(self.options.get(OPTION_MTU) or 0)

    def says(self, option: str, default: bool = True) -> bool:
        """One of the bridge driver's switches."""
        return self.options.get(option, "").lower() in TRUE if self.options.get(option) else default


class PortMapping(NamedTuple):
    """One container port to publish. `host_ip` "" is every address, IPv4 and IPv6.

    `host_port` 0 asks for a free one; `host_port_last` above it gives a range to take the first free one of.
    """

    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""
    host_port: int = 0
    host_port_last: int = 0


class Join(NamedTuple):
    """A container's wish to be on one network. `network` is a name or an id, `links` are CONTAINER_ID:ALIAS."""

    network: str
    aliases: tuple[str, ...] = ()
    ipv4: str = ""
    ipv6: str = ""
    mac: str = ""
    link_locals: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    driver_opts: tuple[str, ...] = ()


class NetworkRequest(NamedTuple):
    """What one container wants. `mode` is "bridge" (or ""), "none", "host", "container:<whole id>" or a network's name.

    `joins` are the networks it is on, in order; None is the one of `mode`, with the fields beside it. `hosts_path` is
    the container's /etc/hosts on the host, `names_path` the file that tells its resolver what to answer ("" for
    none). `name` is the container's, for messages and for its peers.
    """

    mode: str = "bridge"
    name: str = ""
    hostname: str = ""
    ports: tuple[PortMapping, ...] = ()
    aliases: tuple[str, ...] = ()
    ipv4: str = ""
    mac: str = ""
    hosts_path: str = ""
    ipv6: str = ""
    link_locals: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    joins: tuple[Join, ...] | None = None
    names_path: str = ""

    def wanted(self) -> tuple[Join, ...]:
        """The networks, in order."""
        if self.joins is not None:
            return self.joins
        one = Join(self.mode, self.aliases, self.ipv4, self.ipv6, self.mac, self.link_locals, self.links)
        return (one,)


class Endpoint(NamedTuple):
    """A container's place on a network: `address` without prefix, `link` the veth's end on the host, `device` the
    other end. `gateway` is "" on networks without a way out."""

    container_id: str
    network_id: str
    address: str
    prefix: int
    gateway: str
    mac: str
    link: str
    bridge: str
    device: str = "eth0"
    address6: str = ""
    prefix6: int = 0
    gateway6: str = ""


class Joined(NamedTuple):
    """A network, and a container's place and names on it."""

    network: Network
    endpoint: Endpoint
    aliases: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    link_locals: tuple[str, ...] = ()


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
    joined: tuple[Joined, ...] = ()
    """Every network that it is on, in order; `network` and `endpoint` are those of the first."""
    names_path: str = ""

    @property
    def has_links(self) -> bool:
        """Whether --link on the default bridge makes names and variables."""
        return any(one.links and one.network.is_default for one in self.joined)

    @property
    def has_resolver(self) -> bool:
        """Whether names are asked of 127.0.0.11: on networks that the user made."""
        return any(not one.network.is_default for one in self.joined)


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
