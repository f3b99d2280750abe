"""Networks in docker's shapes: `network inspect`, the NetworkSettings of a container, names that can't be."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from wherry.network.address import Pool
from wherry.network.model import (
    BY_NAME,
    EVERY_IPV4,
    Attachment,
    Endpoint,
    Join,
    Joined,
    Network,
    NetworkRequest,
    Published,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.network.ipam import Member

__all__ = ["bindings", "document", "predefined", "settings"]

_PREDEFINED = ("bridge", "host", "none")


def predefined(name: str) -> Network:
    """The networks "host" and "none", which have no rows."""
    return Network(sha256(f"wherry network {name}".encode()).hexdigest(), name, -1, "", "", "")


def bindings(published: Sequence[Published], exposed: Sequence[str] = ()) -> dict[str, list[dict[str, str]] | None]:
    """Docker's Ports: "80/tcp" to where it answers; None for an exposed port that is not published."""
    found: dict[str, list[dict[str, str]] | None] = dict.fromkeys(exposed)
    for port in published:
        places = found.get(f"{port.container_port}/{port.protocol}") or []
        for host_ip in (port.host_ip,) if port.host_ip else (EVERY_IPV4, "::"):
            places.append({"HostIp": host_ip, "HostPort": str(port.host_port)})
        found[f"{port.container_port}/{port.protocol}"] = places
    return dict(sorted(found.items()))


def settings(attachment: Attachment | None, asked: NetworkRequest, exposed: Sequence[str]) -> dict[str, object]:
    """NetworkSettings of `inspect`: a container that does not run is on its networks, with empty fields."""
    joined = {one.network.name: one for one in attachment.joined} if attachment else {}
    wanted = {join.network or "bridge": join for join in asked.wanted()}
    default = joined.get("bridge")
    old = _place(default.endpoint if default else None, default.network if default else None)
    published = attachment.published if attachment else ()
    shared = asked.mode.startswith("container:")
    names = [] if shared else sorted({*wanted, *joined}) if joined else list(wanted)
    return {
        "Bridge": "",
        "SandboxID": attachment.container_id if attachment else "",
        "SandboxKey": "",
        "Ports": bindings(published, exposed) if joined else {},
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        # The fields of old are the default bridge's only
        **{key: value for key, value in old.items() if key != "NetworkID"},
        "Networks": {name: _membership(asked, wanted.get(name) or Join(name), joined.get(name)) for name in names},
    }


def _place(endpoint: Endpoint | None, network: Network | None) -> dict[str, object]:
    """The fields of an endpoint, empty ones without it."""
    return {
        "MacAddress": endpoint.mac if endpoint else "",
        "NetworkID": network.id if network else "",
        "EndpointID": _endpoint_id(endpoint.container_id, network.number) if endpoint and network else "",
        "Gateway": endpoint.gateway if endpoint else "",
        "IPAddress": endpoint.address if endpoint else "",
        "IPPrefixLen": endpoint.prefix if endpoint else 0,
        "IPv6Gateway": endpoint.gateway6 if endpoint else "",
        "GlobalIPv6Address": endpoint.address6 if endpoint else "",
        "GlobalIPv6PrefixLen": endpoint.prefix6 if endpoint else 0,
    }


def _membership(asked: NetworkRequest, join: Join, one: Joined | None) -> dict[str, object]:
    names = None
    if one and not one.network.is_default:
        names = list(dict.fromkeys((asked.name, *join.aliases, one.endpoint.container_id[:12])))
    config: dict[str, object] = {
        key: value
        for key, value in (
            ("IPv4Address", join.ipv4), ("IPv6Address", join.ipv6), ("LinkLocalIPs", list(join.link_locals)),
        )
        if value
    }  # fmt: skip
    return {
        "IPAMConfig": config or None,
        "Links": [_link(link) for link in join.links] or None,
        "Aliases": list(join.aliases) or None,
        **_place(one.endpoint if one else None, one.network if one else None),
        "DriverOpts": dict(text.partition("=")[::2] for text in join.driver_opts) or None,
        "DNSNames": names,
    }


def _link(link: str) -> str:
    target, colon, alias = link.partition(":")
    return (target.removeprefix(BY_NAME) if target.startswith(BY_NAME) else target[:12]) + colon + alias


def _endpoint_id(container_id: str, network: int) -> str:
    return sha256(f"wherry endpoint {container_id} {network}".encode()).hexdigest()


def document(network: Network, members: Sequence[Member]) -> dict[str, object]:
    """Docker's JSON of `network inspect`."""
    from datetime import UTC, datetime

    created = datetime.fromtimestamp(network.created_ns // 1_000_000_000, UTC)
    driver = network.name if network.name in ("host", "none") else "bridge"
    driver = "null" if driver == "none" else driver
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Scope": "local",
        "Driver": "null" if network.config_only else driver,
        "EnableIPv6": network.ipv6,
        "IPAM": {
            "Driver": "default",
            "Options": None if network.name in _PREDEFINED else dict(network.ipam_options),
            "Config": _pools(network) if network.name not in ("host", "none") else None,
        },
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": network.config_from},
        "ConfigOnly": network.config_only,
        "Containers": {
            one.container_id: {
                "Name": one.names[0],
                "EndpointID": _endpoint_id(one.container_id, network.number),
                "MacAddress": one.mac,
                "IPv4Address": f"{one.address}/{_prefix(network.subnet)}",
                "IPv6Address": f"{one.address6}/{_prefix(network.subnet6)}" if one.address6 else "",
            }
            for one in members
        },
        "Options": {"com.docker.network.bridge.name": network.bridge, **network.options} if network.bridge else {},
        "Labels": dict(network.labels),
    }


def _prefix(subnet: str) -> int:
    return Pool.parse(subnet).prefix


def _pools(network: Network) -> list[dict[str, object]]:
    """IPAM.Config: one for each family, with the addresses that are its."""
    found: list[dict[str, object]] = []
    for subnet, part, gateway in (
        (network.subnet, network.ip_range, network.gateway), (network.subnet6, network.ip_range6, network.gateway6)
    ):  # fmt: skip
        if subnet:
            aux = {name: where for name, where in network.aux.items() if Pool.parse(subnet).holds(where)}
            fields = {"Subnet": subnet, "IPRange": part, "Gateway": gateway, "AuxiliaryAddresses": aux}
            found.append({key: value for key, value in fields.items() if value})
    return found
