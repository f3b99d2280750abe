"""Takes a dead container's UDP flows out of the kernel's connection table.

A flow remembers where it was rewritten to, and lives as long as its client goes on: packets to a port that another
container has by now would still go to the old address (moby/moby#8795). Done by netlink, since the `conntrack`
program is seldom installed.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

__all__ = ["attributes", "forget_udp", "udp_flow_from"]

_NETLINK_NETFILTER = 12
_GET, _DELETE = 0x101, 0x102
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_TUPLE_ORIG, _TUPLE_REPLY, _TUPLE_IP, _TUPLE_PROTO, _V4_SRC, _PROTO_NUM = 1, 2, 1, 2, 1, 1
_UDP = 17
_HEADER = struct.Struct("=IHHII")
_FAMILY = struct.pack("BBH", socket.AF_INET, 0, 0)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type without flags, payload) of each netlink attribute."""
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            return
        yield kind & 0x3FFF, data[at + 4 : at + length]
        at += (length + 3) & ~3


def udp_flow_from(body: bytes, source: bytes) -> bytes | None:
    """The original tuple of an entry (behind its 4-byte header) whose answers come from `source`, if it is UDP."""
    parts = dict(attributes(body[4:]))
    reply = dict(attributes(parts.get(_TUPLE_REPLY, b"")))
    protocol = dict(attributes(reply.get(_TUPLE_PROTO, b""))).get(_PROTO_NUM, b"\0")[0]
    if protocol == _UDP and dict(attributes(reply.get(_TUPLE_IP, b""))).get(_V4_SRC) == source:
        return parts.get(_TUPLE_ORIG)
    return None


def _message(kind: int, flags: int, body: bytes = b"") -> bytes:
    return _HEADER.pack(_HEADER.size + len(_FAMILY) + len(body), kind, flags | _REQUEST, 1, 0) + _FAMILY + body


def _messages(sock: socket.socket) -> Iterator[tuple[int, bytes]]:
    while True:
        data = sock.recv(1 << 18)
        at = 0
        while at + _HEADER.size <= len(data):
            length, kind, *_ = _HEADER.unpack_from(data, at)
            if kind in (_DONE, _ERROR) or length < _HEADER.size:
                return
            yield kind, data[at + _HEADER.size : at + length]
            at += (length + 3) & ~3


def forget_udp(address: str) -> int:
    """Delete the UDP flows that were rewritten to `address`; how many there were. Raises: OSError."""
    source = socket.inet_aton(address)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as sock:
        sock.settimeout(2)
        sock.bind((0, 0))
        sock.send(_message(_GET, _DUMP))
        flows = [flow for _, body in _messages(sock) if (flow := udp_flow_from(body, source))]
        for flow in flows:
            body = struct.pack("=HH", len(flow) + 4, _TUPLE_ORIG | 0x8000) + flow
            sock.send(_message(_DELETE, _ACK, body))
            # The answer, which may say that the flow ended by itself
            sock.recv(4096)
    return len(flows)
