from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from wherry.network import conntrack


def attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


def flow(protocol: int, answers_from: bytes) -> bytes:
    """An entry as the kernel sends it; nested attributes carry a flag."""
    address = attribute(1 | 0x8000, attribute(1, answers_from) + attribute(2, b"\x0a\0\0\x09"))
    reply = attribute(2 | 0x8000, address + attribute(2 | 0x8000, attribute(1, bytes([protocol]))))
    return b"\x02\0\0\0" + attribute(1 | 0x8000, b"orig") + reply


def test_only_udp_flows_of_the_container_are_chosen() -> None:
    ours = b"\x0a\xd0\0\x02"
    assert conntrack.udp_flow_from(flow(17, ours), ours) == b"orig"
    assert conntrack.udp_flow_from(flow(6, ours), ours) is None
    assert conntrack.udp_flow_from(flow(17, b"\x0a\xd0\0\x03"), ours) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_read_to_an_end(data: bytes) -> None:
    list(conntrack.attributes(data))
