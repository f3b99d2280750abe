"""Where a redirect may lead, and what goes along. Pure."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

from wherry.errors import InvalidSpec, RegistryError
from wherry.registry.transport_url import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.registry.transport import Request

__all__ = ["allowed", "leads_inside", "next_request"]

_PRIVATE = frozenset({"authorization", "cookie"})


def next_request(request: Request, location: str) -> Request:
    """The request at `location`, without what belongs to the old host only. Raises: RegistryError."""
    url = allowed(request.url, location, is_insecure=not request.trust.verify)
    if url.origin == request.url.origin and url.scheme == request.url.scheme:
        return request._replace(url=url)
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _PRIVATE}
    return request._replace(url=url, headers=headers, trust=request.trust.elsewhere())


def allowed(source: Url, location: str, *, is_insecure: bool = False) -> Url:
    """`location` as an absolute URL. Raises: RegistryError for one that a registry has no business to name.

    From https to http: never, except to this machine when certificates do not count anyway. From elsewhere to this
    machine or to a link-local address (where clouds keep their metadata): never.
    """
    try:
        url = Url.parse(location, source)
    except InvalidSpec as fault:
        raise RegistryError(f"{source.shown}: redirected to where wherry does not go: {fault}") from None
    if source.scheme == "https" and url.scheme == "http" and not (is_insecure and url.is_loopback):
        raise RegistryError(
            f"{source.shown}: redirected from https to {url.shown}",
            hint="a registry that sends blobs over http can be read by anybody on the way: ask whoever runs it",
        )
    if leads_inside(source, url):
        raise RegistryError(f"{source.shown}: redirected to an address of this machine or link, {url.shown}")
    return url


def leads_inside(source: Url, url: Url) -> bool:
    """Whether `source` names a place that only this machine can reach, and that it does not live in itself.

    A registry on loopback may name another port there; but nobody names the link, where clouds keep their metadata.
    """
    if url.host == source.host:
        return False
    return _is_link(url) or (_is_loopback(url) and not _is_loopback(source))


def _is_loopback(url: Url) -> bool:
    address = _address(url)
    is_named = f".{_bare(url)}".endswith(".localhost")
    return url.is_loopback or is_named or bool(address and address.is_loopback)


def _is_link(url: Url) -> bool:
    address = _address(url)
    return bool(address and (address.is_link_local or address.is_unspecified))


def _bare(url: Url) -> str:
    """The host without a zone, and without the dot that ends an absolute name."""
    return url.host.partition("%")[0].rstrip(".")


def _address(url: Url) -> IPv4Address | IPv6Address | None:
    """None for a name. Every spelling that the resolver takes for an address is one: 2130706433, 0x7f.1, 127.0.0.1."""
    host = _bare(url)
    try:
        address = ip_address(host)
    except ValueError:
        try:
            return IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    return getattr(address, "ipv4_mapped", None) or address
