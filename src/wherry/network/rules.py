"""The firewall, as `nft -f -` text. Pure: one table in family inet, one in family bridge, for each root."""

from __future__ import annotations

from wherry.network.address import is_ipv6
from wherry.network.model import EVERY_IPV4, OPTION_ICC, OPTION_MASQUERADE, Joined, Network, Published

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = [
    "LIST_CHAINS",
    "NOTHING",
    "Publication",
    "add_ports",
    "drop_table",
    "pass_rules",
    "pattern",
    "resolver_rules",
    "ruleset",
    "table",
]


class Publication(NamedTuple):
    """A published port, and the container's addresses behind it (`address6` "" without IPv6)."""

    port: Published
    address: str
    address6: str = ""


class Owned(NamedTuple):
    """Addresses that one port of a bridge (`link`) may claim, and no other: a container's."""

    link: str
    mac: str
    address: str
    address6: str = ""


LINK_LOCAL_GATEWAY = "fe80::1"
"""Of every bridge with IPv6, as docker's."""

LIST_CHAINS = "list chains\n"
"""At the end of a script: shows every firewall's chains without their rules."""

NOTHING = "\n"

_CHAINS = """\
  chain publish {
    dnat ip to ip daddr . meta l4proto . th dport map @one
    dnat ip to meta l4proto . th dport map @any
  }
  chain publish6 {
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @one6
    dnat ip6 to meta l4proto . th dport map @any6
  }
  chain guard {
    type filter hook prerouting priority raw; policy accept;
    ip daddr 127.0.0.0/8 iifname != "lo" drop
    ip saddr 127.0.0.0/8 iifname != "lo" drop
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    meta l4proto { tcp, udp, sctp } ip daddr != 127.0.0.0/8 fib daddr type local jump publish
    meta l4proto { tcp, udp, sctp } ip6 daddr != ::1 fib daddr type local jump publish6
  }
  chain output {
    type nat hook output priority -100; policy accept;
    meta l4proto { tcp, udp, sctp } meta nfproto ipv4 fib daddr type local jump publish
    meta l4proto { tcp, udp, sctp } ip6 daddr != ::1 fib daddr type local jump publish6
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr @subnets oifname != @bridges masquerade
    ip saddr @subnets oifname @bridges ct status dnat masquerade
    ip saddr 127.0.0.0/8 oifname @bridges masquerade
    ip6 saddr @subnets6 oifname != @bridges masquerade
    ip6 saddr @subnets6 oifname @bridges ct status dnat masquerade
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

# Differs from docker: a container can't claim the address of another one or of the gateway, nor pass for an IPv6 router
_BRIDGE_CHAIN = """\
  chain port {
    type filter hook prerouting priority -300; policy accept;
    iifname != "{links}*" accept
    icmpv6 type nd-router-advert drop
    ether saddr @macs iifname . ether saddr != @own_mac drop
    arp saddr ip @ipv4 iifname . arp saddr ip != @own_ipv4 drop
    ip saddr @ipv4 iifname . ip saddr != @own_ipv4 drop
    ip6 saddr @ipv6 iifname . ip6 saddr != @own_ipv6 drop
    icmpv6 type nd-neighbor-advert icmpv6 taddr @ipv6 iifname . icmpv6 taddr != @own_ipv6 drop
  }
"""

_RESOLVER = """\
add table ip wherry
delete table ip wherry
table ip wherry {{
  chain output {{
    type nat hook output priority -100; policy accept;
    ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:{port}
    ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:{port}
  }}
}}
"""


def table(tag: str) -> str:
    """One table for each root, in families inet and bridge."""
    return f"wherry_{tag}" if tag else "wherry"


def pattern(tag: str) -> str:
    """Matches every bridge of the root that got its name from wherry, and of no other one."""
    return f"wh{tag}-*" if tag else "wherry*"


def resolver_rules(port: int) -> str:
    """In a container's own namespace: port 53 of 127.0.0.11 is the monitor's. So 0.0.0.0:53 stays the container's."""
    return _RESOLVER.format(port=port)


def _elements(items: Sequence[str]) -> str:
    return f"elements = {{ {', '.join(items)} }}" if items else ""


def _split(publications: Sequence[Publication]) -> dict[str, list[str]]:
    """Elements for the maps. What is published on [::1] is the relay's, as is IPv6 for a container without."""
    maps: dict[str, list[str]] = {"any": [], "one": [], "any6": [], "one6": []}
    for port, address, address6 in publications:
        key, to = f"{port.protocol} . {port.host_port}", f"{address} . {port.container_port}"
        to6 = f"{address6} . {port.container_port}"
        if port.host_ip in ("", EVERY_IPV4):
            maps["any"].append(f"{key} : {to}")
        elif not is_ipv6(port.host_ip):
            maps["one"].append(f"{port.host_ip} . {key} : {to}")
        if address6 and port.host_ip in ("", "::"):
            maps["any6"].append(f"{key} : {to6}")
        elif address6 and is_ipv6(port.host_ip) and port.host_ip != "::1":
            maps["one6"].append(f"{port.host_ip} . {key} : {to6}")
    return maps


