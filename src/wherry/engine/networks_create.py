"""`network create`: what may be asked for, and the pools that follow. And what addresses a container may ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from wherry.engine import networks_files as host_files
from wherry.errors import Conflict, InputError, NotFound
from wherry.network import address, apply
from wherry.network.address import Pool
from wherry.network.model import (
    BY_NAME,
    OPTION_BRIDGE,
    OPTION_HOST_IP,
    OPTION_ICC,
    OPTION_MASQUERADE,
    OPTION_MTU,
    Join,
    Network,
)
from wherry.network.pools import parse_routes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.engine import Engine
    from wherry.engine.networks import Networks
    from wherry.runtime.options import RunOptions

__all__ = [
    "PREDEFINED",
    "check",
    "check_join",
    "create",
    "faults",
    "link_ids",
    "pools",
    "refuse_addresses",
    "refuse_predefined",
    "remove",
    "with_ids",
]

PREDEFINED = ("bridge", "host", "none")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_BRIDGE_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}")
_USER_DEFINED = "user specified IP address is supported on user defined networks only"
_USER_SUBNETS = "user specified IP address is supported only when connecting to networks with user configured subnets"
_BOOLEANS = ("1", "t", "true", "0", "f", "false")


def create(networks: Networks, wanted: Network) -> Network:
    """See Networks.create."""
    check(wanted)
    if wanted.config_from:
        wanted = _configured(networks, wanted)
    bridge = wanted.options.get(OPTION_BRIDGE, "")
    # Differs from docker: a bridge that somebody else made is not taken over (and later removed)
    if bridge and not wanted.config_only and apply.has_link(bridge):
        raise Conflict(f"a network interface {bridge} is there already", hint="choose another bridge name")
    return networks.book.create(wanted, parse_routes(host_files.routes()))


def _configured(networks: Networks, wanted: Network) -> Network:
    """With what a --config-only network says. Raises: NotFound, InputError."""
    if wanted.subnet or wanted.subnet6 or wanted.options or wanted.ipv6 or wanted.internal:
        raise InputError(
            "user specified configurations are not supported if the network depends on a configuration network"
        )
    try:
        found = networks.book.network(wanted.config_from)
    except NotFound as fault:
        raise NotFound(f'cannot find configuration network "{wanted.config_from}"', hint=fault.hint) from None
    if not found.config_only:
        raise InputError(
            f'"{found.name}" is not a configuration network', hint="network create --config-only makes one"
        )
    return found._replace(
        name=wanted.name, labels=wanted.labels or found.labels, config_only=False, config_from=found.name,
        attachable=wanted.attachable,
    )  # fmt: skip


def refuse_predefined(name: str) -> None:
    """Raises: Conflict."""
    if name in PREDEFINED:
        raise Conflict(f"{name} is a pre-defined network and cannot be removed")


def remove(networks: Networks, network: Network) -> None:
    """Its row; not while a container is being released from it, which looks in the rows for bridges to take down.

    Raises: Conflict, Locked.
    """
    networks.kernel.finish()
    with networks.kernel.lock():
        networks.book.remove(network)


def pools(
    subnets: Sequence[str], gateways: Sequence[str], ranges: Sequence[str], aux: Mapping[str, str]
) -> dict[str, Any]:
    """The fields of a Network that these are, matched as docker does. Raises: InputError."""
    found: dict[str, Any] = {"aux": dict(aux)}
    known: dict[str, Pool] = {}
    for text in subnets:
        try:
            pool = Pool.parse(text)
        except InputError as fault:
            raise InputError(
                f"invalid network config:\ninvalid subnet {text}: {fault.message}", hint=fault.hint
            ) from None
        six = "6" if pool.bits == 128 else ""
        if six in known:
            raise InputError("bridge driver doesn't support multiple subnets", hint="one of IPv4 and one of IPv6")
        known[six] = pool
        found[f"subnet{six}"] = str(pool)
    if ((gateways or ranges) and len(gateways) > len(subnets)) or len(ranges) > len(subnets):
        raise InputError("every ip-range or gateway must have a corresponding subnet", hint="give --subnet too")
    for text in ranges:
        part = _within(known, text.partition("/")[0], f"no matching subnet for range {text}")
        pool = Pool.parse(text)
        if pool.last not in known[part]:
            raise InputError(f"no matching subnet for range {text}")
        found[f"ip_range{part}"] = str(pool)
    for text in gateways:
        found[f"gateway{_within(known, text, f'no matching subnet for gateway {text}')}"] = text
    for text in aux.values():
        _within(known, text, f"no matching subnet for aux-address {text}")
    return found


def _within(known: Mapping[str, Pool], text: str, complaint: str) -> str:
    """Which of the subnets an address is in. Raises: InputError."""
    try:
        return next(six for six, pool in known.items() if pool.holds(text))
    except (StopIteration, InputError):
        raise InputError(complaint, hint="it must be in a --subnet") from None


def check(wanted: Network) -> None:
    """Raises: InputError, Conflict."""
    if wanted.name in (*PREDEFINED, "default"):
        raise Conflict(f"operation is not permitted on predefined {wanted.name} network", hint="choose another name")
    if not _NAME.fullmatch(wanted.name):
        raise InputError(
            f'invalid network name "{wanted.name}"', hint="letters, digits, and then also . _ - (docker's rule)"
        )
    _check_options(wanted.options)
    if not wanted.subnet and not wanted.subnet6 and (wanted.gateway or wanted.ip_range):
        raise InputError("every ip-range or gateway must have a corresponding subnet", hint="give --subnet too")
    for subnet, gateway, part in (
        (wanted.subnet, wanted.gateway, wanted.ip_range), (wanted.subnet6, wanted.gateway6, wanted.ip_range6)
    ):  # fmt: skip
        if subnet:
            _check_pool(Pool.parse(subnet), gateway, part)


def _check_pool(pool: Pool, gateway: str, part: str) -> None:
    if pool.last - pool.first < 3:
        raise InputError(f"subnet {pool} has no room for a gateway and a container", hint="use a /29 or larger")
    if gateway and not pool.holds(gateway):
        raise InputError(f"no matching subnet for gateway {gateway}: it is not in {pool}")
    if part and (Pool.parse(part).first not in pool or Pool.parse(part).last not in pool):
        raise InputError(f"no matching subnet for range {part}: it is not in {pool}")


def _check_options(options: Mapping[str, str]) -> None:
    """The bridge driver's, in docker's words. Others are kept, and mean nothing, as in docker."""
    mtu = options.get(OPTION_MTU, "")
    if mtu and not (mtu.isascii() and mtu.isdecimal() and len(mtu) < 7):
        raise InputError(f'failed to parse {OPTION_MTU} value: {mtu} (strconv.Atoi: parsing "{mtu}": invalid syntax)')
    if mtu and not 68 <= int(mtu) <= 65535:
        raise InputError(f"invalid MTU {mtu}", hint="from 68 to 65535; 1500 is usual")
    for name in (OPTION_ICC, OPTION_MASQUERADE):
        value = options.get(name, "")
        if value and value.lower() not in _BOOLEANS:
            raise InputError(
                f'failed to parse {name} value: {value} (strconv.ParseBool: parsing "{value}": invalid syntax)'
            )
    if host_ip := options.get(OPTION_HOST_IP):
        try:
            address.parse(host_ip)
        except InputError:
            raise InputError(f"failed to parse {OPTION_HOST_IP} value: {host_ip}") from None
    bridge = options.get(OPTION_BRIDGE, "")
    if bridge and not _BRIDGE_NAME.fullmatch(bridge):
        raise InputError(f"invalid bridge name {bridge!r}", hint="at most 15 letters, digits, and . _ -")


def link_ids(engine: Engine, links: Sequence[str]) -> tuple[str, ...]:
    """NAME_OR_ID[:ALIAS] each → ID:ALIAS, but those BY_NAME. Raises: NotFound."""
    found = []
    for link in links:
        name, _, alias = link.partition(":")
        if name.startswith(BY_NAME):
            found.append(link)
            continue
        try:
            found.append(f"{engine.containers.find(name).id}:{alias or name.removeprefix('/')}")
        except NotFound as fault:
            raise NotFound(f"could not get container for {name}: {fault.message}", hint=fault.hint) from None
    return tuple(found)


def with_ids(engine: Engine, options: RunOptions) -> RunOptions:
    """Links by the ids of containers, which may be renamed. Raises: NotFound."""
    if options.networks is not None:
        joins = [one._replace(links=link_ids(engine, one.links)) for one in options.networks]
        options = options._replace(networks=tuple(joins))
    return options._replace(links=link_ids(engine, options.links))


def faults(network: Network, join: Join) -> list[str]:
    """What docker has against the addresses that a container asks for on that network."""
    found = []
    if (join.ipv4 or join.ipv6) and network.is_default:
        found.append(_USER_DEFINED)
    for wanted, pool, is_auto, kind in (
        (join.ipv4, network.subnet, network.is_auto, "IPv4"), (join.ipv6, network.pool6, network.is_auto6, "IPv6")
    ):  # fmt: skip
        if not wanted:
            continue
        try:
            address.parse(wanted)
            if address.is_ipv6(wanted) != (kind == "IPv6"):
                raise InputError("")
        except InputError:
            found.append(f"invalid {kind} address: {wanted}")
        if is_auto or not pool:
            found.append(_USER_SUBNETS)
        elif found or not Pool.parse(pool).holds(wanted):
            found.append(f"no configured subnet or ip-range contain the IP address {wanted}")
    for wanted in join.link_locals:
        try:
            address.parse(wanted)
        except InputError:
            found.append(f"invalid link-local IP address: {wanted}")
    return found


def complaint(found: Sequence[str]) -> str:
    """Several faults as docker joins them."""
    text = found[0] if len(found) == 1 else "\n".join(f"* {one}" for one in found)
    return f"invalid endpoint settings:\n{text}"


def refuse_addresses(mode: str) -> None:
    """Of a container without a network of its own, in docker's words. Raises: InputError."""
    found = [_USER_DEFINED] if mode.startswith("container:") else [_USER_DEFINED, _USER_SUBNETS]
    raise InputError(f"invalid config for network {mode}: {complaint(found)}")


def check_join(network: Network, join: Join) -> None:
    """Raises: InputError."""
    if network.config_only:
        raise InputError(f'configuration network "{network.name}" cannot be used for containers')
    if found := faults(network, join):
        raise InputError(f"invalid config for network {network.name}: {complaint(found)}")
