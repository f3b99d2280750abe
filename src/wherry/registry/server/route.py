"""From a request's path to what it is about. Nothing here trusts a byte of it.

Spec: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#endpoints
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from wherry.errors import InvalidSpec
from wherry.oci.digest import Digest
from wherry.registry.server.fault import Fault

__all__ = ["TAG", "Route", "check_repository", "digest_of", "find"]

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_NAME_BYTES = 255


class Route(NamedTuple):
    """`kind`: "ping", "catalog", "tags", "referrers", "manifest", "blob", "start" (an upload), "upload".

    `reference` is the last part, decoded and not checked yet: tag, digest or id of an upload.
    """

    kind: str
    repository: str = ""
    reference: str = ""


def find(path: str) -> Route | None:
    """None when the path is none of the API's. Raises: Fault (400, NAME_INVALID)."""
    if path in ("/v2/", "/v2"):
        return Route("ping")
    if not path.startswith("/v2/"):
        return None
    if path == "/v2/_catalog":
        return Route("catalog")
    parts = [_decoded(part) for part in path[4:].split("/")]
    # From the right, since every word of these may be a part of a name too (the repository "a/blobs/uploads")
    if parts[-2:] == ["tags", "list"]:
        return Route("tags", check_repository(parts[:-2]))
    if parts[-3:] == ["blobs", "uploads", ""]:
        return Route("start", check_repository(parts[:-3]))
    if parts[-3:-1] == ["blobs", "uploads"]:
        return Route("upload", check_repository(parts[:-3]), parts[-1])
    if parts[-2:] == ["blobs", "uploads"]:
        return Route("start", check_repository(parts[:-2]))
    kind = {"manifests": "manifest", "blobs": "blob", "referrers": "referrers"}.get(parts[-2] if parts[1:] else "")
    if kind:
        return Route(kind, check_repository(parts[:-2]), parts[-1])
    return None


def _decoded(part: str) -> str:
    """A part may be percent-encoded (`sha256%3A...`), but no encoding makes two parts of one."""
    if "%" not in part:
        return part
    text = unquote(part, errors="replace")
    if "/" in text or not text.isprintable():
        raise Fault(400, "NAME_INVALID", "invalid repository name")
    return text


def check_repository(parts: list[str]) -> str:
    """Raises: Fault (NAME_INVALID)."""
    name = "/".join(parts)
    if len(name) > _NAME_BYTES or not _REPOSITORY.fullmatch(name):
        raise Fault(400, "NAME_INVALID", "invalid repository name")
    return name


def digest_of(text: str) -> Digest:
    """Raises: Fault (DIGEST_INVALID)."""
    try:
        return Digest.parse(text)
    except InvalidSpec:
        raise Fault(400, "DIGEST_INVALID", "the digest is not sha256:<64 hex digits> or sha512:<128>") from None
