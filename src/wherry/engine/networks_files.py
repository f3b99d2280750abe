"""The host's own files that containers' networks are made of, and the containers' hosts files kept current."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["resolvers", "rewrite", "routes", "text"]

_LIMIT = 1 << 20


def rewrite(path: str, change: Callable[[str], str]) -> None:
    """Raises: OSError."""
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        old = os.read(fd, _LIMIT).decode("utf-8", "surrogateescape")
        if (new := change(old)) != old:
            data = new.encode("utf-8", "surrogateescape")
            os.pwrite(fd, data, 0)
            os.ftruncate(fd, len(data))
    finally:
        os.close(fd)


def text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_LIMIT)
    except OSError:
        return ""


def routes() -> str:
    return text("/proc/net/route")


def resolvers() -> str:
    """The host's resolv.conf; behind systemd's stub the list of real servers, which containers can reach."""
    from wherry.network import dns

    found = text("/etc/resolv.conf")
    if dns.nameservers(found) == ["127.0.0.53"]:
        return text("/run/systemd/resolve/resolv.conf") or found
    return found
