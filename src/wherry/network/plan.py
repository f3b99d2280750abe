"""What the kernel is to be told, as text: `ip -batch` lines and `nft -f -` rules. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.network.address import Pool, is_ipv6, mac_of
from wherry.network.model import EVERY_IPV4, Endpoint, Network, Published

__all__ = [
    "add_ports",
    "bridge_lines",
    "drop_table",
    "inside_lines",
    "pass_rules",
    "pattern",
    "ruleset",
    "table",
    "veth_lines",
]

Publications = Sequence[tuple[Published, str]]
"""Published ports, each with the container's address behind it."""

LIST_CHAINS = "list chains\n"
"""At the end of a script: shows every firewall's chains without their rules."""

NOTHING = "\n"

_CHAINS = """\
  chain publish {
    dnat ip to ip daddr . meta l4proto . th dport map @one
    dnat ip to meta l4proto . th dport map @any
  }
  chain guard {
    type filter hook prerouting priority raw; policy accept;
    ip daddr 127.0.0.0/8 iifname != "lo" drop
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    meta l4proto { tcp, udp } ip daddr != 127.0.0.0/8 fib daddr type local jump publish
  }
  chain output {
    type nat hook output priority -100; policy accept;
    meta l4proto { tcp, udp } fib daddr type local jump publish
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr @subnets oifname != @bridges masquerade
    ip saddr @subnets oifname @bridges ct status dnat masquerade
    ip saddr 127.0.0.0/8 oifname @bridges masquerade
  }
  chain forward {
    type filter hook forward priority filter - 5; policy accept;
    iifname . oifname @intra accept
    iifname @internal drop
    oifname @internal drop
    oifname @bridges ct state established,related accept
    oifname @bridges ct status dnat accept
    oifname @bridges drop
  }
"""


def table(tag: str) -> str:
    """One table for each root, in family inet."""
    return f"wherry_{tag}" if tag else "wherry"


def pattern(tag: str) -> str:
    """Matches every bridge of the root, and of no other one."""
    return f"wh{tag}-*" if tag else "wherry*"


def bridge_lines(network: Network, mtu: int) -> str:
    """The bridge. No IPv6 address of its own: a container could otherwise advertise routes to the host."""
    prefix = Pool.parse(network.subnet).prefix
    return (
        # An address of its own, else the bridge takes that of a port, and the gateway changes with each container
        f"link add {network.bridge} mtu {mtu} address {mac_of(network.gateway)} type bridge forward_delay 0\n"
        f"link set {network.bridge} addrgenmode none\n"
        f"addr add {network.gateway}/{prefix} dev {network.bridge}\n"
        f"link set {network.bridge} up\n"
    )


def veth_lines(endpoint: Endpoint, netns_pid: int, mtu: int) -> str:
    """The pair, with its far end in the namespace. Hairpin: br_netfilter may send a packet back where it came from."""
    return (
        f"link add {endpoint.link} mtu {mtu} type veth"
        f" peer name eth0 mtu {mtu} address {endpoint.mac} netns {netns_pid}\n"
        f"link set {endpoint.link} addrgenmode none\n"
        f"link set {endpoint.link} master {endpoint.bridge} up\n"
        f"link set {endpoint.link} type bridge_slave hairpin on\n"
    )


def inside_lines(endpoint: Endpoint) -> str:
    """For the container's namespace, where lo is up already."""
    lines = (
        f"addr add {endpoint.address}/{endpoint.prefix} dev eth0\nlink set eth0 addrgenmode none\nlink set eth0 up\n"
    )
    return lines + (f"route add default via {endpoint.gateway}\n" if endpoint.gateway else "")


def _elements(items: Sequence[str]) -> str:
    return f"elements = {{ {', '.join(items)} }}" if items else ""


def _split(publications: Publications) -> tuple[list[str], list[str]]:
    """Elements for the maps `any` and `one`. What is published on IPv6 only is the relay's."""
    every, one = [], []
    for port, address in publications:
        to = f"{port.protocol} . {port.host_port} : {address} . {port.container_port}"
        if port.host_ip in ("", EVERY_IPV4):
            every.append(to)
        elif not is_ipv6(port.host_ip):
            one.append(f"{port.host_ip} . {to}")
    return every, one


def drop_table(tag: str) -> str:
    """Idempotent."""
    return f"add table inet {table(tag)}\ndelete table inet {table(tag)}\n"


def add_ports(tag: str, bridge: str, publications: Publications) -> str:
    """Into a table that should be there; fails when something (a firewall's restart) took it away."""
    name = table(tag)
    every, one = _split(publications)
    lines = [f'add element inet {name} bridges {{ "{bridge}" }}\n']
    lines += [f"add element inet {name} any {{ {', '.join(every)} }}\n"] if every else []
    lines += [f"add element inet {name} one {{ {', '.join(one)} }}\n"] if one else []
    return "".join(lines)


def ruleset(tag: str, networks: Sequence[Network], publications: Publications, *, replace: bool) -> str:
    """The whole table. `replace` takes the old one away in the same transaction; else it must not be there.

    `guard` keeps packets from outside off 127.0.0.0/8, which published loopback ports (and the bridges'
    route_localnet) would open to neighbours (CVE-2020-8558). It stands before any address is rewritten.
    `forward` lets into a bridge only answers, published ports and the bridge's own traffic.
    """
    name = table(tag)
    bridges = [f'"{one.bridge}"' for one in networks]
    every, one = _split(publications)
    head = drop_table(tag) if replace else f"create table inet {name}\n"
    return f"""{head}table inet {name} {{
  set bridges {{ type ifname; {_elements(bridges)} }}
  set internal {{ type ifname; {_elements([f'"{n.bridge}"' for n in networks if n.internal])} }}
  set intra {{ type ifname . ifname; {_elements([f"{b} . {b}" for b in bridges])} }}
  set subnets {{ type ipv4_addr; flags interval; {_elements([n.subnet for n in networks])} }}
  map any {{ type inet_proto . inet_service : ipv4_addr . inet_service; {_elements(every)} }}
  map one {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; {_elements(one)} }}
{_CHAINS}}}
"""


def pass_rules(tag: str, family: str, foreign_table: str, chain: str) -> str:
    """Past another firewall whose forward chain drops by default: a chain of ours, entered first.

    What may come in was decided in `forward` before; from our bridges to Docker's, Docker decides.
    """
    ours, bridges = table(tag), pattern(tag)
    rules = [
        f'iifname "{bridges}" oifname "docker0" return',
        f'iifname "{bridges}" oifname "br-*" return',
        f'iifname "{bridges}" accept',
        f'oifname "{bridges}" accept',
    ]
    where = f"{family} {foreign_table}"
    return (
        f"add chain {where} {ours}\nflush chain {where} {ours}\n"
        + "".join(f"add rule {where} {ours} {rule}\n" for rule in rules)
        + f"insert rule {where} {chain} jump {ours}\n"
    )
