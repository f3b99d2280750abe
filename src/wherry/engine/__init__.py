"""The Python API, and the one place where the parts are joined.

    with Engine(settings, host) as engine:
        engine.containers.run(...)

Parts load when they are first used, so that `ps` never pays for the builder.
"""

from __future__ import annotations

from wherry.lean import cached_property

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from wherry.engine.bootstrap import Bootstrap
    from wherry.engine.builds import Builds
    from wherry.engine.containers import Containers
    from wherry.engine.events import Events
    from wherry.engine.facts import Facts
    from wherry.engine.images import Images
    from wherry.engine.models import Models
    from wherry.engine.networks import Networks
    from wherry.engine.registries import Registries
    from wherry.engine.runs import Runs
    from wherry.engine.volumes import Volumes
    from wherry.host import Host
    from wherry.settings import Settings
    from wherry.store.blobs import BlobStore
    from wherry.store.db import Database
    from wherry.store.gc import Collector
    from wherry.store.images import ImageStore
    from wherry.store.layers import LayerStore
    from wherry.store.lease import Leases
    from wherry.store.scratch import Scratch

__all__ = ["Engine"]


class Engine:
    """`settings` and `host` are all it knows of the world. Close it (or use `with`) to close the database."""

    def __init__(self, settings: Settings, host: Host) -> None:
        self.notices: list[str] = []
        self.settings = settings
        self.host = host

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if "registries" in self.__dict__:
            self.registries.close()
        if "db" in self.__dict__:
            self.db.close()
            del self.__dict__["db"]

    @cached_property
    def db(self) -> Database:
        from wherry.store.db import Database

        return Database(self.settings.paths.database, rebuild=self._rebuild)

    @cached_property
    def scratch(self) -> Scratch:
        """ROOT/tmp."""
        from wherry.store.scratch import Scratch

        return Scratch(self.settings.paths, self.host)

    @cached_property
    def blobs(self) -> BlobStore:
        from wherry.store.blobs import BlobStore

        return BlobStore(self.settings.paths, self.scratch)

    @cached_property
    def layers(self) -> LayerStore:
        from wherry.store.layers import LayerStore

        return LayerStore(self.settings.paths, self.db, self.scratch, self.blobs)

    @cached_property
    def leases(self) -> Leases:
        from wherry.store.lease import Leases

        return Leases(self.db, self.host)

    @cached_property
    def image_store(self) -> ImageStore:
        from wherry.store.images import ImageStore

        return ImageStore(self.settings.paths, self.db, self.blobs, self.layers, self.leases)

    @cached_property
    def collector(self) -> Collector:
        from wherry.store.gc import Collector

        return Collector(self.db, self.blobs, self.layers, self.leases, self.scratch)

    def _rebuild(self, db: Database, aside: str) -> None:
        """The state database was damaged: fill the new one from the folders."""
        from wherry.store.blobs import BlobStore
        from wherry.store.index import rebuild
        from wherry.store.layers import LayerStore

        paths = self.settings.paths
        blobs = BlobStore(paths, self.scratch)
        count = rebuild(paths, db, blobs, LayerStore(paths, db, self.scratch, blobs))
        self.notices.append(
            f"the state database was damaged; it was set aside as {aside}, and {count} images were found again"
        )

    @cached_property
    def images(self) -> Images:
        from wherry.engine.images import Images

        return Images(self)

    @cached_property
    def models(self) -> Models:
        from wherry.engine.models import Models

        return Models(self)

    @cached_property
    def builds(self) -> Builds:
        from wherry.engine.builds import Builds

        return Builds(self)

    @cached_property
    def containers(self) -> Containers:
        from wherry.engine.containers import Containers

        return Containers(self)

    @cached_property
    def events(self) -> Events:
        from wherry.engine.events import Events

        return Events(self)

    @cached_property
    def networks(self) -> Networks:
        from wherry.engine.networks import Networks

        return Networks(self)

    @cached_property
    def runs(self) -> Runs:
        from wherry.engine.runs import Runs

        return Runs(self)

    @cached_property
    def volumes(self) -> Volumes:
        from wherry.engine.volumes import Volumes

        return Volumes(self)

    @cached_property
    def registries(self) -> Registries:
        from wherry.engine.registries import Registries

        return Registries(self.settings, self.host, self.notices)

    @cached_property
    def bootstrap(self) -> Bootstrap:
        from wherry.engine.bootstrap import Bootstrap

        return Bootstrap(self)

    def facts(self) -> Facts:
        """What this machine is: kernel, cgroup layout, runtime. Cheap, read anew at each call."""
        from wherry.engine.facts import gather

        return gather(self.settings, self.host)
