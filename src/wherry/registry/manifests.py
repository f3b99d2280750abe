"""Manifests over the wire: fetched and verified, pushed byte for byte.

Spec: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests
"""

from __future__ import annotations

import hashlib
import json

from wherry.errors import Denied, IntegrityError, InvalidSpec, NotFound, RegistryError, Unauthorized
from wherry.oci import _decode, mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.registry.answer import failure
from wherry.registry.exchange import Call
from wherry.registry.hosts import HUB
from wherry.registry.transport import Body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from wherry.cancel import Cancel
    from wherry.errors import WherryError
    from wherry.registry.exchange import Exchange
    from wherry.registry.hosts import Endpoint
    from wherry.registry.transport_response import Response
else:
    from wherry.lean import NamedTuple

__all__ = ["ACCEPT", "MANIFEST_BYTES", "FetchedManifest", "PutAnswer", "fetch", "head", "put", "shown"]

ACCEPT = (mediatype.INDEX, mediatype.MANIFEST, mediatype.DOCKER_LIST, mediatype.DOCKER_MANIFEST)
MANIFEST_BYTES = 4 << 20


class FetchedManifest(NamedTuple):
    """The bytes as the registry keeps them; `digest` was checked against them."""

    data: bytes
    media_type: str
    digest: Digest


class PutAnswer(NamedTuple):
    digest: Digest
    knows_subject: bool
    """The registry put it into the subject's referrers by itself."""


def shown(endpoint: Endpoint) -> str:
    """The repository as a user writes it."""
    if endpoint.host == HUB:
        return endpoint.repository.removeprefix("library/")
    return f"{endpoint.host}/{endpoint.repository}"


def _full(endpoint: Endpoint, name: str) -> str:
    return f"{shown(endpoint)}{'@' if ':' in name else ':'}{name}"


def _checked(name: str) -> Digest | None:
    """A digest, or None for a tag. Raises: InvalidSpec for what is neither: it goes into a path."""
    if ":" in name:
        return Digest.parse(name)
    if (
        not 0 < len(name) <= 128
        or not name.isascii()
        or not name.replace(".", "").replace("-", "").replace("_", "a").isalnum()
    ):
        raise InvalidSpec(f"invalid tag {name[:160]!r}")
    return None


def fetch(exchange: Exchange, name: str, accept: tuple[str, ...], cancel: Cancel | None) -> FetchedManifest:
    """Raises: NotFound, Denied, IntegrityError, InvalidSpec, RegistryError."""
    return fetch_with_etag(exchange, name, accept, cancel)[0]


def fetch_with_etag(
    exchange: Exchange, name: str, accept: tuple[str, ...], cancel: Cancel | None
) -> tuple[FetchedManifest, str]:
    """As `fetch`, with what an If-Match may name; "" when the registry gave no strong ETag."""
    wanted = _checked(name)
    path = f"/v2/{exchange.endpoint.repository}/manifests/{name}"
    with _ask(exchange, Call("GET", path, {"Accept": ", ".join(accept)}), cancel) as response:
        if response.status != 200:
            raise _not_pulled(response, exchange, name)
        if (response.length or 0) > MANIFEST_BYTES:
            raise RegistryError(f"manifest {_full(exchange.endpoint, name)}: {response.length} bytes is over 4 MiB")
        data = response.read(MANIFEST_BYTES)
        said = response.header("Docker-Content-Digest")
        content_type = response.content_type
        etag = response.header("ETag") or ""
    full = _full(exchange.endpoint, name)
    digest = _verify(data, full, wanted, said)
    strong = etag if etag.startswith('"') and etag.isprintable() and len(etag) < 256 else ""
    return FetchedManifest(data, _media_type(data, content_type, full), digest), strong


def _ask(exchange: Exchange, call: Call, cancel: Cancel | None) -> Response:
    try:
        return exchange.send(call, cancel)
    except (Unauthorized, Denied) as error:
        # Some token servers say no themselves
        raise _denied(error, exchange.endpoint, error.message.partition(": ")[2]) from None


def _hash(data: bytes, algorithm: str) -> Digest:
    return Digest(f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}")


def _verify(data: bytes, full: str, wanted: Digest | None, said: str | None) -> Digest:
    """The digest of `data`: the one asked for, else the one that the registry says, else its sha256."""
    expected = wanted
    if expected is None and said:
        try:
            expected = Digest.parse(said.strip())
        except InvalidSpec:
            raise RegistryError(f"manifest {full}: the registry sent a digest that is none") from None
    actual = _hash(data, expected.algorithm if expected else "sha256")
    if expected is not None and actual != expected:
        raise IntegrityError(f"manifest {full}", expected=expected, actual=actual)
    if wanted and said and said.startswith(wanted.algorithm + ":") and said.strip() != wanted:
        raise IntegrityError(f"manifest {full}: the header", expected=wanted, actual=said.strip()[:160])
    return actual