def _claims(owned: Sequence[Owned], networks: Sequence[Network] = ()) -> dict[str, list[str]]:
    """Elements for the sets of the bridge table: gateways belong to no port."""
    sets: dict[str, list[str]] = {
        "macs": [one.mac for one in owned],
        "own_mac": [f'"{one.link}" . {one.mac}' for one in owned],
        "ipv4": [one.gateway for one in networks] + [one.address for one in owned],
        "own_ipv4": [f'"{one.link}" . {one.address}' for one in owned],
        "ipv6": [where for n in networks if n.pool6 for where in (n.gateway6, LINK_LOCAL_GATEWAY)]
        + [one.address6 for one in owned if one.address6],
        "own_ipv6": [f'"{one.link}" . {one.address6}' for one in owned if one.address6],
    }
    return {name: list(dict.fromkeys(items)) for name, items in sets.items()}


def drop_table(tag: str, *, bridge: bool = True) -> str:
    """Idempotent. `bridge`: this kernel has rules for bridges."""
    name = table(tag)
    both = f"add table bridge {name}\ndelete table bridge {name}\n" if bridge else ""
    return f"add table inet {name}\ndelete table inet {name}\n{both}"


def add_ports(tag: str, joined: Sequence[Joined], publications: Sequence[Publication], *, bridge: bool = True) -> str:
    """Into tables that should be there; fails when something (a firewall's restart) took them away."""
    name = table(tag)
    bridges = ", ".join(f'"{one.endpoint.bridge}"' for one in joined)
    lines = [f"add element inet {name} bridges {{ {bridges} }}\n"]
    lines += [f"add element inet {name} {m} {{ {', '.join(e)} }}\n" for m, e in _split(publications).items() if e]
    if bridge:
        claims = _claims([owned(one) for one in joined])
        lines += [f"add element bridge {name} {s} {{ {', '.join(e)} }}\n" for s, e in claims.items() if e]
    return "".join(lines)


def owned(joined: Joined) -> Owned:
    """What that container's port may claim."""
    one = joined.endpoint
    return Owned(one.link, one.mac, one.address, one.address6)


def ruleset(
    tag: str, networks: Sequence[Network], publications: Sequence[Publication], *, replace: bool,
    claims: Sequence[Owned] | None = None,
) -> str:  # fmt: skip
    """Both tables. `replace` takes the old ones away in the same transaction; else they must not be there.

    `guard` keeps packets from outside off 127.0.0.0/8, which published loopback ports (and the bridges'
    route_localnet) would open to neighbours (CVE-2020-8558), and packets that pretend to come from there. It stands
    before any address is rewritten. `forward` lets into a bridge only answers, published ports and the bridge's own
    traffic. The bridge table keeps a container from taking another one's addresses, or the gateway's, and from telling
    its peers that it is an IPv6 router; what addresses else it gives itself is its own affair. `claims` None: this
    kernel has no rules for bridges.
    """
    name = table(tag)
    bridges = [f'"{one.bridge}"' for one in networks]
    open_ones = [f'"{n.bridge}" . "{n.bridge}"' for n in networks if n.says(OPTION_ICC)]
    masked = [one for one in networks if one.says(OPTION_MASQUERADE)]
    maps = _split(publications)
    head = drop_table(tag, bridge=claims is not None) if replace else _create(name, bridge=claims is not None)
    return f"""{head}table inet {name} {{
  set bridges {{ type ifname; {_elements(bridges)} }}
  set internal {{ type ifname; {_elements([f'"{n.bridge}"' for n in networks if n.internal])} }}
  set intra {{ type ifname . ifname; {_elements(open_ones)} }}
  set subnets {{ type ipv4_addr; flags interval; {_elements([n.subnet for n in masked])} }}
  set subnets6 {{ type ipv6_addr; flags interval; {_elements([n.subnet6 for n in masked if n.pool6])} }}
  map any {{ type inet_proto . inet_service : ipv4_addr . inet_service; {_elements(maps["any"])} }}
  map one {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; {_elements(maps["one"])} }}
  map any6 {{ type inet_proto . inet_service : ipv6_addr . inet_service; {_elements(maps["any6"])} }}
  map one6 {{ type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; {_elements(maps["one6"])} }}
{_CHAINS}}}
{_bridge_table(tag, networks, claims)}"""


def _create(name: str, *, bridge: bool) -> str:
    return f"create table inet {name}\n" + (f"create table bridge {name}\n" if bridge else "")


_SETS = {
    "macs": "ether_addr",
    "own_mac": "ifname . ether_addr",
    "ipv4": "ipv4_addr",
    "own_ipv4": "ifname . ipv4_addr",
    "ipv6": "ipv6_addr",
    "own_ipv6": "ifname . ipv6_addr",
}


def _bridge_table(tag: str, networks: Sequence[Network], claims: Sequence[Owned] | None) -> str:
    if claims is None:
        return ""
    found = _claims(claims, networks)
    sets = "".join(f"  set {name} {{ type {kind}; {_elements(found[name])} }}\n" for name, kind in _SETS.items())
    return f"table bridge {table(tag)} {{\n{sets}{_BRIDGE_CHAIN.replace('{links}', f'wv{tag}-')}}}\n"


def pass_rules(tag: str, family: str, foreign_table: str, chain: str, named: Sequence[str] = ()) -> str:
    """Past another firewall whose forward chain drops by default: a chain of ours, entered first.

    What may come in was decided in `forward` before; from our bridges to Docker's, Docker decides. `named` are bridges
    that the user named, which `pattern` does not match.
    """
    ours = table(tag)
    rules = []
    for bridges in (pattern(tag), *named):
        rules += [
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
