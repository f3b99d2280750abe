"""The log driver `syslog`: RFC 3164, RFC 5424, or the local form, over udp, tcp, tcp+tls and unix sockets.

The plan's `remote` has, besides: network (udp, tcp, tcp+tls, unix, unixgram, or "" for this machine's own), address,
host (this machine's name), format (as --log-opt syslog-format), facility (its number), tls {ca, cert, key, skip}.
"""

from __future__ import annotations

import os
import time
from errno import ENOENT

from wherry.runtime import monitor_kernel as kernel
from wherry.runtime.monitor_log_remote import CANT_BEGIN, Sender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ERROR, _INFO = 3, 6
_LOCAL = ("/dev/log", "/var/run/syslog", "/var/run/log")
_PATIENCE_S, _AGAIN_S = 5.0, 1.0
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


def header(remote: dict[str, Any], stream: str, now_ns: int, pid: int) -> str:
    """All that stands before a message. Times are local, as docker's."""
    priority = remote["facility"] * 8 + (_ERROR if stream == "stderr" else _INFO)
    second, rest = divmod(now_ns, 1_000_000_000)
    at, tag, kind = time.localtime(second), remote["tag"], remote["format"]
    if kind.startswith("rfc5424"):
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", at)
        part = f".{rest // 1000:06d}" if kind == "rfc5424micro" else ""
        return f"<{priority}>1 {clock}{part}{_zone(at)} {remote['host']} {tag} {pid} {tag} - "
    # Not %b, which is the locale's
    month = _MONTHS[at.tm_mon * 3 - 3 : at.tm_mon * 3]
    clock = f"{month} {at.tm_mday:2d} {at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d}"
    host = f"{remote['host']} " if kind == "rfc3164" else ""
    return f"<{priority}>{clock} {host}{tag}[{pid}]: "


def _zone(at: time.struct_time) -> str:
    minutes = at.tm_gmtoff // 60
    return "Z" if not minutes else f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


class Syslog(Sender):
    """One server. A connection that breaks is made again, at most once a second; what comes meanwhile is dropped."""

    def __init__(self, remote: dict[str, Any]) -> None:
        super().__init__()
        self._remote, self._shut = remote, False
        self._sock: Any = None
        self._failed_at = 0.0
        self._is_framed = remote["network"] == "tcp+tls" and remote["format"].startswith("rfc5424")

    def begin(self) -> None:
        if self._sock is None:
            self._sock = self._connect()

    def send(self, stream: str, line: bytes, *, is_part: bool) -> bool:
        message = header(self._remote, stream, time.time_ns(), os.getpid()).encode() + line + b"\n"
        if self._is_framed:  # RFC 5425
            message = b"%d %s" % (len(message), message)
        for _ in range(2):
            if self._shut or not self._is_connected():
                return False
            try:
                self._sock.sendall(message)
            except OSError:
                self._drop_socket()
            else:
                return True
        return False

    def _is_connected(self) -> bool:
        if self._sock is None and time.monotonic() - self._failed_at >= _AGAIN_S:
            try:
                self._sock = self._connect()
            except OSError:
                self._failed_at = time.monotonic()
        return self._sock is not None

    def _drop_socket(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def close(self) -> None:
        sock = self._sock
        if sock is not None:
            try:
                # Ends a send that waits in another thread; closing does not
                sock.shutdown(kernel.socket.SHUT_RDWR)
            except OSError:
                pass
        self._drop_socket()

    def give_up(self, lines: int) -> None:
        self._shut = True
        super().give_up(lines)

    def _connect(self) -> Any:
        network, address = self._remote["network"], self._remote["address"]
        if not network:
            return self._connect_local()
        try:
            if network in ("unix", "unixgram"):
                return self._to(kernel.socket.AF_UNIX, network != "unix", address)
            if network == "tcp+tls":
                return self._connect_tls()
            return self._connect_inet(network == "udp")
        except (OSError, UnicodeError) as fault:
            kind, host = network.partition("+")[0], self._split()[0]
            # UnicodeError is Python's word for a name that can be no host's, as a..b
            if isinstance(fault, (kernel.socket.gaierror, UnicodeError)):
                raise OSError(ENOENT, f"dial {kind}: lookup {host}: no such host", CANT_BEGIN) from None
            said = (fault.strerror or str(fault)).lower()
            raise OSError(fault.errno, f"dial {kind} {address}: connect: {said}", CANT_BEGIN) from None

    def _to(self, family: int, is_datagram: bool, address: Any) -> Any:
        kind = kernel.socket.SOCK_DGRAM if is_datagram else kernel.socket.SOCK_STREAM
        sock = kernel.Socket(family, kind | kernel.socket.SOCK_CLOEXEC, 0)
        try:
            sock.settimeout(_PATIENCE_S)
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        sock.settimeout(None)
        return sock

    def _connect_local(self) -> Any:
        for is_datagram in (True, False):
            for path in _LOCAL:
                try:
                    return self._to(kernel.socket.AF_UNIX, is_datagram, path)
                except OSError:
                    continue
        raise OSError(2, "Unix syslog delivery error", CANT_BEGIN)

    def _split(self) -> tuple[str, str]:
        host, _, port = self._remote["address"].rpartition(":")
        return host.strip("[]"), port

    def _connect_inet(self, is_datagram: bool) -> Any:
        kind = kernel.socket.SOCK_DGRAM if is_datagram else kernel.socket.SOCK_STREAM
        fault: OSError = OSError(113, "no route to host")
        for family, _, _, _, address in kernel.socket.getaddrinfo(*self._split(), 0, kind):
            try:
                return self._to(family, is_datagram, address)
            except OSError as this:
                fault = this
        raise fault

    def _connect_tls(self) -> Any:
        import socket
        import ssl

        tls, (host, port) = self._remote["tls"], self._split()
        context = ssl.create_default_context(cafile=tls["ca"] or None)
        if tls["cert"]:
            context.load_cert_chain(tls["cert"], tls["key"] or None)
        if tls["skip"]:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection((host, port), _PATIENCE_S)
        sock = context.wrap_socket(plain, server_hostname=host)
        sock.settimeout(None)
        return sock
