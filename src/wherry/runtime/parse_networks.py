"""--network and what stands beside it (--ip, --network-alias, --link, ...) → the networks of a container. Pure."""

from __future__ import annotations

from wherry.errors import InputError
from wherry.runtime.options import NetworkJoin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["fields", "ip_address", "is_user_defined", "link", "mac_address", "network", "settle"]

_KEYS = ("name", "alias", "driver-opt", "ip", "ip6", "link-local-ip", "mac-address")


def is_user_defined(name: str) -> bool:
    return name not in ("", "default", "bridge", "host", "none") and not name.startswith("container:")


def network(text: str) -> NetworkJoin:
    """NAME, or name=NAME,alias=A,ip=... as docker's CLI takes it. Raises: InputError."""
    if "=" not in text:
        if not text.strip():
            raise InputError("no name set for network")
        return NetworkJoin(text)
    many: dict[str, list[str]] = {key: [] for key in _KEYS}
    for field in text.split(","):
        key, equals, value = field.partition("=")
        key = key.strip().lower()
        if not equals:
            raise InputError(f"invalid field {field}")
        if key not in many:
            raise InputError(f"invalid field key {key}", hint=f"the keys are {', '.join(_KEYS)}")
        many[key].append(value.strip())
    name = (many["name"] or [""])[-1]
    if not name:
        raise InputError("network name/id is not specified")
    one = {key: (many[key] or [""])[-1] for key in ("ip", "ip6", "mac-address")}
    mac = mac_address(one["mac-address"]) if one["mac-address"] else ""
    local = many["link-local-ip"]
    ip_address(one["ip"], "IPv4")
    ip_address(one["ip6"], "IPv6")
    for address in local:
        ip_address(address, "link-local IP")
    return NetworkJoin(
        name, tuple(many["alias"]), one["ip"], one["ip6"], mac, tuple(local),
        driver_opts=tuple(many["driver-opt"]),
    )  # fmt: skip


def ip_address(text: str, kind: str) -> str:
    """`text` itself; `kind` is "IPv4", "IPv6" or "link-local IP", which may be of either. Raises: InputError."""
    import _socket  # not socket, which costs 3 ms

    families = {"IPv4": [_socket.AF_INET], "IPv6": [_socket.AF_INET6]}
    for family in families.get(kind, [_socket.AF_INET, _socket.AF_INET6]):
        try:
            _socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return text
    if not text:
        return ""
    raise InputError(f"invalid {kind} address: {text}")


def mac_address(text: str) -> str:
    """In lower case, with colons. Raises: InputError."""
    parts = text.strip().replace("-", ":").lower().split(":")
    if len(parts) != 6 or not all(len(part) == 2 and set(part) <= set("0123456789abcdef") for part in parts):
        raise InputError(f"{text} is not a valid mac address")
    return ":".join(parts)


def link(text: str) -> str:
    """NAME[:ALIAS] → NAME:ALIAS. Raises: InputError."""
    name, _, alias = text.partition(":")
    if ":" in alias or not name:
        raise InputError(f"bad format for links: {text}")
    return f"{name}:{alias or name.removeprefix('/')}"


def settle(joins: Sequence[NetworkJoin], beside: NetworkJoin) -> tuple[NetworkJoin, ...]:
    """The networks in order; what stands `beside` (its `network` is nothing) is the first one's. Raises: InputError."""
    first = joins[0] if joins else NetworkJoin("")
    for mine, other, what in (
        (first.aliases, beside.aliases, "--network-alias and per-network alias"),
        (first.links, beside.links, "--link and per-network links"),
        (first.ip, beside.ip, "--ip and per-network IPv4 address"),
        (first.ip6, beside.ip6, "--ip6 and per-network IPv6 address"),
        (first.mac_address, beside.mac_address, "--mac-address and per-network MAC address"),
        (first.link_local_ips, beside.link_local_ips, "--link-local-ip and per-network link-local IP addresses"),
    ):
        if mine and other:
            raise InputError(f"conflicting options: cannot specify both {what}")
    merged = NetworkJoin(
        first.network, first.aliases or beside.aliases, first.ip or beside.ip, first.ip6 or beside.ip6,
        first.mac_address or beside.mac_address, first.link_local_ips or beside.link_local_ips,
        first.links or beside.links, first.driver_opts,
    )  # fmt: skip
    found = (merged, *joins[1:])
    for place, one in enumerate(found):
        if not is_user_defined(one.network):
            if one.aliases:
                raise InputError("network-scoped aliases are only supported for user-defined networks")
            if one.links and one.network not in ("", "default", "bridge"):
                raise InputError("links are only supported for user-defined networks")
        if any(one.network == other.network for other in found[:place]):
            raise InputError(f'network "{one.network}" is specified multiple times')
    if len({is_user_defined(one.network) for one in found}) > 1:
        raise InputError("conflicting options: cannot attach both user-defined and non-user-defined network-modes")
    return found


def fields(found: Sequence[NetworkJoin]) -> dict[str, Any]:
    """RunOptions' fields for those networks."""
    first = found[0]
    return {
        "network": first.network,
        "network_aliases": first.aliases,
        "ip": first.ip,
        "ip6": first.ip6,
        "mac_address": first.mac_address,
        "link_local_ips": first.link_local_ips,
        "links": first.links,
        "networks": tuple(found) if len(found) > 1 or first.driver_opts else None,
    }
