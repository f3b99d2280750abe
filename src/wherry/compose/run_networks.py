"""The networks of a service's containers, their names and addresses there, published ports, and known names. Pure."""

from __future__ import annotations

from wherry.compose.container_names import final_name
from wherry.network.model import BY_NAME
from wherry.runtime import parse_names, parse_networks, parse_ports
from wherry.runtime.options import NetworkJoin, PortRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from wherry.compose.model import Project, Service
    from wherry.compose.model_parts import Port
    from wherry.compose.run_options import Identity

    Containers = Mapping[str, tuple[tuple[str, str], ...]]

__all__ = ["networks"]


def networks(project: Project, service: Service, identity: Identity, containers: Containers) -> dict[str, Any]:
    """Fields of RunOptions. Raises: InputError."""
    ports = [port for one in service.ports for port in _ports(one)]
    return {
        **_joins(project, service, identity, containers),
        "ports": tuple(dict.fromkeys(ports)),
        "expose": parse_ports.expose(service.expose),
        "dns": tuple(parse_names.dns(text) for text in service.dns),
        "dns_search": tuple(parse_names.dns_search(text) for text in service.dns_search),
        "dns_options": tuple(service.dns_opt),
        "extra_hosts": tuple(
            parse_names.extra_host(f"{name}={address}")
            for name, addresses in service.extra_hosts.items()
            for address in addresses
        ),
    }


def _ports(port: Port) -> list[PortRequest]:
    """As -p writes it: so its parser says what is wrong."""
    host = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip
    address = f"{host}:" if host else ""
    published = f"{port.published}:" if port.published or host else ""
    return parse_ports.publish(f"{address}{published}{port.target}/{port.protocol or 'tcp'}")


def _joins(project: Project, service: Service, identity: Identity, containers: Containers) -> dict[str, Any]:
    mode = service.network_mode
    mac = parse_networks.mac_address(service.mac_address) if service.mac_address else ""
    if mode in project.networks:
        mode = project.networks[mode].name
    if mode or not service.networks:
        # As docker-compose: on no network at all when the file leaves none
        mode = mode or "none"
        by_id = mode in ("bridge", "default")
        has_links = by_id or parse_networks.is_user_defined(mode)
        links = _links(project, service, identity, containers, by_id=by_id) if has_links else ()
        return {"network": mode, "mac_address": mac, "links": links}
    links = _links(project, service, identity, containers, by_id=False)
    joins = [
        _join(project, service, key, identity, links, is_first=not place)
        for place, key in enumerate(service.networks_by_priority())
    ]
    if mac and not joins[0].mac_address:
        joins[0] = joins[0]._replace(mac_address=mac)
    found = parse_networks.fields(joins)
    return {**found, "networks": tuple(joins)} if joins[0].driver_opts or len(joins) > 1 else found


def _join(
    project: Project, service: Service, key: str, identity: Identity, links: tuple[str, ...], *, is_first: bool
) -> NetworkJoin:
    chosen = service.networks[key]
    aliases = [identity.name, *([service.name] if identity.use_aliases else [])]
    name = project.networks[key].name
    if chosen is None:
        return NetworkJoin(name, tuple(dict.fromkeys(aliases)), links=links)
    if identity.use_aliases:
        aliases += chosen.aliases
    return NetworkJoin(
        name,
        tuple(dict.fromkeys(aliases)),
        parse_networks.ip_address(chosen.ipv4_address, "IPv4"),
        parse_networks.ip_address(chosen.ipv6_address, "IPv6"),
        parse_networks.mac_address(chosen.mac_address) if chosen.mac_address else "",
        tuple(parse_networks.ip_address(text, "link-local IP") for text in chosen.link_local_ips),
        links,
        tuple(f"{option}={value}" for option, value in chosen.driver_opts.items()),
    )


def _links(
    project: Project, service: Service, identity: Identity, containers: Containers, *, by_id: bool
) -> tuple[str, ...]:
    """CONTAINER:ALIAS, by docker-compose's rule: three names for each container of a linked service (the number in two
    of them is this container's own); a one-off knows its service's containers; external ones are as they are said.

    On networks of its own they hold by name, as with docker: they outlive a container that is made anew."""
    found: list[str] = []

    def target(id: str, name: str) -> str:
        return id if by_id else BY_NAME + final_name(name)

    for link in service.links:
        name, _, alias = link.partition(":")
        for id, container in containers.get(name, ()):
            names = (alias or name, f"{name}-{identity.number}", f"{project.name}-{name}-{identity.number}")
            found += [f"{target(id, container)}:{one}" for one in names]
    if identity.one_off and identity.use_aliases:
        for id, container in containers.get(service.name, ()):
            called = final_name(container)
            names = (service.name, called.removeprefix(f"{project.name}-"), called)
            found += [f"{target(id, container)}:{one}" for one in names]
    for link in service.external_links:
        name, _, alias = link.partition(":")
        found.append(f"{target(name, name)}:{alias or name}")
    return tuple(found)
