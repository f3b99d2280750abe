"""The certificate of a server: what is wrong with it is told at the start, and a new one counts without a restart."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.unit.registry.certificates import Authority
from tests.unit.registry.server.lab import Site, serving
from wherry.errors import InputError
from wherry.web.tls import TlsFiles


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def client_of(authority: Authority, **more: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.path))
    for name, value in more.items():
        setattr(context, name, value)
    return context


def ping(site: Site, context: ssl.SSLContext) -> tuple[int, bytes]:
    """The status, and the certificate's serial number as the peer showed it."""
    with (
        socket.create_connection(("127.0.0.1", site.server.address[1]), timeout=30) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as sock,
    ):
        shown = sock.getpeercert(binary_form=True)
        assert shown
        sock.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while data := sock.recv(4096):
            answer += data
        return int(answer.split()[1]), shown


@pytest.fixture
def pair(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("127.0.0.1")


@pytest.fixture
def site(tmp_path: Path, pair: tuple[Path, Path]) -> Iterator[Site]:
    files = TlsFiles(*map(str, pair), pytest.fail)
    with serving(tmp_path / "storage", tls=files.context) as found:
        yield found


def test_a_registry_answers_over_tls(site: Site, authority: Authority) -> None:
    assert ping(site, client_of(authority))[0] == 200


def test_old_versions_of_tls_are_refused(site: Site, authority: Authority) -> None:
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old = client_of(authority, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    with pytest.raises(ssl.SSLError):
        ping(site, old)
    assert ping(site, client_of(authority, maximum_version=ssl.TLSVersion.TLSv1_2))[0] == 200


def test_a_new_certificate_counts_from_the_next_connection_on(
    site: Site, authority: Authority, pair: tuple[Path, Path]
) -> None:
    first = ping(site, client_of(authority))[1]
    for old, new in zip(pair, authority.issue("127.0.0.1"), strict=True):
        if new != old:
            new.replace(old)
    assert ping(site, client_of(authority))[1] != first


def test_a_new_certificate_that_is_wrong_leaves_the_old_one(
    tmp_path: Path, authority: Authority, pair: tuple[Path, Path]
) -> None:
    said: list[str] = []
    files = TlsFiles(*map(str, pair), said.append)
    with serving(tmp_path / "storage", tls=files.context) as site:
        first = ping(site, client_of(authority))[1]
        pair[0].write_text("nonsense")
        assert ping(site, client_of(authority)) == (200, first)
    assert len(said) == 1
    assert "keeping the certificate that was there before" in said[0]


def test_a_client_that_never_shakes_hands_stops_nobody(site: Site, authority: Authority) -> None:
    silent = [socket.create_connection(("127.0.0.1", site.server.address[1])) for _ in range(64)]
    try:
        for number, one in enumerate(silent):
            if number % 2:
                one.sendall(b"\x16\x03\x01")  # a record's first bytes, and no more
        assert ping(site, client_of(authority))[0] == 200
    finally:
        for one in silent:
            one.close()


def test_plain_http_to_a_tls_port_is_closed(site: Site, authority: Authority) -> None:
    with socket.create_connection(("127.0.0.1", site.server.address[1]), timeout=30) as sock:
        sock.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            answer = sock.recv(4096)
        assert not answer.startswith(b"HTTP/1.1 200")
    assert ping(site, client_of(authority))[0] == 200


def refusal(cert: Path, key: Path) -> str:
    with pytest.raises(InputError) as fault:
        TlsFiles(str(cert), str(key), pytest.fail)
    return fault.value.message


def test_each_thing_that_can_be_wrong_is_named(tmp_path: Path, authority: Authority) -> None:
    cert, key = authority.issue("127.0.0.1")
    kept_cert, kept_key = tmp_path / "kept.crt", tmp_path / "kept.key"
    kept_cert.write_bytes(cert.read_bytes())
    kept_key.write_bytes(key.read_bytes())
    _, other = authority.issue("127.0.0.1")
    stranger = tmp_path / "stranger.key"
    stranger.write_bytes(other.read_bytes())
    assert "does not belong to" in refusal(kept_cert, stranger)
    assert refusal(tmp_path / "none", kept_key).startswith(f"cannot read {tmp_path}/none: No such file")
    assert refusal(kept_cert, tmp_path / "none").startswith(f"cannot read {tmp_path}/none")
    assert "cannot use" in refusal(kept_key, kept_key)
    assert "has expired" in refusal(*authority.issue("127.0.0.1", starts=-9, ends=-1))
    assert "is not valid yet" in refusal(*authority.issue("127.0.0.1", starts=1, ends=9))
    locked = tmp_path / "locked.key"
    loaded = serialization.load_pem_private_key(kept_key.read_bytes(), None)
    locked.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    assert "is encrypted" in refusal(kept_cert, locked)
