"""What the large registries do differently: switches of the fake one, and which registry has which."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "ACR",
    "DOCKER_HUB",
    "ECR",
    "ECR_PUBLIC",
    "GAR",
    "GHCR",
    "GITLAB",
    "HARBOR",
    "PLAIN",
    "QUAY",
    "REGISTRY_2",
    "Quirks",
]


@dataclass(frozen=True)
class Quirks:
    """The defaults play a registry that follows the distribution spec 1.1 to the letter, open to all."""

    challenge: str = ""
    """"basic" or "bearer": who asks must log in."""
    anonymous_pull: bool = False
    users: dict[str, str] = field(default_factory=lambda: {"someone": "secret"})
    identity_token: str = ""
    """What /token takes as refresh_token, instead of a password."""
    token_life_s: int = 300
    patch: str = "yes"
    """"yes"; "201": answers 201 instead of 202; "drop": keeps the first PATCH only; "no": 405."""
    capped_range: int = 0
    """Requests with Content-Range and a body above this many bytes get 416."""
    mount: str = "yes"
    """"yes"; "never": always starts an upload; "error": 400."""
    redirect: str = ""
    """"storage": blobs answer 307 to another host, which refuses requests with Authorization."""
    url_uses: int = 0
    """A signed URL answers so many times, then 403; 0: for ever."""
    head_of_url: bool = True
    must_exist: bool = False
    """A push to a repository that nobody created is refused."""
    path_parts: int = 1
    """Repositories need this many parts: else 400 NAME_INVALID."""
    referrers: str = "api"
    """"api"; "404"; "303": elsewhere; "self": 404, and the fallback tag resolves to the subject itself."""
    busy_manifests: int = 0
    """So many PUTs of manifests are answered by 429 with Retry-After: 0."""
    busy_tags: int = 0
    location_state: bool = False
    """Each answer of an upload has another Location, and only the last one is taken."""
    rate_limit: int = -1
    """After so many GETs of manifests: 429 TOOMANYREQUESTS; -1: never."""
    token_uses: int = 0
    """A token is good for so many requests, whatever it was said to last; 0: any number."""
    broken_puts: int = 0
    """So many uploads are cut off after a third of the body; what came until then is kept."""
    capped_body: int = 0
    """Bodies above this many bytes get 413, as from a proxy that stands before the registry."""
    expired_urls: int = 0
    """So many signed URLs have expired before anybody came."""
    strict_manifests: bool = False
    """A manifest must name its mediaType, and all its blobs must be there."""


PLAIN = Quirks()
ECR = Quirks(
    challenge="basic", users={"AWS": "secret"}, patch="drop", mount="never", redirect="storage", must_exist=True
)
ECR_PUBLIC = Quirks(challenge="bearer", users={"AWS": "secret"}, anonymous_pull=True, patch="201", mount="error")
GHCR = Quirks(challenge="bearer", anonymous_pull=True, capped_range=4 << 20, redirect="storage", url_uses=1,
              head_of_url=False, referrers="303")  # fmt: skip
GAR = Quirks(challenge="bearer", users={"oauth2accesstoken": "x" * 2000}, patch="no", path_parts=3)
ACR = Quirks(challenge="bearer", identity_token="refresh", busy_manifests=2)  # a word of the test
QUAY = Quirks(challenge="bearer", users={"team+robot": "secret"}, patch="drop", strict_manifests=True, busy_tags=2)
HARBOR = Quirks(challenge="bearer", users={"robot$ci": "secret"}, mount="never", redirect="storage")
GITLAB = Quirks(challenge="bearer", referrers="self")
REGISTRY_2 = Quirks(location_state=True, referrers="404")
DOCKER_HUB = Quirks(challenge="bearer", anonymous_pull=True, rate_limit=3)
