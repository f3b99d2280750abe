"""dockerd's daemon.json, as a courtesy: mirrors of Docker Hub, and registries that it takes without checks. Pure.

Spec: https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file
"""

from __future__ import annotations

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["Daemon", "parse"]


class Daemon(NamedTuple):
    """`mirrors`: (scheme, host) of Docker Hub's mirrors in order. `insecure`: hosts, host:port, or CIDR ranges."""

    mirrors: tuple[tuple[str, str], ...] = ()
    insecure: tuple[str, ...] = ()

    def is_insecure(self, host: str) -> bool:
        """By the name as written. A range holds addresses that are written as such.

        Differs from docker: names are not looked up to see whether their address is in a range.
        """
        from ipaddress import ip_address, ip_network

        from wherry.registry.hosts import split_port

        name, _ = split_port(host)
        for entry in self.insecure:
            if entry in (host, name):
                return True
            if "/" in entry:
                try:
                    if ip_address(name) in ip_network(entry, strict=False):
                        return True
                except (ValueError, TypeError):
                    continue
        return False


def parse(data: bytes, path: str) -> Daemon:
    """Raises: InputError with the file and, for a fault of JSON, the line."""
    from wherry.registry.credentials_file import read_json

    _, document = read_json(data, path)
    mirrors = []
    for text in _strings(document, "registry-mirrors", path):
        scheme, colon, rest = text.partition("://")
        host, _, behind = rest.partition("/")
        if not colon or scheme not in ("http", "https") or not host or behind or "@" in host or "?" in host:
            raise InputError(f"registry-mirrors: {text[:200]!r} is not http(s)://host[:port]", where=path)
        mirrors.append((scheme, host.lower()))
    insecure = [text.partition("://")[2] or text for text in _strings(document, "insecure-registries", path)]
    return Daemon(tuple(mirrors), tuple(text.lower().removesuffix("/") for text in insecure))


def _strings(document: dict[str, object], key: str, path: str) -> list[str]:
    value = document.get(key) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InputError(f"{key}: expected a list of strings", where=path)
    return value
