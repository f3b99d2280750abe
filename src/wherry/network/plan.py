"""What the kernel is to be told about links, as text: `ip -batch` lines. Pure. Rules are in `rules`."""

from __future__ import annotations

from wherry.network.address import Pool, mac_of
from wherry.network.model import OPTION_ICC, Attachment, Joined, Network
from wherry.network.rules import (
    LINK_LOCAL_GATEWAY,
    LIST_CHAINS,
    NOTHING,
    add_ports,
    drop_table,
    pass_rules,
    pattern,
    ruleset,
    table,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "LIST_CHAINS",
    "NOTHING",
    "add_ports",
    "addresses",
    "bridge_lines",
    "drop_table",
    "gateway_of",
    "host_gateway",
    "inside_lines",
    "leave_lines",
    "pass_rules",
    "pattern",
    "route_lines",
    "ruleset",
    "table",
    "veth_lines",
]


def bridge_lines(network: Network, mtu: int) -> str:
    """The bridge. No IPv6 address that it makes itself: only those of the network's own pool, if it has one."""
    prefix = Pool.parse(network.subnet).prefix
    lines = (
        # An address of its own, else the bridge takes that of a port, and the gateway changes with each container
        f"link add {network.bridge} mtu {network.mtu or mtu} address {mac_of(network.gateway)} type bridge"
        " forward_delay 0\n"
        f"link set {network.bridge} addrgenmode none\n"
        f"addr add {network.gateway}/{prefix} brd + dev {network.bridge}\n"
    )
    if network.pool6:
        # Without duplicate address detection, which would keep it from use for a second
        lines += f"addr add {network.gateway6}/{Pool.parse(network.subnet6).prefix} dev {network.bridge} nodad\n"
        # Under which it asks for neighbours when it passes on what others sent
        lines += f"addr add {LINK_LOCAL_GATEWAY}/64 dev {network.bridge} nodad\n"
    return lines + f"link set {network.bridge} up\n"


def veth_lines(joined: Joined, netns_pid: int, mtu: int) -> str:
    """The pair, with its far end in the namespace. Hairpin: br_netfilter may send a packet back where it came from."""
    one, network = joined.endpoint, joined.network
    size = network.mtu or mtu
    # Ports that are isolated reach the bridge itself, and no other isolated port
    isolated = "" if network.says(OPTION_ICC) else " isolated on"
    return (
        f"link add {one.link} mtu {size} type veth"
        f" peer name {one.device} mtu {size} address {one.mac} netns {netns_pid}\n"
        f"link set {one.link} addrgenmode none\n"
        f"link set {one.link} master {one.bridge} up\n"
        f"link set {one.link} type bridge_slave hairpin on{isolated}\n"
    )


def inside_lines(joined: Sequence[Joined], gateway: Joined | None) -> str:
    """For the container's namespace, where lo is up already. `gateway` is the one that leads out."""
    lines = ""
    for place in joined:
        one = place.endpoint
        lines += f"addr add {one.address}/{one.prefix} brd + dev {one.device}\n"
        lines += "".join(_link_local(text, one.device) for text in place.link_locals)
        if not one.address6:
            lines += f"link set {one.device} addrgenmode none\n"
        else:
            lines += f"addr add {one.address6}/{one.prefix6} dev {one.device} nodad\n"
        lines += f"link set {one.device} up\n"
    return lines + (route_lines(gateway) if gateway else "")


def _link_local(text: str, device: str) -> str:
    prefix = 64 if ":" in text else 16
    return f"addr add {text}/{prefix} " + (f"dev {device} nodad\n" if ":" in text else f"brd + dev {device}\n")


def route_lines(gateway: Joined) -> str:
    """The default routes by that network, whatever there was before."""
    one = gateway.endpoint
    lines = f"route replace default via {one.gateway} dev {one.device}\n"
    return lines + (f"route replace default via {one.gateway6} dev {one.device}\n" if one.gateway6 else "")


def leave_lines(device: str, gateway: Joined | None) -> str:
    """For the container's namespace: one network less, and another way out, if there is one."""
    return f"link del dev {device}\n" + (route_lines(gateway) if gateway else "")


def addresses(joined: Sequence[Joined]) -> list[str]:
    """All of a container's addresses, network by network."""
    return [text for one in joined for text in (one.endpoint.address, one.endpoint.address6) if text]


def host_gateway(attachment: Attachment) -> str:
    """What host-gateway stands for: the host's address that the container reaches, or ""."""
    way = gateway_of(attachment.joined)
    return way.network.gateway if way else attachment.network.gateway if attachment.network else ""


def gateway_of(joined: Sequence[Joined]) -> Joined | None:
    """The network whose gateway is the way out, as docker chooses: one with both families, then the first by name."""
    ways = [one for one in joined if one.endpoint.gateway]
    return min(ways, key=lambda one: (not one.endpoint.gateway6, one.network.name), default=None)
