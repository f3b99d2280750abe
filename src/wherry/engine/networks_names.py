"""How containers find each other by name: what their resolvers read, and the links of old in /etc/hosts.

On a network that the user made, a container asks its own monitor at 127.0.0.11 (docs/adr/0183-names-by-a-resolver.md).
One file for each network says who is on it; one for each container says which of those files count for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from wherry.engine import networks_files as host_files
from wherry.errors import Conflict
from wherry.fs.atomic import replace_file
from wherry.network import dns
from wherry.network.model import BY_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.engine.networks_kernel import Kernel
    from wherry.network.ipam import Member, Sandbox
    from wherry.network.model import Attachment, FileRequest, Joined

__all__ = ["hosts_links", "link_env", "resolv_of", "resolver_file", "tell", "turn_on", "write_resolver"]


def resolver_file(kernel: Kernel, joined: Sequence[Joined], servers: Sequence[str]) -> str:
    """What a container's own resolver is told, as JSON."""
    mine = [one for one in joined if not one.network.is_default]
    links = {
        alias.lower(): target.removeprefix(BY_NAME).lower()
        for target, _, alias in (link.partition(":") for one in mine for link in one.links)
    }
    # As docker: a container that can't reach the world asks it nothing either
    forwards = any(one.endpoint.gateway for one in joined)
    return json.dumps({
        "servers": list(servers) if forwards else [],
        # Kept for the day when it gets a way out
        "all_servers": list(servers),
        "networks": [kernel.names_path(one.network.number) for one in mine],
        "links": links,
    })  # fmt: skip


def resolv_of(request: FileRequest, *, host: str) -> tuple[str, list[str]]:
    """/etc/resolv.conf for a container with a resolver, and the servers that it asks in turn.

    They are asked from the host's namespace, so those on its loopback count too.
    """
    servers = list(request.dns) or dns.nameservers(host)
    return dns.resolver_conf(host, request), servers


def write_resolver(path: str, text: str) -> None:
    """Raises: OSError."""
    replace_file(path, text.encode(), 0o600, durable=False)


def tell(engine: Engine, kernel: Kernel, number: int) -> None:
    """Say anew who is on that network. The network's lock is held."""
    members = kernel.book.members(number)
    network = kernel.book.numbered(number)
    if network and network.is_default:
        return _tell_linked(members)
    if not network or not members:
        return kernel.forget_names(number)
    text = json.dumps({
        "name": network.name,
        "members": [[one.container_id, [n.lower() for n in one.names], one.address, one.address6] for one in members],
    })  # fmt: skip
    return replace_file(kernel.names_path(number), text.encode(), 0o600, durable=False)


def _tell_linked(members: Sequence[Member]) -> None:
    """Renew the addresses that links of old stand for, as docker does when the other end starts again."""
    known = {one.container_id: one for one in members}
    for member in members:
        for link in member.links:
            target, _, alias = link.partition(":")
            if target in known and member.hosts_path:
                names = link_names(known[target], alias)
                change = partial(dns.with_name, address=known[target].address, names=names)
                with suppress(OSError):
                    host_files.rewrite(member.hosts_path, change)


def link_names(target: Member, alias: str) -> str:
    """As docker writes them: the alias, the short id, the name."""
    return " ".join(dict.fromkeys((alias, target.hostname, target.names[0])))


def hosts_links(engine: Engine, kernel: Kernel, attachment: Attachment, name: str) -> list[tuple[str, str]]:
    """(address, names) of --link on the default bridge. Raises: Conflict (it does not run)."""
    links = [link for one in attachment.joined if one.network.is_default for link in one.links]
    if not links:
        return []
    known = {one.container_id: one for one in kernel.book.members(0)}
    found = []
    for link in links:
        target, _, alias = link.partition(":")
        if target not in known:
            other = engine.containers.find(target).name
            raise Conflict(
                f"Cannot link to a non running container: /{other} AS /{name}/{alias}", hint=f"wherry start {other}"
            )
        found.append((known[target].address, link_names(known[target], alias)))
    return found


def link_env(engine: Engine, attachment: Attachment, name: str) -> list[str]:
    """Docker's variables of --link on the default bridge: where the other end is, and what it was given."""
    from wherry.oci.digest import Digest

    known = {one.container_id: one for one in engine.networks.book.members(0)}
    found: list[str] = []
    for link in (link for one in attachment.joined if one.network.is_default for link in one.links):
        target, _, alias = link.partition(":")
        row = engine.containers.find(target)
        config, options = engine.images.config(Digest(row.image_id)).config, row.options()
        word = alias.replace("-", "_").upper()
        exposed = {*config.exposed_ports, *options.expose, *(f"{p.container_port}/{p.protocol}" for p in options.ports)}
        ports = sorted(
            (int(port), protocol or "tcp")
            for port, _, protocol in (one.partition("/") for one in exposed)
            if port.isdecimal()
        )
        where = known[target].address if target in known else ""
        for first, (port, protocol) in enumerate(ports):
            url, key = f"{protocol}://{where}:{port}", f"{word}_PORT_{port}_{protocol.upper()}"
            found += [] if first else [f"{word}_PORT={url}"]
            found += [f"{key}={url}", f"{key}_ADDR={where}", f"{key}_PORT={port}", f"{key}_PROTO={protocol}"]
        found.append(f"{word}_NAME=/{name}/{alias}")
        given = [*config.env, *options.env]
        found += [f"{word}_ENV_{one}" for one in given if not one.startswith(("HOME=", "PATH=", "HOSTNAME=", "TERM="))]
    return found


def turn_on(kernel: Kernel, sandbox: Sandbox, joined: Sequence[Joined]) -> None:
    """A running container is on its networks now: tell its resolver, and give it one when it had none.

    /etc/resolv.conf is rewritten in place: it is mounted in the container. Raises: OSError.
    """
    if not sandbox.names_path:
        return
    named = any(not one.network.is_default for one in joined)
    try:
        with open(sandbox.names_path, encoding="utf-8") as file:
            servers = json.load(file)["all_servers"]
    except FileNotFoundError:
        if not named:
            return
        path = f"{os.path.dirname(sandbox.hosts_path)}/resolv.conf"
        servers = dns.nameservers(host_files.text(path))
        host_files.rewrite(path, dns.to_resolver)
    write_resolver(sandbox.names_path, resolver_file(kernel, joined, servers))
