"""type=gha: GitHub's cache service as a place for caches.

Each layer is an entry of its own, by its digest, and all scopes share it. Entries never change: the document of a scope
is the newest of those numbered 1, 2, 3 (docs/adr/0172-caches-at-github.md).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from urllib.parse import quote

from wherry.build.travel_document import LIMIT_BYTES, CacheDocument
from wherry.engine.pull_source import Blob, Site, Sources
from wherry.engine.push import Destination
from wherry.errors import InputError, InvalidSpec, NotFound, RegistryError
from wherry.oci.digest import Digest
from wherry.store.known_blobs import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.build.travel_spec import CacheFrom, CacheTo, Gha
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.cache_export import Goal
    from wherry.engine.cache_sources import Carrier
    from wherry.oci.descriptor import Descriptor
    from wherry.registry.client import FetchedManifest
    from wherry.registry.gha import Entry, GhaCache
    from wherry.registry.target import Reader

__all__ = ["goal_of", "open_gha"]

_MOST_TRIES = 20
_LONGEST_SCOPE = 300
_NONE = "there is no GitHub cache here: ACTIONS_RUNTIME_TOKEN and ACTIONS_RESULTS_URL are not set"


def _cache(engine: Engine, gha: Gha) -> GhaCache | None:
    """None where there is no such service, as on a laptop."""
    from wherry.registry.gha import GhaCache, service_of

    service = service_of(engine.settings.env, url=gha.url, url_v2=gha.url_v2, token=gha.token, version=gha.version)
    return GhaCache(engine.registries.client.transport, service) if service else None


def _prefix(gha: Gha) -> str:
    """Raises: InputError."""
    scope = quote(gha.scope, safe="")
    if len(scope) > _LONGEST_SCOPE:
        raise InputError(f"the scope of the gha cache is longer than {_LONGEST_SCOPE} characters")
    return f"wherry-index-1-{scope}#"


def _key(digest: Digest) -> str:
    return f"wherry-blob-1-{digest}"


def open_gha(engine: Engine, spec: CacheFrom, cancel: Cancel) -> Carrier:
    """Raises: NotFound, RegistryError, InvalidSpec."""
    from wherry.engine.cache_sources import Carrier
    from wherry.engine.push_forms import kind_of

    cache = _cache(engine, spec.gha)
    if cache is None:
        raise NotFound(_NONE)
    entry = cache.find(_prefix(spec.gha), is_prefix=True, cancel=cancel)
    if entry is None:
        raise NotFound(f"nothing was put there yet for the scope {spec.gha.scope}")
    document = CacheDocument.from_bytes(cache.read(entry, LIMIT_BYTES, cancel))
    if any(one.blob is None or not kind_of(one.blob.media_type) for one in document.layers):
        raise InvalidSpec("cache: a layer has no blob")
    return Carrier(f"gha:{spec.gha.scope}", document, Sources([Site(_Source(cache))]))


class _Source:
    """As a pull's source: blobs alone."""

    def __init__(self, cache: GhaCache) -> None:
        self._cache = cache

    def blob(self, descriptor: Descriptor, *, cancel: Cancel | None = None) -> Blob:
        return self._cache.open(_key(descriptor.digest), descriptor, cancel)

    def manifest(self, tag_or_digest: str, *, cancel: Cancel | None = None) -> FetchedManifest:
        raise NotFound(f"the gha cache has no manifest {tag_or_digest}")

    def head_manifest(self, tag_or_digest: str, *, cancel: Cancel | None = None) -> Descriptor | None:
        return None

    def tags(self, *, cancel: Cancel | None = None) -> Iterator[str]:
        return iter(())


class _Target:
    """As a push's target: blobs alone."""

    def __init__(self, cache: GhaCache) -> None:
        self._cache = cache

    def has_blob(self, digest: Digest, *, cancel: Cancel | None = None) -> int | None:
        return 0 if self._cache.find(_key(digest), cancel=cancel) else None

    def mount(self, digest: Digest, source_repository: str, *, cancel: Cancel | None = None) -> bool:
        return False

    def push_blob(
        self,
        descriptor: Descriptor,
        open_at: Callable[[int], Reader],
        *,
        cancel: Cancel | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> bool:
        """False when it is there, or when another job is sending it: then it will be."""
        if self.has_blob(descriptor.digest, cancel=cancel) is not None:
            return False
        reader = open_at(0)
        try:
            return self._cache.save(_key(descriptor.digest), descriptor.size, reader, cancel=cancel, progress=progress)
        finally:
            reader.close()

    def put_manifest(self, tag_or_digest: str, data: bytes, media_type: str, *, cancel: Cancel | None = None) -> Digest:
        raise NotImplementedError


def goal_of(engine: Engine, spec: CacheTo, cancel: Cancel) -> Goal | None:
    """None where there is no such service. Raises: InputError."""
    from wherry.engine.cache_export import Goal

    cache, prefix = _cache(engine, spec.gha), _prefix(spec.gha)
    if cache is None:
        return None

    def finish(document: CacheDocument) -> str:
        data = document.to_bytes()
        newest = cache.find(prefix, is_prefix=True, cancel=cancel)
        if newest and _says(cache, newest, cancel) == data:
            return f"{newest.key} says the same"
        number = _number(newest, prefix)
        for attempt in range(1, _MOST_TRIES + 1):
            key = f"{prefix}{number + attempt}"
            if cache.save(key, len(data), io.BytesIO(data), cancel=cancel):
                return f"writing cache manifest {key} done"
        raise RegistryError(f"other jobs write to the scope {spec.gha.scope} all the time", hint="scope=NAME for each")

    return Goal(Destination(_Target(cache), Place("", "")), finish)


def _says(cache: GhaCache, entry: Entry, cancel: Cancel) -> bytes:
    """What cannot be read is written anew."""
    try:
        return cache.read(entry, LIMIT_BYTES, cancel)
    except (NotFound, RegistryError):
        return b""


def _number(entry: Entry | None, prefix: str) -> int:
    text = entry.key.removeprefix(prefix) if entry else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else 0