def _media_type(data: bytes, content_type: str, full: str) -> str:
    """What header and document agree on (CVE-2021-41190). Raises: InvalidSpec."""
    document = _decode.load(data, f"manifest {full}", limit_bytes=MANIFEST_BYTES)
    inside = document.get("mediaType")
    if document.get("schemaVersion") == 1:
        raise InvalidSpec(
            f"manifest {full} is of the old schema 1, which nothing builds any more",
            hint="push the image again with a current tool",
        )
    if isinstance(inside, str) and inside:
        if content_type in {*ACCEPT} and inside != content_type:
            raise InvalidSpec(f"manifest {full}: sent as {content_type}, but says that it is {inside[:100]!r}")
        return inside
    if content_type in {*ACCEPT}:
        return content_type
    # Nobody said: an OCI document need not, and registries that serve text/plain exist
    return mediatype.INDEX if "manifests" in document else mediatype.MANIFEST


def _not_pulled(response: Response, exchange: Exchange, name: str) -> WherryError:
    """In docker's words, where docker has them."""
    endpoint = exchange.endpoint
    error = failure(response, f"cannot read manifest {_full(endpoint, name)}")
    said = error.message.partition(": ")[2]
    if isinstance(error, NotFound):
        if "name unknown" in said:
            return NotFound(f"repository {shown(endpoint)} not found: {said}", hint="is the name spelt right?")
        return NotFound(
            f"manifest for {_full(endpoint, name)} not found: manifest unknown", hint="is the tag spelt right?"
        )
    return _denied(error, endpoint, said) if isinstance(error, Unauthorized | Denied) else error


def _denied(error: Unauthorized | Denied, endpoint: Endpoint, said: str) -> WherryError:
    message = (
        f"pull access denied for {shown(endpoint)}, repository does not exist or may require 'docker login': {said}"
    )
    return type(error)(message, hint=error.hint, status=error.status, spec_code=error.spec_code)


def head(exchange: Exchange, name: str, accept: tuple[str, ...], cancel: Cancel | None) -> Descriptor | None:
    """None when it is not there. Where HEAD does not tell the digest, the manifest is fetched."""
    wanted = _checked(name)
    path = f"/v2/{exchange.endpoint.repository}/manifests/{name}"
    with _ask(exchange, Call("HEAD", path, {"Accept": ", ".join(accept)}), cancel) as response:
        if response.status == 404:
            return None
        if response.status == 200:
            said = response.header("Docker-Content-Digest")
            digest = wanted or (Digest.parse(said.strip()) if said else None)
            if digest is not None and response.length is not None and response.content_type in {*ACCEPT}:
                return Descriptor(response.content_type, digest, response.length)
        elif response.status != 405:
            raise _not_pulled(response, exchange, name)
    try:
        fetched = fetch(exchange, name, accept, cancel)
    except NotFound:
        return None
    return Descriptor(fetched.media_type, fetched.digest, len(fetched.data))


def put(
    exchange: Exchange, name: str, data: bytes, media_type: str, etag: str = "", cancel: Cancel | None = None
) -> PutAnswer:
    """Raises: InvalidSpec, IntegrityError, Denied, RegistryError (status 412 when `etag` is not what is there)."""
    wanted = _checked(name)
    digest = _hash(data, wanted.algorithm if wanted else "sha256")
    full = _full(exchange.endpoint, name)
    if wanted is not None and digest != wanted:
        raise IntegrityError(f"manifest {full}", expected=wanted, actual=digest)
    headers = {"Content-Type": media_type} | ({"If-Match": etag} if etag else {})
    path = f"/v2/{exchange.endpoint.repository}/manifests/{name}"
    with exchange.send(Call("PUT", path, headers, Body.of(data)), cancel) as response:
        if not 200 <= response.status < 300:
            raise failure(response, f"cannot push manifest {full}")
        said = (response.header("Docker-Content-Digest") or "").strip()
        subject = response.header("OCI-Subject")
        response.drop()
    if said and said != digest and said.startswith(digest.algorithm + ":"):
        raise IntegrityError(f"manifest {full}: what the registry keeps", expected=digest, actual=said[:160])
    return PutAnswer(digest, subject is not None)


def subject_of(data: bytes) -> Descriptor | None:
    """The manifest's subject. Raises: InvalidSpec for one that is none."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    subject = document.get("subject") if isinstance(document, dict) else None
    return Descriptor.from_json(subject, "subject") if isinstance(subject, dict) else None
