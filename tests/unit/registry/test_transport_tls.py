from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.registry.certificates import Authority
from tests.unit.registry.scripted import PATIENT, QUICK, Raw, Scripted, reply, scripted, transport
from wherry.errors import InputError, Unreachable, UntrustedCertificate, WherryError
from wherry.registry.certificate import Certificate
from wherry.registry.proxies import Proxies, Proxy
from wherry.registry.tls import TlsSettings, Trust
from wherry.registry.transport import Request, Transport
from wherry.registry.transport_url import Url


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def get(server: Scripted, trust: Trust, tls: TlsSettings | None = None) -> bytes:
    url = Url.parse(f"https://{server.host}/x")
    with transport(tls) as wire, wire.fetch(Request("GET", url, {}, trust=trust)) as response:
        return response.read(100)


def refused(context: ssl.SSLContext, trust: Trust) -> WherryError:
    with scripted(lambda _: reply(), context) as server, pytest.raises(UntrustedCertificate) as caught:
        get(server, trust)
    return caught.value


def test_a_hosts_own_authority_the_environments_and_no_checks_at_all(authority: Authority) -> None:
    ca = str(authority.path)
    with scripted(lambda _: reply(body=b"ok"), authority.context("127.0.0.1")) as server:
        assert get(server, Trust(ca_files=(ca,))) == b"ok"
        assert get(server, Trust(verify=False)) == b"ok"
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            assert get(server, Trust(), TlsSettings.from_env({variable: ca})) == b"ok"


def test_a_large_body_comes_whole_over_tls_and_its_connection_is_used_again(authority: Authority) -> None:
    data = bytes(range(256)) * 8000
    trust = Trust(ca_files=(str(authority.path),))
    with scripted(lambda _: reply(body=data), authority.context("127.0.0.1")) as server, transport() as wire:
        url = Url.parse(f"https://{server.host}/")
        for _ in range(2):
            buffer, got = memoryview(bytearray(len(data) + 1)), 0
            with wire.fetch(Request("GET", url, {}, trust=trust)) as response:
                while count := response.readinto(buffer[got:]):
                    got += count
            assert buffer[:got] == data
        assert server.connections == 1


def test_connections_with_other_trust_are_not_shared(authority: Authority) -> None:
    with scripted(lambda _: reply(body=b"ok"), authority.context("127.0.0.1")) as server, transport() as wire:
        url = Url.parse(f"https://{server.host}/")
        wire.fetch(Request("GET", url, {}, trust=Trust(verify=False))).drop()
        with pytest.raises(UntrustedCertificate):
            wire.fetch(Request("GET", url, {}))


def test_an_unknown_authority_is_named_and_how_to_add_it(authority: Authority) -> None:
    error = refused(authority.context("127.0.0.1"), Trust())
    assert "Test Authority" in str(error)
    assert "certs.d" in str(error.hint)


def test_an_expired_certificate_says_since_when_and_doubts_the_clock(authority: Authority) -> None:
    error = refused(authority.context("127.0.0.1", starts=-60, ends=-3), Trust(ca_files=(str(authority.path),)))
    assert "expired on 20" in str(error)
    assert "clock" in str(error.hint)


def test_a_certificate_of_the_future_doubts_the_clock(authority: Authority) -> None:
    error = refused(authority.context("127.0.0.1", starts=3), Trust(ca_files=(str(authority.path),)))
    assert "not valid before 20" in str(error)
    assert "clock" in str(error.hint)


def test_a_certificate_for_another_host_says_for_which(authority: Authority) -> None:
    error = refused(authority.context("one.example", "10.1.2.3"), Trust(ca_files=(str(authority.path),)))
    assert "is for one.example, 10.1.2.3, not for 127.0.0.1" in str(error)


def test_a_client_certificate_is_shown_to_its_host_and_to_no_other(authority: Authority) -> None:
    certificate, key = authority.issue("me")
    context = authority.context("127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.path)
    trust = Trust(ca_files=(str(authority.path),), client_cert=(str(certificate), str(key)))
    assert trust.elsewhere().client_cert is None
    with scripted(lambda _: reply(body=b"ok"), context) as server:
        assert get(server, trust) == b"ok"
        with pytest.raises(Unreachable):
            get(server, trust.elsewhere())


def test_a_client_certificate_does_not_follow_a_redirect_to_another_host(authority: Authority) -> None:
    certificate, key = authority.issue("me")
    trust = Trust(ca_files=(str(authority.path),), client_cert=(str(certificate), str(key)))
    curious = authority.context("127.0.0.1")
    curious.verify_mode = ssl.CERT_OPTIONAL
    curious.load_verify_locations(authority.path)
    shown: list[object] = []

    def store(_: object) -> bytes:
        shown.append(other._open[-1].getpeercert())  # type: ignore[attr-defined]
        return reply(body=b"ok")

    with scripted(store, curious) as other:
        place = reply(307, Location=f"https://{other.host}/y")
        with scripted(lambda _: place, authority.context("127.0.0.1")) as server:
            assert get(server, trust) == b"ok"
        assert get(other, trust) == b"ok"
    assert not shown[0], "no certificate came along"
    assert shown[1], "the same certificate is seen by the host that it is for"


def test_a_certificate_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.crt").write_text("nonsense")
    for path in ("bad.crt", "missing.crt"):
        with pytest.raises(InputError, match=path):
            TlsSettings().context(Trust(ca_files=(str(tmp_path / path),)))


def test_plain_http_behind_https_says_so() -> None:
    with scripted(lambda _: reply()) as server, pytest.raises(Unreachable, match="TLS failed"):
        get(server, Trust())


@given(st.binary(max_size=200))
def test_no_certificate_breaks_the_reader(der: bytes) -> None:
    Certificate.parse(der)


# -- proxies ----------------------------------------------------------------------------------------------------------


def through(proxy: Scripted, url: str, user: str = "") -> bytes:
    own = Proxy("127.0.0.1", proxy.port, user)
    wire = Transport(None, Proxies(own, own), QUICK, timeouts=PATIENT)
    try:
        with wire.fetch(Request("GET", Url.parse(url), {})) as response:
            return response.read(100)
    finally:
        wire.close()


def test_plain_http_asks_the_proxy_for_the_whole_url() -> None:
    with scripted(lambda _: reply(body=b"cached")) as proxy:
        assert through(proxy, "http://r.example/v2/?a=b", "Basic x") == b"cached"
        (seen,) = proxy.seen
        assert seen.target == "http://r.example/v2/?a=b"
        assert seen["proxy-authorization"] == "Basic x"


def test_https_asks_the_proxy_for_a_tunnel_and_tells_it_nothing_else() -> None:
    with scripted(lambda _: Raw((b"HTTP/1.1 407 No\r\n\r\n",), close=True)) as proxy:
        with pytest.raises(Unreachable, match="407") as caught:
            through(proxy, "https://[2001:db8::1]:5000/secret", "Basic x")
        assert "user" in str(caught.value.hint)
        (seen,) = proxy.seen
        assert (seen.method, seen.target) == ("CONNECT", "[2001:db8::1]:5000")
        assert seen["proxy-authorization"] == "Basic x"


@pytest.mark.parametrize("raw", [b"SSH-2.0\r\n\r\n", b"", b"HTTP/1.1 abc\r\n\r\n"])
def test_a_proxy_that_speaks_something_else_is_named(raw: bytes) -> None:
    with scripted(lambda _: Raw((raw,), close=True)) as proxy, pytest.raises(Unreachable, match="the proxy"):
        through(proxy, "https://r.example/")
