"""Where a blob's bytes come from: its registry, or for a foreign layer the addresses that its descriptor names."""

from __future__ import annotations

from wherry.errors import InvalidSpec, RegistryError
from wherry.registry.exchange import Call, attempts
from wherry.registry.tls import Trust
from wherry.registry.transport import Request
from wherry.registry.transport_url import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.oci.descriptor import Descriptor
    from wherry.registry.blob_stream import Fetch
    from wherry.registry.exchange import Exchange
    from wherry.registry.transport_response import Response

__all__ = ["source"]

_MOST_URLS = 8


def source(exchange: Exchange, blob: Descriptor) -> Fetch:
    """The registry is asked each time, so that a signed URL of yesterday is never used again."""
    path = f"/v2/{exchange.endpoint.repository}/blobs/{blob.digest}"

    def fetch(headers: dict[str, str], cancel: Cancel | None) -> Response:
        response = exchange.send(Call("GET", path, headers), cancel)
        if response.status == 404 and blob.urls:
            response.drop()
            return _foreign(exchange, blob, headers, cancel)
        return response

    return fetch


def _foreign(exchange: Exchange, blob: Descriptor, headers: dict[str, str], cancel: Cancel | None) -> Response:
    """Anybody can write such an address into a manifest: https only, and nobody's credentials (CVE-2020-15157)."""
    response: Response | None = None
    for text in blob.urls[:_MOST_URLS]:
        try:
            url = Url.parse(text)
        except InvalidSpec:
            continue
        if url.scheme != "https":
            continue
        if response:
            response.drop()
        request = Request("GET", url, headers, trust=Trust())
        response = attempts(exchange.transport, lambda: exchange.transport.fetch(request, cancel), cancel)  # noqa: B023
        if response.status in {200, 206}:
            return response
    if response is None:
        raise RegistryError(
            f"blob {blob.digest.short} is kept elsewhere, at addresses that wherry does not go to",
            hint="foreign layers are fetched over https only",
        )
    return response
