"""A store in a temporary folder, with a host that is not asked to do anything privileged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from wherry.host.fake import FakeHost
from wherry.oci.config import ImageConfig
from wherry.oci.digest import DiffID
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.settings import Paths
from wherry.store.blobs import BlobStore
from wherry.store.db import Database
from wherry.store.gc import Collector
from wherry.store.images import ImageRecord, ImageStore
from wherry.store.layers import LayerStore
from wherry.store.lease import Lease, Leases
from wherry.store.scratch import Scratch


class Store(NamedTuple):
    paths: Paths
    host: FakeHost
    db: Database
    scratch: Scratch
    blobs: BlobStore
    layers: LayerStore
    leases: Leases
    images: ImageStore
    collector: Collector

    def layer(self, content: str, lease: Lease | None = None) -> DiffID:
        """A layer folder with one file; its DiffID is made up."""
        diff_id = DiffID.of(content.encode())
        with self.layers.workdir() as folder:
            os.mkdir(f"{folder}/fs")
            Path(folder, "fs", "file").write_text(content)
            self.layers.commit(folder, diff_id, len(content), lease)
        return diff_id

    def image(self, *names: str, layers: tuple[str, ...] = ("base",), **config: object) -> ImageRecord:
        with self.leases.hold("test") as lease:
            diff_ids = tuple(self.layer(one, lease) for one in layers)
            whole = ImageConfig(Platform("linux", "amd64"), diff_ids=diff_ids, **config)  # type: ignore[arg-type]
            return self.images.create(whole, [Reference.parse(name) for name in names])

    def container(self, container_id: str, image: ImageRecord) -> None:
        columns = [row[1:4] for row in self.db.read().execute("PRAGMA table_info(container)")]
        values: dict[str, object] = {
            name: 0 if kind == "INTEGER" else "{}" for name, kind, required in columns if required
        }
        values |= {"id": container_id, "name": container_id, "image_id": image.id}
        with self.db.write() as conn:
            conn.execute(
                f"INSERT INTO container ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
                list(values.values()),
            )


def make(root: Path, host: FakeHost | None = None) -> Store:
    host = host or FakeHost()
    paths = Paths(f"{root}/root", f"{root}/run")
    db = Database(paths.database)
    scratch = Scratch(paths, host)
    blobs = BlobStore(paths, scratch)
    layers = LayerStore(paths, db, scratch, blobs)
    leases = Leases(db, host)
    images = ImageStore(paths, db, blobs, layers, leases)
    return Store(paths, host, db, scratch, blobs, layers, leases, images, Collector(db, blobs, layers, leases, scratch))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = make(tmp_path)
    yield made
    made.db.close()
