"""Which proxy a request goes through, by the variables that curl and Go read. Pure."""

from __future__ import annotations

import base64
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NamedTuple

    from wherry.registry.transport_url import Url
else:
    from wherry.lean import NamedTuple

__all__ = ["Proxies", "Proxy"]


class Proxy(NamedTuple):
    """`authorization` is the value of a Proxy-Authorization header, or ""."""

    host: str
    port: int
    authorization: str = ""

    @classmethod
    def parse(cls, text: str, variable: str) -> Proxy:
        """Raises: InputError, without showing the proxy's password."""
        try:
            parts = urlsplit(text if "://" in text else f"http://{text}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host:
            raise InputError(f"{variable} is no proxy's URL", hint="it looks like http://proxy.example:3128")
        if parts.scheme != "http":
            raise InputError(
                f"{variable}: wherry speaks to proxies over http only, not {parts.scheme}",
                hint="an http:// proxy carries https through a tunnel, encrypted end to end",
            )
        authorization = ""
        if parts.username is not None:
            secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(secret.encode()).decode()
        return cls(host, port or 80, authorization)

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"


class Proxies(NamedTuple):
    """What the environment says; no proxies by default."""

    http: Proxy | None = None
    https: Proxy | None = None
    exempt: tuple[str, ...] = ()
    """The entries of NO_PROXY, in lower case."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Proxies:
        """HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY; the names in lower case count first, as with curl.

        Raises: InputError for a proxy that can't be used.
        """
        if env.get("REQUEST_METHOD"):
            # In a CGI script HTTP_PROXY is what the client's Proxy: header says
            env = {name: value for name, value in env.items() if name != "HTTP_PROXY"}

        def named(*names: str) -> Proxy | None:
            for name in names:
                for spelt in (name.lower(), name):
                    if text := env.get(spelt, "").strip():
                        return Proxy.parse(text, spelt)
            return None

        exempt = (env.get("no_proxy") or env.get("NO_PROXY") or "").lower()
        return cls(
            named("HTTP_PROXY", "ALL_PROXY"),
            named("HTTPS_PROXY", "ALL_PROXY"),
            tuple(entry for entry in exempt.replace(",", " ").split() if entry),
        )

    def for_url(self, url: Url) -> Proxy | None:
        """Never for this machine, as Go has it."""
        proxy = self.https if url.scheme == "https" else self.http
        if proxy is None or url.is_loopback or any(_matches(entry, url) for entry in self.exempt):
            return None
        return proxy


def _matches(entry: str, url: Url) -> bool:
    """Whether one entry of NO_PROXY names the host: "*", a name (and what is below it), an address, a CIDR; a port."""
    if entry == "*":
        return True
    name, port = _split(entry)
    if port and port != str(url.port):
        return False
    try:
        address = ip_address(url.host)
    except ValueError:
        # "example.com" names itself and its subdomains; ".example.com" and "*.example.com" subdomains only
        bare = name.removeprefix("*").rstrip(".")
        host = url.host.rstrip(".")
        return (bool(bare) and host == bare) or (bool(bare.lstrip(".")) and host.endswith("." + bare.lstrip(".")))
    try:
        return address in ip_network(name, strict=False)
    except (ValueError, TypeError):
        return False


def _split(entry: str) -> tuple[str, str]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    if entry.count(":") == 1:
        name, _, port = entry.partition(":")
        return name, port
    return entry, ""
