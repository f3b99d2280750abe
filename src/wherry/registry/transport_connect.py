"""From a route to a connection: straight or through a proxy, with TLS where it belongs."""

from __future__ import annotations

import http.client
import socket
import ssl

from wherry.errors import Unreachable
from wherry.registry.certificate import Certificate
from wherry.registry.tls import explain
from wherry.registry.transport_wire import Wire, dial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.registry.tls import TlsSettings
    from wherry.registry.transport_pool import Route
    from wherry.registry.transport_url import Url
    from wherry.registry.transport_wire import Timeouts

__all__ = ["connect"]


def connect(
    route: Route,
    url: Url,
    tls: TlsSettings,
    timeouts: Timeouts,
    session: ssl.SSLSession | None = None,
    cancel: Cancel | None = None,
) -> Wire:
    """A connection that is ready for a request. Raises: Unreachable, UntrustedCertificate, InputError, Cancelled."""
    if url.scheme != "https":
        return Wire(_dial(route, url, timeouts, cancel), timeouts, url.authority)
    try:
        sock = tls.wrap(_dial(route, url, timeouts, cancel), url, route.trust, session, cancel)
    except ssl.SSLCertVerificationError as fault:
        raise explain(fault, url, _shown_certificate(route, url, tls, timeouts)) from None
    return Wire(sock, timeouts, url.authority)


def _dial(route: Route, url: Url, timeouts: Timeouts, cancel: Cancel | None) -> socket.socket:
    if cancel:
        cancel.check()
    proxy = route.proxy
    if proxy is None:
        return dial(url.host, url.port, timeouts, url.authority, cancel)
    shown = f"the proxy {proxy.host}:{proxy.port} for {url.authority}"
    sock = dial(proxy.host, proxy.port, timeouts, shown, cancel)
    if url.scheme != "https":
        return sock
    host = f"[{url.host}]" if ":" in url.host else url.host
    lines = [f"CONNECT {host}:{url.port} HTTP/1.1", f"Host: {host}:{url.port}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    try:
        status = _ask(sock, "\r\n".join([*lines, "", ""]).encode("latin-1"), timeouts, cancel)
    except (OSError, http.client.HTTPException) as fault:
        sock.close()
        raise Unreachable(
            f"cannot reach {url.authority}: the proxy {proxy.host}:{proxy.port} failed: {fault}"
        ) from None
    except BaseException:
        sock.close()
        raise
    if status != 200:
        sock.close()
        hint = "it wants a user and a password: http://user:password@proxy:port" if status == 407 else None
        raise Unreachable(
            f"cannot reach {url.authority}: the proxy {proxy.host}:{proxy.port} answered {status}", hint=hint
        )
    sock.settimeout(timeouts.connect_s)
    return sock


def _ask(sock: socket.socket, request: bytes, timeouts: Timeouts, cancel: Cancel | None) -> int:
    """Send a CONNECT; the status of the answer. Reads not a byte beyond it: those are the other end's."""
    wire = Wire(sock, timeouts, "the proxy")
    wire.begin(cancel)
    wire.send_all(request)
    answer = bytearray()
    one = memoryview(bytearray(1))
    while not answer.endswith(b"\r\n\r\n"):
        if not wire.recv_into(one):
            raise ConnectionError("it closed the connection")
        answer += one
    version, _, rest = answer.partition(b" ")
    status = rest[:3]
    if not version.startswith(b"HTTP/1.") or not status.isdigit():
        raise ConnectionError("it does not speak HTTP")
    return int(status)


def _shown_certificate(route: Route, url: Url, tls: TlsSettings, timeouts: Timeouts) -> Certificate | None:
    """The certificate that was refused, for the message: OpenSSL keeps it for itself, so it is asked for once more."""
    try:
        context = tls.context(route.trust._replace(verify=False))
        with context.wrap_socket(_dial(route, url, timeouts, None), server_hostname=url.host) as sock:
            der = sock.getpeercert(binary_form=True)
    except (OSError, Unreachable):
        return None
    return Certificate.parse(der) if der else None
