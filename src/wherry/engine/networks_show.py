"""Networks in docker's shapes: `network inspect`, the NetworkSettings of a container, names that can't be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256

from wherry.errors import Conflict, InputError
from wherry.network import address
from wherry.network.address import Pool
from wherry.network.model import EVERY_IPV4, Attachment, Network, NetworkRequest, Published

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.network.ipam import Member

__all__ = ["PREDEFINED", "bindings", "check", "document", "predefined", "refuse_predefined", "settings"]

PREDEFINED = ("bridge", "host", "none")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")


def predefined(name: str) -> Network:
    """The networks "host" and "none", which have no rows."""
    return Network(sha256(f"wherry network {name}".encode()).hexdigest(), name, -1, "", "", "")


def refuse_predefined(name: str) -> None:
    """Raises: Conflict."""
    if name in PREDEFINED:
        raise Conflict(f"{name} is a pre-defined network and cannot be removed")


def check(wanted: Network) -> None:
    """Raises: InputError, Conflict."""
    if wanted.name in (*PREDEFINED, "default"):
        raise Conflict(f"operation is not permitted on predefined {wanted.name} network", hint="choose another name")
    if not _NAME.fullmatch(wanted.name):
        raise InputError(
            f'invalid network name "{wanted.name}"', hint="letters, digits, and then also . _ - (docker's rule)"
        )
    if not wanted.subnet:
        if wanted.gateway or wanted.ip_range:
            raise InputError("every ip-range or gateway must have a corresponding subnet", hint="give --subnet too")
        return
    pool = Pool.parse(wanted.subnet)
    if pool.last - pool.first < 3:
        raise InputError(f"subnet {pool} has no room for a gateway and a container", hint="use a /29 or larger")
    if wanted.gateway and address.parse(wanted.gateway) not in pool:
        raise InputError(f"no matching subnet for gateway {wanted.gateway}: it is not in {pool}")
    if wanted.ip_range:
        part = Pool.parse(wanted.ip_range)
        if part.first not in pool or part.last not in pool:
            raise InputError(f"no matching subnet for range {wanted.ip_range}: it is not in {pool}")


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
    """NetworkSettings of `inspect`: a container that does not run is on its network, with empty fields."""
    name = attachment.network.name if attachment and attachment.network else asked.mode or "bridge"
    is_default = name in PREDEFINED
    endpoint = attachment.endpoint if attachment else None
    network = attachment.network if attachment else None
    one: dict[str, object] = {
        "MacAddress": endpoint.mac if endpoint else "",
        "NetworkID": network.id if network else "",
        "EndpointID": _endpoint_id(attachment.container_id) if attachment and endpoint else "",
        "Gateway": endpoint.gateway if endpoint else "",
        "IPAddress": endpoint.address if endpoint else "",
        "IPPrefixLen": endpoint.prefix if endpoint else 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
    }
    published = attachment.published if attachment else ()
    return {
        "Bridge": "",
        "SandboxID": attachment.container_id if attachment else "",
        "SandboxKey": "",
        "Ports": bindings(published, exposed) if endpoint else {},
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        # The fields of old are the default bridge's only
        **{key: one[key] if is_default else type(one[key])() for key in one if key != "NetworkID"},
        "Networks": {} if name.startswith("container:") else {name: _membership(asked, one, attachment)},
    }


def _membership(asked: NetworkRequest, one: dict[str, object], attachment: Attachment | None) -> dict[str, object]:
    names = None
    if attachment and attachment.network and not attachment.network.is_default:
        names = [asked.name, *asked.aliases, attachment.container_id[:12]]
    return {
        "IPAMConfig": {"IPv4Address": asked.ipv4} if asked.ipv4 else None,
        "Links": None,
        "Aliases": list(asked.aliases) or None,
        **one,
        "DriverOpts": None,
        "DNSNames": names,
    }


def _endpoint_id(container_id: str) -> str:
    return sha256(f"wherry endpoint {container_id}".encode()).hexdigest()


def document(network: Network, members: Sequence[Member]) -> dict[str, object]:
    """Docker's JSON of `network inspect`."""
    from datetime import UTC, datetime

    created = datetime.fromtimestamp(network.created_ns // 1_000_000_000, UTC)
    driver = network.name if network.name in ("host", "none") else "bridge"
    driver = "null" if driver == "none" else driver
    pool = {"Subnet": network.subnet, **({"IPRange": network.ip_range} if network.ip_range else {})}
    prefix = Pool.parse(network.subnet).prefix if network.subnet else 0
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Scope": "local",
        "Driver": driver,
        "EnableIPv6": False,
        "IPAM": {
            "Driver": "default",
            "Options": None if network.is_default else {},
            "Config": [{**pool, "Gateway": network.gateway}] if network.subnet else [],
        },
        "Internal": network.internal,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {
            one.container_id: {
                "Name": one.names[0],
                "EndpointID": _endpoint_id(one.container_id),
                "MacAddress": address.mac_of(one.address),
                "IPv4Address": f"{one.address}/{prefix}",
                "IPv6Address": "",
            }
            for one in members
        },
        "Options": {"com.docker.network.bridge.name": network.bridge, **network.options} if network.bridge else {},
        "Labels": dict(network.labels),
    }
