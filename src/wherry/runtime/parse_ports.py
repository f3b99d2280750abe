"""-p and --expose. Pure; docker's messages. Spec: docs.docker.com/engine/network/#published-ports."""

from __future__ import annotations

from wherry.errors import InputError
from wherry.runtime.options import PortRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["expose", "publish"]

_PROTOCOLS = frozenset({"tcp", "udp", "sctp"})


def publish(text: str) -> list[PortRequest]:
    """[IP:][HOST][-LAST]:CONTAINER[-LAST][/PROTOCOL], or CONTAINER alone. One request for each container port.

    A host range with one container port is a pool to take a free port from. Raises: InputError.
    """
    ports, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    address, host, container = _split(ports)
    if not container:
        raise InputError(f"No port specified: {text}<empty>")
    first, last = _range(container, "containerPort")
    if first == 0:
        raise InputError(f"Invalid containerPort: {container}")
    if protocol not in _PROTOCOLS:
        raise InputError(f"Invalid proto: {protocol}")
    _check_address(address)
    if not host:
        return [PortRequest(port, protocol, address) for port in range(first, last + 1)]
    low, high = _range(host, "hostPort")
    if high - low == last - first:
        return [
            PortRequest(first + step, protocol, address, low + step, low + step) for step in range(last - first + 1)
        ]
    if first != last:
        raise InputError(f"Invalid ranges specified for container and host Ports: {container} and {host}")
    return [PortRequest(first, protocol, address, low, high)]


def _split(ports: str) -> tuple[str, str, str]:
    """(address, host port, container port), each "" when it is not given."""
    left, _, container = ports.rpartition(":")
    address, _, host = left.rpartition(":")
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    elif ":" in address:
        raise InputError(f"Invalid ip address {address}: address {address}: too many colons in address",
                         hint="write an IPv6 address in brackets: [::1]:80:80")  # fmt: skip
    return address, host, container


def _check_address(address: str) -> None:
    import socket

    if not address:
        return
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        socket.inet_pton(family, address.partition("%")[0])
    except (OSError, ValueError):
        raise InputError(f"Invalid ip address: {address}") from None


def _range(text: str, what: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    words = (first, last if dash else first)
    if not all(word.isascii() and word.isdigit() and len(word) <= 5 and int(word) <= 65535 for word in words):
        raise InputError(f"Invalid {what}: {text}")
    low, high = int(words[0]), int(words[1])
    if high < low:
        raise InputError(f"Invalid {what}: {text}")
    return low, high


def expose(entries: Sequence[str]) -> tuple[str, ...]:
    """PORT[-LAST][/PROTOCOL] each → PORT/PROTOCOL, in order, without doubles. Raises: InputError."""
    return tuple(dict.fromkeys(one for entry in entries for one in _expose(entry)))


def _expose(entry: str) -> Iterator[str]:
    if ":" in entry:
        raise InputError(f"invalid port format for --expose: {entry}")
    ports, slash, protocol = entry.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    try:
        low, high = _range(ports, "range")
    except InputError:
        words = [word for word in ports.split("-") if not word.isdecimal()]
        reason = f'strconv.ParseUint: parsing "{words[0]}": invalid syntax' if words else (
            f"Invalid range specified for the Port: {ports}")  # fmt: skip
        raise InputError(f"invalid range format for --expose: {entry}, error: {reason}") from None
    if protocol not in _PROTOCOLS:
        raise InputError(f"invalid protocol for --expose: {entry}")
    for port in range(low, high + 1):
        yield f"{port}/{protocol}"
