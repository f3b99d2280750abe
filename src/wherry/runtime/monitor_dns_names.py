"""Who is called how on a container's networks: the files that the engine writes, read again when they change."""

from __future__ import annotations

import os

from wherry.runtime import monitor_kernel as kernel
from wherry.runtime.monitor_dns_wire import AAAA, PTR, A, encode_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.runtime.monitor_dns_wire import Question

__all__ = ["Names"]

_LIMIT = 1 << 24


class _File:
    """A small JSON file; {} when it is not there."""

    def __init__(self, path: str) -> None:
        self._path, self._stamp, self.value = path, (0, 0), {}  # type: tuple[str, tuple[int, int], dict[str, Any]]

    def get(self) -> dict[str, Any]:
        try:
            found = os.stat(self._path)
            # It is replaced, never written to: another inode, or another time when that is used again
            stamp = (found.st_ino, found.st_mtime_ns)
            if stamp != self._stamp:
                fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    self.value = kernel.decode(os.read(fd, _LIMIT))
                finally:
                    os.close(fd)
                self._stamp = stamp
        except (OSError, ValueError, StopIteration):
            self._stamp, self.value = (0, 0), {}
        return self.value


class Names:
    """`path` is the container's own file."""

    def __init__(self, path: str) -> None:
        self._own = _File(path)
        self._networks: dict[str, _File] = {}
        self._turn = 0

    def servers(self) -> list[str]:
        """Who is asked for everything else."""
        return list(self._own.get().get("servers", ()))

    def _members(self) -> list[tuple[str, list[Any]]]:
        """(network's name, its members), network by network."""
        paths = self._own.get().get("networks", ())
        self._networks = {path: self._networks.get(path) or _File(path) for path in paths}
        values = [file.get() for file in self._networks.values()]
        return [(value.get("name", ""), value.get("members", [])) for value in values]

    def find(self, question: Question) -> list[bytes] | None:
        """The records that answer it, in another order each time; None when it is not ours to answer."""
        if question.kind == PTR:
            return self._by_address(question.name)
        members = self._matching(question.name)
        if members is None:
            return None
        if question.kind not in (A, AAAA):
            return []
        place, family = (2, kernel.socket.AF_INET) if question.kind == A else (3, kernel.socket.AF_INET6)
        found = [kernel.socket.inet_pton(family, one[place]) for one in members if one[place]]
        self._turn += 1
        shift = self._turn % len(found) if found else 0
        return found[shift:] + found[:shift]

    def _matching(self, name: str) -> list[Any] | None:
        """The members with that name on the first network that has some, NAME.NETWORK too."""
        target = self._own.get().get("links", {}).get(name)
        for network, members in self._members():
            wanted = name.removesuffix(f".{network.lower()}")
            # By id, or by the container's name, which is the first of its names
            found = [one for one in members if target in (one[0], *one[1][:1])] if target else []
            found = found or [one for one in members if name in one[1] or wanted in one[1]]
            if found:
                return found
        return None

    def _by_address(self, name: str) -> list[bytes] | None:
        if not name.endswith(".in-addr.arpa"):
            return None
        wanted = ".".join(reversed(name.removesuffix(".in-addr.arpa").split(".")))
        for network, members in self._members():
            for one in members:
                if one[2] == wanted:
                    return [encode_name(f"{one[1][0]}.{network}")]
        return None
