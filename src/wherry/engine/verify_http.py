"""The `Caller` of contracts over the house's HTTP client: its certificates, proxies, limits and patience."""

from __future__ import annotations

import time
from collections.abc import Mapping

from wherry.cancel import Cancel, Within
from wherry.contract.call import Answer, Call, NoAnswer
from wherry.errors import Cancelled, InputError, RegistryError, UntrustedCertificate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from wherry.engine import Engine
    from wherry.registry.transport_url import Url

__all__ = ["HttpCaller", "base_url"]


def base_url(text: str) -> Url:
    """What requests' paths are put behind. Raises: InputError for what is no URL, or has more than a path."""
    from wherry.registry.transport_url import Url

    bare, mark, _ = text.partition("?")
    if mark or "#" in text:
        # Not shown: a token may stand there
        said = f"the URL {bare.partition('#')[0]} has a query or a fragment, which no request would keep"
        raise InputError(said, hint="a secret goes by --header or --token-env, the rest into the contract's paths")
    return Url.parse(text.rstrip("/"))


class HttpCaller:
    """Asks what is at `base`, which may end in a path. `headers` are added to each request, and win.

    Connections are kept: a measured request is not one that has to connect first, when others went before.
    """

    def __init__(self, engine: Engine, base: str, headers: Mapping[str, str], cancel: Cancel) -> None:
        """Raises: InputError for what is no URL."""
        from wherry.registry.proxies import Proxies
        from wherry.registry.tls import TlsSettings
        from wherry.registry.transport import Transport

        self.base = base_url(base)
        self._headers = {name.lower(): value for name, value in headers.items()}
        self._cancel = cancel
        env = engine.settings.env
        self._transport = Transport(TlsSettings.from_env(env), Proxies.from_env(env))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def call(self, call: Call) -> Answer:
        """See `wherry.contract.call.Caller`. Raises: UntrustedCertificate too, which no repetition cures."""
        from wherry.registry.transport import Body, Request

        prefix = self.base.target.rstrip("/")
        url = self.base._replace(target=prefix + call.path)
        body = Body.of(call.body) if call.body or call.method in {"POST", "PUT", "PATCH"} else None
        headers = {"accept": "*/*", **call.headers, **self._headers}
        request = Request(call.method, url, headers, body)
        within = Within(self._cancel, call.timeout_s)
        began = time.perf_counter()
        try:
            with self._transport.open(request, within) as response:
                data = response.read(call.limit_bytes)
                took_s = time.perf_counter() - began
                names = {name.lower() for name in response.header_names}
                fields = {name: ", ".join(response.headers(name)) for name in names}
                return Answer(response.status, fields, data, took_s)
        except Cancelled:
            self._cancel.check()
            raise NoAnswer(f"no whole answer within {call.timeout_s:g} s") from None
        except (UntrustedCertificate, InputError):
            raise
        except RegistryError as fault:
            raise NoAnswer(fault.message.removeprefix(f"{url.shown}: ")) from None
