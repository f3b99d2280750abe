"""Published ports on the host: which sockets hold them, and who has them already."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from wherry.errors import Conflict, HostError, InputError, Unsupported, WherryError
from wherry.network.model import EVERY_IPV4, OPTION_HOST_IP, Network, PortMapping, Published

__all__ = ["at_host_ip", "bind_all", "listen", "program_on"]

_BACKLOG = 128
# SCTP is rewritten by nft alone: the socket holds the port
_KINDS = {"tcp": (socket.SOCK_STREAM, 0), "udp": (socket.SOCK_DGRAM, 0), "sctp": (socket.SOCK_STREAM, 132)}
_TRIES = 25


def at_host_ip(ports: Sequence[PortMapping], networks: Sequence[Network]) -> list[PortMapping]:
    """-o com.docker.network.bridge.host_binding_ipv4 of a container's networks is what -p without an address means."""
    where = next((one.options[OPTION_HOST_IP] for one in networks if one.options.get(OPTION_HOST_IP)), "")
    where = "" if where == EVERY_IPV4 else where
    return [port if port.host_ip else port._replace(host_ip=where) for port in ports]


def bind_all(
    mappings: Sequence[PortMapping], blame: Callable[[Published], WherryError | None]
) -> list[tuple[Published, int]]:
    """A socket for every mapping, all or none: (what was published, fd). The caller closes the fds.

    Fixed ports go first, so that a free one that the kernel chooses is not one of them. `blame` says which container
    has a port, for the error. Raises: Conflict, InputError, Unsupported, HostError.
    """
    made: list[tuple[int, Published, int]] = []
    order = sorted(range(len(mappings)), key=lambda i: (mappings[i].host_port == 0, mappings[i].host_port_last > 0))
    try:
        for index in order:
            published, fd = _first_free(mappings[index], blame)
            made.append((index, published, fd))
    except BaseException:
        for *_, fd in made:
            os.close(fd)
        raise
    return [(published, fd) for _, published, fd in sorted(made)]


def _first_free(wanted: PortMapping, blame: Callable[[Published], WherryError | None]) -> tuple[Published, int]:
    ports = range(wanted.host_port, max(wanted.host_port, wanted.host_port_last) + 1)
    for port in ports:
        published = Published(wanted.container_port, wanted.protocol, wanted.host_ip, port)
        try:
            if port and (fault := blame(published)):
                raise fault
            return _patiently(published, blame)
        except Conflict as fault:
            if len(ports) == 1:
                raise
            last = fault
    raise Conflict(
        f"Bind for {wanted.host_ip or EVERY_IPV4}:{ports[0]}-{ports[-1]} failed: all ports are allocated",
        hint=last.hint,
    )


def _patiently(port: Published, blame: Callable[[Published], WherryError | None]) -> tuple[Published, int]:
    """`listen`, waiting for one of us: a monitor whose container has gone already closes its sockets a moment later,
    and a start that has just bound the port can be blamed as soon as it is in the book."""
    for _ in range(_TRIES):
        try:
            return listen(port)
        except Conflict:
            if not _is_ours(_pid_on(port.protocol, port.host_port)):
                raise
            time.sleep(0.02)
            if fault := blame(port):
                raise fault from None
    return listen(port)


def listen(port: Published) -> tuple[Published, int]:
    """Bind (and for TCP listen on) that port; 0 becomes the one that the kernel chose. The caller closes the fd.

    One socket serves IPv4 and IPv6 where the kernel has both. Raises: Conflict, InputError, Unsupported, HostError.
    """
    if port.protocol not in _KINDS:
        raise Unsupported(f"ports of {port.protocol} can't be published", hint="tcp, udp and sctp can")
    try:
        sock = _bound(port)
    except OSError as fault:
        raise _explain(fault, port) from fault
    if port.protocol == "tcp":
        try:
            sock.listen(_BACKLOG)
        except OSError as fault:
            # Two may bind it at the same moment; one of them listens
            sock.close()
            raise _explain(fault, port) from fault
    sock.setblocking(False)
    number: int = sock.getsockname()[1]
    return port._replace(host_port=number), sock.detach()


def _bound(port: Published) -> socket.socket:
    if port.host_ip == "":
        try:
            return _bind(socket.AF_INET6, "::", port, dual=True)
        except OSError as fault:
            if fault.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EINVAL):
                raise
        return _bind(socket.AF_INET, EVERY_IPV4, port)
    family = socket.AF_INET6 if ":" in port.host_ip else socket.AF_INET
    return _bind(family, port.host_ip, port)


def _bind(family: int, address: str, port: Published, *, dual: bool = False) -> socket.socket:
    kind, number = _KINDS[port.protocol]
    sock = socket.socket(family, kind | socket.SOCK_CLOEXEC, number)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
        if port.protocol != "udp":
            # Else connections in TIME_WAIT of the container before would keep the port; UDP would be shared by it
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port.host_port))
    except BaseException:
        sock.close()
        raise
    return sock


def _explain(fault: OSError, port: Published) -> WherryError:
    where = f"{port.host_ip or EVERY_IPV4}:{port.host_port}"
    if fault.errno == errno.EADDRINUSE:
        who = program_on(port.protocol, port.host_port)
        return Conflict(
            f"listen {port.protocol} {where}: bind: address already in use" + (f" by {who}" if who else ""),
            hint=f"choose another port (-p {port.host_port + 1}:{port.container_port}), or stop that program",
        )
    if fault.errno == errno.EADDRNOTAVAIL:
        return InputError(
            f"cannot publish on {where}: no interface of this machine has the address {port.host_ip}",
            hint="ip -brief address shows those there are",
        )
    if fault.errno in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT):
        return HostError(f"cannot publish on {where}: this kernel has no {port.protocol}", hint="modprobe sctp")
    if fault.errno in (errno.EACCES, errno.EPERM):
        return HostError(f"cannot publish on {where}: no permission", hint="choose a port above 1023, or run as root")
    return HostError(f"cannot publish on {where}: {fault.strerror}")


def program_on(protocol: str, port: int) -> str:
    """The program that has the port, as "nginx (pid 42)", or "" when it can't be seen. Slow: only for an error."""
    pid = _pid_on(protocol, port)
    with suppress(OSError), open(f"/proc/{pid}/comm", errors="replace") as file:
        return f"{file.read().strip()} (pid {pid})"
    return ""


def _is_ours(pid: str) -> bool:
    """Whether a start of a container, or what keeps its ports, has them."""
    if pid == str(os.getpid()):
        return True
    with suppress(OSError), open(f"/proc/{pid}/cmdline", errors="replace") as file:
        return "wherry" in file.read()
    return False


def _pid_on(protocol: str, port: int) -> str:
    """The process that has the port; "" when it can't be seen."""
    inodes = set()
    for table in (protocol, protocol + "6"):
        with suppress(OSError), open(f"/proc/net/{table}", encoding="ascii") as file:
            inodes |= socket_inodes(file.read(), port, listening=protocol == "tcp")
    if not inodes:
        return ""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError):
            if any(os.readlink(f"/proc/{pid}/fd/{fd}") in wanted for fd in os.listdir(f"/proc/{pid}/fd")):
                return pid
    return ""


def socket_inodes(table: str, port: int, *, listening: bool) -> set[str]:
    """The inodes of the sockets on a local port in a /proc/net/tcp or udp table."""
    found = set()
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and int(fields[1].rpartition(":")[2], 16) == port and (not listening or fields[3] == "0A"):
            found.add(fields[9])
    return found
