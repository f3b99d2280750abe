"""Whom a TLS connection trusts, and words for what is wrong with a certificate."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from functools import partial

from wherry.errors import Cancelled, InputError, Unreachable, UntrustedCertificate
from wherry.registry.certificate import Certificate
from wherry.registry.transport_wire import shake_hands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NamedTuple

    from wherry.cancel import Cancel
    from wherry.registry.hosts import Endpoint
    from wherry.registry.transport_url import Url
else:
    from wherry.lean import NamedTuple

__all__ = ["TlsSettings", "Trust"]

_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


class Trust(NamedTuple):
    """What one host needs besides the machine's authorities; part of a pooled connection's key."""

    verify: bool = True
    ca_files: tuple[str, ...] = ()
    client_cert: tuple[str, str] | None = None

    @classmethod
    def of(cls, endpoint: Endpoint) -> Trust:
        return cls(endpoint.verify, endpoint.ca_files, endpoint.client_cert)

    def elsewhere(self) -> Trust:
        """For another host that this one led to: it gets no client certificate."""
        return self._replace(client_cert=None)


class TlsSettings:
    """The machine's authorities, and contexts made of them: each is made once, it costs 10 ms. Thread-safe."""

    def __init__(self, ca_files: tuple[str, ...] = (), ca_folder: str = "") -> None:
        """`ca_files` and `ca_folder` are trusted besides what OpenSSL finds by itself."""
        self._ca_files = ca_files
        self._ca_folder = ca_folder
        self._contexts: dict[Trust, ssl.SSLContext] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> TlsSettings:
        """SSL_CERT_FILE, SSL_CERT_DIR and the bundles that pip, curl and node are told of: a machine behind a proxy
        that opens TLS has one of them set. A file that is not there is no trust, as for OpenSSL.
        """
        files = dict.fromkeys(env[name] for name in _BUNDLES if env.get(name))
        return cls(tuple(path for path in files if os.path.isfile(path)), env.get("SSL_CERT_DIR", ""))

    def context(self, trust: Trust) -> ssl.SSLContext:
        """Raises: InputError for a certificate file that can't be used."""
        with self._lock:
            if trust not in self._contexts:
                self._contexts[trust] = self._make(trust)
            return self._contexts[trust]

    def _make(self, trust: Trust) -> ssl.SSLContext:
        context = ssl.create_default_context()
        # Python 3.13 began to refuse authorities without all of RFC 5280's extensions, which private ones often lack
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        for path in (*self._ca_files, *trust.ca_files):
            _load(path, partial(context.load_verify_locations, path))
        if self._ca_folder and os.path.isdir(self._ca_folder):
            context.load_verify_locations(capath=self._ca_folder)
        if trust.client_cert:
            pair = trust.client_cert
            _load(pair[0], lambda: context.load_cert_chain(*pair, password=_no_password))
        if not trust.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["http/1.1"])
        return context

    def wrap(
        self, sock: socket.socket, url: Url, trust: Trust, session: ssl.SSLSession | None = None,
        cancel: Cancel | None = None,
    ) -> ssl.SSLSocket:  # fmt: skip
        """TLS over a connected socket, which is closed on failure.

        Raises: Unreachable, SSLCertVerificationError (`explain` has words for it), Cancelled.
        """
        context = self.context(trust)
        wrapped: socket.socket = sock
        try:
            wrapped = found = context.wrap_socket(
                sock, server_hostname=url.host, session=session, do_handshake_on_connect=False
            )
            shake_hands(found, cancel)
            return found
        except (ssl.SSLCertVerificationError, Cancelled, KeyboardInterrupt):
            wrapped.close()
            raise
        except TimeoutError:
            wrapped.close()
            raise Unreachable(f"cannot reach {url.authority}: no answer to the TLS greeting in time") from None
        except OSError as fault:
            wrapped.close()
            reason = getattr(fault, "reason", None) or fault.strerror or fault
            hint = "does it speak plain http? Then it must be named as an insecure registry"
            raise Unreachable(f"cannot reach {url.authority}: TLS failed: {reason}", hint=hint) from None


def _no_password() -> str:
    raise InputError("the key is protected by a password", hint="wherry needs client keys without one")


def _load(path: str, load: Callable[[], None]) -> None:
    try:
        load()
    except (OSError, InputError) as fault:
        reason = getattr(fault, "strerror", None) or getattr(fault, "reason", None) or fault
        raise InputError(f"the certificate file {path} can't be used: {reason}", where=path) from None


def explain(
    fault: ssl.SSLCertVerificationError, url: Url, certificate: Certificate | None, now_s: float | None = None
) -> UntrustedCertificate:
    """Words for OpenSSL's verdict; `certificate` is what the host showed, when it could be had."""
    host = url.authority
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now_s))
    clock = f"is this machine's clock right? It says {now}"
    # The numbers are OpenSSL's X509_V_ERR_*, which do not change; its texts do
    match fault.verify_code:
        case 10:
            until = f" on {certificate.not_after}" if certificate else ""
            return UntrustedCertificate(f"the certificate of {host} expired{until}", hint=clock)
        case 9:
            since = f" before {certificate.not_before}" if certificate else " yet"
            return UntrustedCertificate(f"the certificate of {host} is not valid{since}", hint=clock)
        case 62 | 64:
            names = ", ".join(certificate.names[:8]) if certificate and certificate.names else "another host"
            return UntrustedCertificate(
                f"the certificate of {host} is for {names}, not for {url.host}",
                hint="use a name that the certificate holds, or give the registry a certificate for this one",
            )
        case 18 | 19 | 20 | 21:
            by = f" ({certificate.issuer})" if certificate and certificate.issuer else ""
            return UntrustedCertificate(
                f"the certificate of {host} is signed by an authority{by} that this machine does not know",
                hint=f"put the authority's certificate into /etc/docker/certs.d/{host}/ca.crt, or into the machine's "
                "own (update-ca-certificates), or name it in SSL_CERT_FILE",
            )
    return UntrustedCertificate(f"the certificate of {host} is not trusted: {fault.verify_message}")
