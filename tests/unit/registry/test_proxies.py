from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InputError
from wherry.registry.proxies import Proxies, Proxy
from wherry.registry.transport_url import Url

ENV = {"HTTPS_PROXY": "http://proxy:3128"}


@pytest.mark.parametrize(
    ("no_proxy", "url", "is_direct"),
    [
        ("", "https://example.com/", False),
        ("*", "https://example.com/", True),
        ("example.com", "https://example.com/", True),
        ("example.com", "https://a.example.com/", True),
        ("example.com", "https://notexample.com/", False),
        (".example.com", "https://example.com/", False),
        (".example.com", "https://a.example.com/", True),
        ("*.example.com", "https://a.example.com/", True),
        ("*.example.com", "https://example.com/", False),
        ("EXAMPLE.com ", "https://Example.COM/", True),
        ("example.com:8443", "https://example.com/", False),
        ("example.com:8443", "https://example.com:8443/", True),
        ("other.org, example.com", "https://example.com/", True),
        ("10.0.0.0/8", "https://10.2.3.4/", True),
        ("10.0.0.0/8", "https://11.2.3.4/", False),
        ("10.0.0.0/8", "https://ten.example/", False),
        ("192.168.0.7", "https://192.168.0.7/", True),
        ("192.168.0.7:5000", "https://192.168.0.7/", False),
        ("2001:db8::/32", "https://[2001:db8::1]/", True),
        ("[2001:db8::1]:443", "https://[2001:db8::1]/", True),
        ("2001:db8::1", "https://[2001:db8::2]/", False),
        ("", "https://localhost:5000/", True),
        ("", "https://127.9.9.9/", True),
        ("", "https://[::1]/", True),
        (",,/,:", "https://example.com/", False),
    ],
)
def test_no_proxy_names_hosts_networks_and_ports(no_proxy: str, url: str, is_direct: bool) -> None:
    proxies = Proxies.from_env(ENV | {"NO_PROXY": no_proxy})
    assert (proxies.for_url(Url.parse(url)) is None) == is_direct


def test_each_scheme_has_its_proxy_and_lower_case_counts_first() -> None:
    proxies = Proxies.from_env({"http_proxy": "a:1", "HTTP_PROXY": "b:2", "ALL_PROXY": "http://c"})
    assert proxies.for_url(Url.parse("http://example.com")) == Proxy("a", 1)
    assert proxies.for_url(Url.parse("https://example.com")) == Proxy("c", 80)


def test_a_cgi_scripts_proxy_header_is_no_proxy() -> None:
    assert Proxies.from_env({"REQUEST_METHOD": "GET", "HTTP_PROXY": "http://evil"}).http is None


def test_a_proxys_password_is_unquoted_and_never_shown() -> None:
    proxy = Proxy.parse("http://me:p%40ss@proxy:3128", "HTTPS_PROXY")
    assert proxy.authorization == "Basic bWU6cEBzcw=="
    assert "bWU6" not in f"{proxy} {proxy!r}"


@pytest.mark.parametrize("text", ["socks5://me:secret@x:1", "https://me:secret@x", "http://", "http://x:notaport"])
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(text: str) -> None:
    with pytest.raises(InputError, match="HTTPS_PROXY") as caught:
        Proxies.from_env({"HTTPS_PROXY": text})
    assert "secret" not in f"{caught.value} {caught.value.hint}"


@given(st.text(max_size=60), st.sampled_from(["https://10.1.1.1/", "https://example.com/", "https://[2001:db8::1]:5/"]))
def test_no_list_of_exemptions_breaks_the_choice(no_proxy: str, url: str) -> None:
    Proxies.from_env(ENV | {"no_proxy": no_proxy}).for_url(Url.parse(url))
