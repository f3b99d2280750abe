"""Searching a registry: Docker Hub's old API, or the catalog of one that has no search."""

from __future__ import annotations

import json

from wherry.errors import NotFound, RegistryError, Unauthorized, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NamedTuple

    from wherry.cancel import Cancel
    from wherry.registry.client import Client
    from wherry.registry.hosts import Endpoint
else:
    from wherry.lean import NamedTuple

__all__ = ["SEARCH_HOST", "Found", "found_in", "search"]

SEARCH_HOST = "index.docker.io"
"""Where docker.io is searched."""
_LIMIT_BYTES = 4 << 20
_MOST_NAMES = 100_000


class Found(NamedTuple):
    """`description` is one line; control characters are still in it."""

    name: str
    description: str = ""
    stars: int = 0
    is_official: bool = False


def search(client: Client, endpoint: Endpoint, term: str, limit: int, cancel: Cancel | None = None) -> list[Found]:
    """In the registry's order. Where there is no search, the names of the catalog that hold `term`, `limit` at most.

    Differs from docker: the distribution spec knows no search, and docker ends there with status code 404.
    Raises: Unsupported when the registry offers neither; Unreachable, Unauthorized, RateLimited, ...
    """
    from urllib.parse import urlencode

    from wherry.registry.answer import failure
    from wherry.registry.exchange import Call

    query = urlencode({"q": term, "n": limit})
    with client.exchange(endpoint).send(Call("GET", f"/v1/search?{query}"), cancel) as response:
        if response.status == 200:
            data = response.read(_LIMIT_BYTES)
            try:
                return found_in(data, endpoint.host)
            except RegistryError:
                # Some registries answer any path with their web page
                if endpoint.host == SEARCH_HOST:
                    raise
        elif endpoint.host == SEARCH_HOST or response.status not in {400, 401, 403, 404, 405, 501}:
            raise failure(response, f"search of {endpoint.host}")
        else:
            response.drop()
    return list(_catalog(client, endpoint, term, limit, cancel))


def _catalog(client: Client, endpoint: Endpoint, term: str, limit: int, cancel: Cancel | None) -> Iterator[Found]:
    count = 0
    try:
        for number, name in enumerate(client.catalog(endpoint, cancel)):
            if term in name:
                count += 1
                yield Found(name)
            if count >= limit or number >= _MOST_NAMES:
                return
    except (NotFound, Unsupported, RegistryError) as fault:
        if getattr(fault, "status", 404) not in {400, 401, 403, 404, 405, 501}:
            raise
        hint = f"look on its web page, and name the image whole: wherry pull {endpoint.host}/NAME:TAG"
        if isinstance(fault, Unauthorized):
            hint = f"wherry login {endpoint.host} may help; else {hint}"
        raise Unsupported(f"{endpoint.host} has no search, and does not list its repositories", hint=hint) from None


def found_in(data: bytes, host: str) -> list[Found]:
    """The results of an answer; entries that make no sense are left out. Raises: RegistryError."""
    if len(data) > _LIMIT_BYTES:
        raise RegistryError(f"search of {host}: the answer is over {_LIMIT_BYTES} bytes")
    try:
        document = json.loads(data)
        results = [] if document["results"] is None else document["results"]
        if not isinstance(results, list):
            raise TypeError
    except (ValueError, RecursionError, TypeError, KeyError):
        raise RegistryError(f"search of {host}: the answer is no list of results") from None
    return [one for one in map(_found, results) if one is not None]


def _found(entry: Any) -> Found | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        return None
    description, stars = entry.get("description"), entry.get("star_count")
    text = description if isinstance(description, str) else ""
    return Found(
        entry["name"],
        " ".join(text.splitlines()),
        stars if isinstance(stars, int) and not isinstance(stars, bool) else 0,
        entry.get("is_official") is True,
    )
