"""The server's certificate: checked at the start, so that a fault is told then and not by each client; read again when
its files change.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable
from typing import Any

from wherry.errors import InputError

__all__ = ["TlsFiles"]

_EXPIRED, _NOT_YET = 10, 9


class TlsFiles:
    """`context` serves the pair of PEM files, TLS 1.2 and newer. A changed pair counts from the next handshake on.

    `cert` holds the server's own certificate first, then those between it and the root. Raises: InputError when a file
    can't be read, the two do not belong together, or the certificate is not valid now. A pair that is found wrong later
    goes to `warn`, and the last good one stays.
    """

    def __init__(self, cert: str, key: str, warn: Callable[[str], None]) -> None:
        self._cert, self._key, self._warn = cert, key, warn
        self._lock = threading.Lock()
        self._stamp = self._stamps()
        self._current = self._load()
        self.context = self._load()
        # Called at each handshake, with or without a name in it
        self.context.sni_callback = self._choose

    def reload(self) -> None:
        """Read the files anew, changed or not. For SIGHUP."""
        with self._lock:
            self._stamp = self._stamps()
            try:
                self._current = self._load()
            except InputError as fault:
                self._warn(f"{fault.message}: keeping the certificate that was there before")

    def _choose(self, sock: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        if self._stamps() != self._stamp:
            self.reload()
        sock.context = self._current

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        found = []
        for path in (self._cert, self._key):
            try:
                seen = os.stat(path)
                found.append((seen.st_mtime_ns, seen.st_ino))
            except OSError:
                found.append((0, 0))
        return tuple(found)

    def _load(self) -> ssl.SSLContext:
        _read(self._cert)
        if b"ENCRYPTED" in _read(self._key):
            raise InputError(f"the key {self._key} is encrypted", hint="give one without a password: openssl pkey")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            # Without this, OpenSSL would ask at the terminal for a password that some odd key wants
            context.load_cert_chain(self._cert, self._key, password=lambda: b"")
        except ssl.SSLError as fault:
            raise self._explained(fault) from None
        self._check_dates(context)
        return context

    def _explained(self, fault: ssl.SSLError) -> InputError:
        if fault.reason == "KEY_VALUES_MISMATCH":
            return InputError(
                f"the key {self._key} does not belong to the certificate {self._cert}",
                hint="the server's own certificate comes first in its file",
            )
        return InputError(
            f"cannot use {self._cert} and {self._key} for TLS: {fault.reason or 'not PEM'}",
            hint="expected a PEM certificate and its PEM key",
        )

    def _check_dates(self, context: ssl.SSLContext) -> None:
        """By a handshake with itself, in memory: the standard library reads a certificate's dates nowhere else."""
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        client.load_verify_locations(self._cert)
        try:
            _shake_hands(client, context)
        except ssl.SSLCertVerificationError as fault:
            if fault.verify_code in (_EXPIRED, _NOT_YET):
                is_old = fault.verify_code == _EXPIRED
                raise InputError(
                    f"the certificate {self._cert} {'has expired' if is_old else 'is not valid yet'}",
                    hint="renew it, or set the clock",
                ) from None
            # Whatever else a client may think of it (a purpose, a weak key), it is not ours to judge


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 20)
    except OSError as fault:
        raise InputError(f"cannot read {path}: {fault.strerror}", hint="check the path and its mode") from None


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """Raises: ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends: list[Any] = [
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(8):
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                pass
        if not ends:
            return
