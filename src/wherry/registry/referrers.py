"""What points at an image: by the referrers API, or by the tag that stands in for it.

Spec: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers
"""

from __future__ import annotations

import json

from wherry.errors import InvalidSpec, NotFound, RegistryError
from wherry.oci import _decode, mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import encode
from wherry.registry import manifests
from wherry.registry.answer import failure
from wherry.registry.exchange import Call, next_page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.cancel import Cancel
    from wherry.registry.exchange import Exchange

__all__ = ["add", "described", "fallback_tag", "listed"]

_LIMIT_BYTES = 4 << 20
_MOST_PAGES = 100
_MOST = 10_000
_TRIES = 4


def fallback_tag(digest: Digest) -> str:
    """At most 128 characters: a sha512 is cut off, as the spec has it."""
    return f"{digest.algorithm[:32]}-{digest.hex[:64]}"


def listed(exchange: Exchange, subject: Digest, artifact_type: str, cancel: Cancel | None) -> list[Descriptor]:
    """Of `artifact_type`, or all when it is "". Raises: RegistryError, InvalidSpec, ..."""
    found = _from_api(exchange, subject, artifact_type, cancel)
    if found is None:
        found = _from_tag(exchange, subject, cancel)[0]
    return [one for one in found if not artifact_type or one.artifact_type == artifact_type]


def _from_api(
    exchange: Exchange, subject: Digest, artifact_type: str, cancel: Cancel | None
) -> list[Descriptor] | None:
    """None when the registry has no such API: 404, a redirect to a web page, anything that is no index."""
    from urllib.parse import quote

    path = f"/v2/{exchange.endpoint.repository}/referrers/{subject}"
    url = exchange.url(path + (f"?artifactType={quote(artifact_type, safe='')}" if artifact_type else ""), cancel)
    found: list[Descriptor] = []
    seen: set[str] = set()
    page: Any = url
    while page is not None and len(seen) < _MOST_PAGES and len(found) < _MOST:
        if str(page) in seen:
            raise RegistryError(f"{page.shown}: the pages of referrers go in a circle")
        seen.add(str(page))
        with exchange.send(Call("GET", page, {"Accept": mediatype.INDEX}), cancel) as response:
            if response.status in {400, 404, 405, 406, 501} or response.url.origin != url.origin:
                return None
            if response.status != 200:
                raise failure(response, f"cannot list the referrers of {manifests.shown(exchange.endpoint)}@{subject}")
            if response.content_type != mediatype.INDEX:
                return None
            found += _entries(response.read(_LIMIT_BYTES))
            page = next_page(response, url)
    return found


def _entries(data: bytes) -> list[Descriptor]:
    document = _decode.load(data, "referrers", limit_bytes=_LIMIT_BYTES)
    return list(_decode.get_sequence(document, "manifests", "", Descriptor.from_json) or ())


def _from_tag(exchange: Exchange, subject: Digest, cancel: Cancel | None) -> tuple[list[Descriptor], str]:
    """What the fallback tag lists, and its ETag ("" when there is none, or it is something else)."""
    try:
        fetched, etag = manifests.fetch_with_etag(exchange, fallback_tag(subject), manifests.ACCEPT, cancel)
    except NotFound:
        return [], ""
    # GitLab resolves such a tag to the subject itself; whatever is no index of referrers lists none
    if fetched.digest == subject or fetched.media_type != mediatype.INDEX:
        return [], ""
    try:
        return _entries(fetched.data), etag
    except InvalidSpec:
        return [], ""


def described(data: bytes, media_type: str, digest: Digest) -> Descriptor:
    """The descriptor by which a manifest stands in a list of referrers: with its artifact type and annotations."""
    document = json.loads(data)
    config = document.get("config") or {}
    kind = document.get("artifactType") or (config.get("mediaType") if media_type == mediatype.MANIFEST else "") or ""
    annotations = document.get("annotations") or {}
    return Descriptor(media_type, digest, len(data), annotations, artifact_type=kind)


def add(exchange: Exchange, subject: Digest, referrer: Descriptor, cancel: Cancel | None) -> None:
    """Put `referrer` into the subject's fallback tag, beside what others put there meanwhile.

    Without a way to say "only when nobody else did" two writers at once may lose one entry, so what was written is read
    back, and written again when it lacks ours.
    """
    tag = fallback_tag(subject)
    for _ in range(_TRIES):
        there, etag = _from_tag(exchange, subject, cancel)
        if any(one.digest == referrer.digest for one in there):
            return
        document = {
            "schemaVersion": 2,
            "mediaType": mediatype.INDEX,
            "manifests": [one.to_json() for one in (*there, referrer)],
        }
        try:
            manifests.put(exchange, tag, encode(document), mediatype.INDEX, etag, cancel)
        except RegistryError as fault:
            if fault.status != 412:
                raise
    there, _ = _from_tag(exchange, subject, cancel)
    if all(one.digest != referrer.digest for one in there):
        # GitLab among them, where such a tag is another name of the image itself
        raise RegistryError(
            f"{exchange.endpoint.host} keeps no list of what is attached to an image: it has no referrers API, and "
            f"gives something else for the tag {tag}",
            hint="what was attached is there under its digest, and nobody who knows the image alone finds it",
        )
