"""The two ends of a copy, opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from wherry.engine.push import Destination
from wherry.errors import InputError, NotFound, RegistryError
from wherry.store.known_blobs import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.registry.client import FetchedManifest
    from wherry.registry.hosts import Endpoint
    from wherry.registry.media.location import Location
    from wherry.registry.media.origin import Origin
    from wherry.registry.media.sink import Sink
    from wherry.store.source import Source

__all__ = ["From", "To", "opened_origin", "opened_target"]

_NOWHERE = Place("", "")


class From(NamedTuple):
    """`top` is what the location's name means. `place` is "" for what is no registry."""

    origin: Origin
    top: FetchedManifest
    place: Place = _NOWHERE


class To(NamedTuple):
    """`name` is what the manifest is put as, "" for its own digest. `commit` makes it all visible."""

    there: Destination
    name: str
    commit: Callable[[], None]


@contextmanager
def opened_origin(engine: Engine, location: Location, cancel: Cancel, *, verify: bool = True) -> Iterator[From]:
    """Raises: NotFound, InputError, InvalidSpec, RegistryError."""
    if location.kind == "docker":
        yield _registry(engine, location, cancel, verify)
        return
    from wherry.store.source import open_source

    source = open_source(location.path, engine.scratch)
    try:
        try:
            found = _found(source, location)
        except InputError as fault:
            fault.where = fault.where or location.path
            raise
        yield found
    finally:
        source.close()


def _found(source: Source, location: Location) -> From:
    from wherry.registry.media.origin import DirectoryOrigin, DockerArchiveOrigin, LayoutOrigin

    origin: Origin
    if location.kind == "docker-archive":
        origin = DockerArchiveOrigin(source, location.name)
    elif location.kind == "dir":
        origin = DirectoryOrigin(source)
    else:
        origin = LayoutOrigin(source, location.name)
    return From(origin, origin.manifest(""))


def _registry(engine: Engine, location: Location, cancel: Cancel, verify: bool) -> From:
    """The first endpoint that has the manifest: mirrors before the registry itself."""
    reference = location.reference
    last: Exception = NotFound(f"{location}: no endpoint")
    for endpoint in engine.registries.hosts.for_pull(reference):
        repository = engine.registries.client.repository(_checked(endpoint, verify))
        try:
            top = repository.manifest(str(reference.digest or reference.tag), cancel=cancel)
        except (NotFound, RegistryError) as fault:
            last = fault
            continue
        return From(repository, top, _NOWHERE if endpoint.is_mirror else Place(endpoint.host, endpoint.repository))
    raise last


def _checked(endpoint: Endpoint, verify: bool) -> Endpoint:
    return endpoint if verify else endpoint._replace(verify=False, fallback_http=True)


@contextmanager
def opened_target(engine: Engine, location: Location, *, verify: bool = True) -> Iterator[To]:
    """What was not committed when the block ends is dropped. Raises: InputError, RegistryError, OSError."""
    if location.kind == "docker":
        reference = location.reference
        endpoint = _checked(engine.registries.hosts.for_push(reference), verify)
        repository = engine.registries.client.repository(endpoint, ("pull", "push"))
        there = Destination(repository, Place(endpoint.host, endpoint.repository))
        yield To(there, "" if reference.digest else reference.tag, lambda: None)
        return
    sink = _sink(location)
    try:
        yield To(Destination(sink, _NOWHERE), "latest", sink.commit)
    finally:
        sink.close()


def _sink(location: Location) -> Sink:
    import os

    from wherry.registry.media.archive import DockerArchiveSink, LayoutArchiveSink
    from wherry.registry.media.sink import DirectorySink, LayoutSink

    if location.kind in ("oci", "dir"):
        if os.path.exists(location.path) and not os.path.isdir(location.path):
            raise InputError(f"{location.path} is not a folder")
        return LayoutSink(location.path, location.name) if location.kind == "oci" else DirectorySink(location.path)
    if os.path.isdir(location.path):
        raise InputError(f"{location.path} is a folder", hint=f"{location.kind}:FILE")
    if location.kind == "docker-archive":
        if os.path.exists(location.path):
            raise InputError(f"{location.path} is there already", hint="docker-archives are not added to: remove it")
        return DockerArchiveSink(location.path, (location.reference.familiar,) if location.name else ())
    return LayoutArchiveSink(location.path, location.name)
