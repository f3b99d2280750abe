"""Images: a config, its layers, and the names that point at it."""

from __future__ import annotations

import time

from wherry.errors import Conflict, InvalidReference, NotFound, nearest
from wherry.oci.digest import DiffID, Digest
from wherry.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence
    from typing import NamedTuple

    from wherry.oci.config import ImageConfig
    from wherry.oci.manifest import Manifest
    from wherry.settings import Paths
    from wherry.store.blobs import BlobStore
    from wherry.store.db import Database
    from wherry.store.layers import LayerStore
    from wherry.store.lease import Leases
else:
    from wherry.lean import NamedTuple

__all__ = ["ImageRecord", "ImageStore", "created_ns", "insert_image", "point", "rfc3339"]

_Row = tuple[str, str, int, int, int]
_Rows = list[_Row]
_HEX = frozenset("0123456789abcdef")


class ImageRecord(NamedTuple):
    """`id` is the config's digest. `references` are whole names, sorted: tags, then name@digest ones.

    `layers` is base layer first; `size` the sum of their uncompressed tars; `added_ns` when it came into this store.
    """

    id: Digest
    manifest: Digest
    references: tuple[str, ...]
    created_ns: int
    size: int
    layers: tuple[DiffID, ...]
    added_ns: int = 0

    @property
    def tags(self) -> tuple[str, ...]:
        """Names with a tag as docker prints them: "python:3.10"."""
        return tuple(Reference.known(name).familiar for name in self.references if "@" not in name)

    @property
    def digests(self) -> tuple[str, ...]:
        """Names with a digest as docker prints them: "python@sha256:..."."""
        return tuple(Reference.known(name).familiar for name in self.references if "@" in name)


class ImageStore:
    """The images of a root."""

    def __init__(self, paths: Paths, db: Database, blobs: BlobStore, layers: LayerStore, leases: Leases) -> None:
        self._paths = paths
        self._db = db
        self._blobs = blobs
        self._layers = layers
        self._leases = leases

    def create(
        self, config: bytes | ImageConfig, references: Sequence[Reference] = (), *, manifest: bytes | None = None
    ) -> ImageRecord:
        """Add an image whose layers (config's diff_ids) are in the store and leased by the caller. Idempotent.

        `config` as bytes keeps the id of an image from outside; `manifest` (its bytes; its blobs are stored and
        leased) keeps its digest. Without one, a manifest with uncompressed layers is made, always the same.
        Each reference moves here from the image that had it. Raises: NotFound for a missing layer, InvalidSpec.
        """
        from wherry.oci.config import ImageConfig
        from wherry.oci.manifest import Manifest

        data = config.to_bytes() if isinstance(config, ImageConfig) else config
        parsed = ImageConfig.from_bytes(data)
        layers = [self._layers.get(diff_id) for diff_id in parsed.diff_ids]
        if manifest is None:
            manifest = _local_manifest(data, [(layer.diff_id, layer.size) for layer in layers])
        needs = Manifest.from_bytes(manifest)
        with self._leases.hold("add an image") as lease:
            lease.add_blob(Digest.of(data), Digest.of(manifest))
            lease.add_layer(*parsed.diff_ids)
            image = self._blobs.put_bytes(data).digest
            record = ImageRecord(
                image, self._blobs.put_bytes(manifest).digest, (), created_ns(parsed.created),
                sum(layer.size for layer in layers), parsed.diff_ids, time.time_ns(),
            )  # fmt: skip
            with self._db.write() as conn:
                insert_image(conn, record, [one.digest for one in needs.layers])
                for reference in references:
                    point(conn, reference, image)
        self.write_index()
        return self.get(image)

    def get(self, image_id: Digest) -> ImageRecord:
        """By the whole id; finds an image removed by force too, while a container uses it. Raises: NotFound."""
        row = self._db.read().execute(f"{_SELECT} WHERE id = ?", (image_id,)).fetchone()
        if row is None:
            raise NotFound(f"No such image: {image_id}")
        return self._record(row)

    def resolve(self, text: str) -> ImageRecord:
        """What docker would find for `text`: a whole id, a name (tag "latest" when none), then a prefix of an id.

        Raises: NotFound (naming the nearest), Conflict when an id prefix fits several, InvalidReference.
        """
        bare = text.removeprefix("sha256:")
        if len(bare) == 64 and set(bare) <= _HEX:
            rows = self._select("WHERE id = ? AND is_deleted = 0", f"sha256:{bare}")
            if rows:
                return self._record(rows[0])
        if record := self._named(text):
            return record
        if bare and set(bare) <= _HEX:
            rows = self._select("WHERE id GLOB ? AND is_deleted = 0 LIMIT 2", f"sha256:{bare}*")
            if len(rows) > 1:
                raise Conflict(f"image id {text!r} is ambiguous", hint="give more digits of it; see `wherry images`")
            if rows:
                return self._record(rows[0])
        raise self._not_found(text)

    def config(self, image_id: Digest) -> ImageConfig:
        """Raises: NotFound, IntegrityError."""
        from wherry.oci.config import ImageConfig

        return ImageConfig.from_bytes(self._blobs.read(image_id))

    def manifest(self, record: ImageRecord) -> Manifest:
        """Raises: NotFound, IntegrityError."""
        from wherry.oci.manifest import Manifest

        return Manifest.from_bytes(self._blobs.read(record.manifest))

    def list(self) -> list[ImageRecord]:
        """All images, the newest first."""
        conn = self._db.read()
        names: dict[str, list[str]] = {}
        for name, image_id in conn.execute("SELECT name, image_id FROM reference ORDER BY name"):
            names.setdefault(image_id, []).append(name)
        layers: dict[str, list[str]] = {}
        for image_id, diff_id in conn.execute("SELECT image_id, diff_id FROM image_layer ORDER BY image_id, position"):
            layers.setdefault(image_id, []).append(diff_id)
        rows = conn.execute(f"{_SELECT} WHERE is_deleted = 0 ORDER BY created_ns DESC, id")
        return [_as_record(row, names.get(row[0], []), layers.get(row[0], [])) for row in rows]

    def tag(self, image_id: Digest, reference: Reference) -> None:
        """Point `reference` at the image; it leaves the image that had it. Raises: NotFound."""
        with self._db.write() as conn:
            found = conn.execute("SELECT 1 FROM image WHERE id = ? AND is_deleted = 0", (image_id,)).fetchone()
            if not found:
                raise NotFound(f"No such image: {image_id}")
            point(conn, reference, image_id)
        self.write_index()

    def untag(self, reference: Reference) -> None:
        """Take a name away; the image stays. Raises: NotFound."""
        with self._db.write() as conn:
            if not conn.execute("DELETE FROM reference WHERE name = ?", (str(reference),)).rowcount:
                raise NotFound(f"No such image: {reference.familiar}")
        self.write_index()

    def remove(self, image: ImageRecord, untag: Sequence[str], *, delete: bool, known_users: Collection[str]) -> None:
        """Take the names away and, with `delete`, the image; its layers and blobs go at the next collection.

        An image that only containers in `known_users` use is hidden and kept for them. Raises: Conflict when another
        container took it meanwhile, or it got another name; then nothing is changed.
        """
        with self._db.write() as conn:
            conn.executemany(
                "DELETE FROM reference WHERE name = ? AND image_id = ?", [(name, image.id) for name in untag]
            )
            if delete:
                if new := set(self.users(image.id)) - set(known_users):
                    raise Conflict(
                        f"conflict: unable to delete {image.id.short} (cannot be forced) - image is being used by "
                        f"running container {min(new)[:12]}"
                    )
                if conn.execute("SELECT 1 FROM reference WHERE image_id = ?", (image.id,)).fetchone():
                    raise Conflict(f"conflict: image {image.id.short} was given a name while it was being removed")
                if known_users:
                    conn.execute("UPDATE image SET is_deleted = 1 WHERE id = ?", (image.id,))
                else:
                    conn.execute("DELETE FROM image WHERE id = ?", (image.id,))
        self.write_index()

    def users(self, image_id: Digest) -> tuple[str, ...]:
        """Ids of the containers that were made from the image, or mount it."""
        rows = self._db.read().execute(
            "SELECT id FROM container WHERE image_id = ? UNION SELECT container_id FROM image_use WHERE image_id = ?"
            " ORDER BY 1",
            (image_id, image_id),
        )
        return tuple(row[0] for row in rows)

    def write_index(self) -> None:
        """Write ROOT/index.json: what the database can be rebuilt from."""
        from wherry.store.index import write_index

        write_index(self._paths, self._db, self._blobs)

    def _select(self, where: str, value: str) -> _Rows:
        return self._db.read().execute(f"{_SELECT} {where}", (value,)).fetchall()

    def _named(self, text: str) -> ImageRecord | None:
        try:
            reference = Reference.parse(text)
        except InvalidReference:
            if set(text.removeprefix("sha256:")) <= _HEX:
                return None
            raise
        rows = self._select("WHERE id = (SELECT image_id FROM reference WHERE name = ?)", str(reference))
        if not rows and reference.digest and reference.tag:
            return self._named(str(reference._replace(tag="")))
        return self._record(rows[0]) if rows else None

    def _not_found(self, text: str) -> NotFound:
        shown = text
        if not text.startswith("sha256:"):
            shown = Reference.parse(text).familiar
        known = [
            Reference.known(row[0]).familiar.removesuffix(":latest")
            for row in self._db.read().execute("SELECT name FROM reference")
        ]
        close = nearest(shown.removesuffix(":latest"), known)
        return NotFound(f"No such image: {shown}", hint=f"did you mean {close}?" if close else None)

    def _record(self, row: _Row) -> ImageRecord:
        conn = self._db.read()
        names = conn.execute("SELECT name FROM reference WHERE image_id = ? ORDER BY name", (row[0],))
        layers = conn.execute("SELECT diff_id FROM image_layer WHERE image_id = ? ORDER BY position", (row[0],))
        return _as_record(row, [name for (name,) in names], [diff_id for (diff_id,) in layers])


_SELECT = "SELECT id, manifest, created_ns, size, added_ns FROM image"


def _as_record(row: _Row, names: Sequence[str], layers: Sequence[str]) -> ImageRecord:
    ordered = sorted(names, key=lambda name: ("@" in name, name))
    return ImageRecord(
        Digest(row[0]), Digest(row[1]), tuple(ordered), row[2], row[3], tuple(map(DiffID, layers)), row[4]
    )


def insert_image(conn: sqlite3.Connection, record: ImageRecord, blobs: Sequence[Digest]) -> None:
    conn.execute(
        "INSERT INTO image (id, manifest, created_ns, size, added_ns) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET manifest = excluded.manifest, is_deleted = 0",
        (record.id, record.manifest, record.created_ns, record.size, record.added_ns),
    )
    conn.executemany(
        "INSERT OR IGNORE INTO image_layer (image_id, position, diff_id) VALUES (?, ?, ?)",
        [(record.id, i, diff_id) for i, diff_id in enumerate(record.layers)],
    )
    conn.execute("DELETE FROM image_blob WHERE image_id = ?", (record.id,))
    conn.executemany(
        "INSERT OR IGNORE INTO image_blob (image_id, digest) VALUES (?, ?)", [(record.id, one) for one in blobs]
    )


def point(conn: sqlite3.Connection, reference: Reference, image_id: Digest) -> None:
    conn.execute(
        "INSERT INTO reference (name, image_id) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET image_id = excluded.image_id",
        (str(reference), image_id),
    )


def _local_manifest(config: bytes, layers: Sequence[tuple[DiffID, int]]) -> bytes:
    """Of an image made here: layers uncompressed, so that no compressor's version changes the digest."""
    from wherry.oci import mediatype
    from wherry.oci.descriptor import Descriptor
    from wherry.oci.manifest import Manifest

    return Manifest(
        Descriptor(mediatype.CONFIG, Digest.of(config), len(config)),
        tuple(Descriptor(mediatype.LAYER, Digest(diff_id), size) for diff_id, size in layers),
    ).to_bytes()


def created_ns(text: str) -> int:
    """RFC 3339 as ns since the epoch; 0 when it is empty or wrong."""
    from datetime import datetime

    whole, dot, rest = text.partition(".")
    digits = ""
    if dot:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        whole += rest[len(digits) :]
    try:
        moment = datetime.fromisoformat(whole.replace("Z", "+00:00"))
    except ValueError:
        return 0
    if moment.tzinfo is None:
        return 0
    return int(moment.timestamp()) * 1_000_000_000 + int((digits + "0" * 9)[:9])


def rfc3339(moment_ns: int) -> str:
    """As docker writes times: UTC, nanoseconds without trailing zeros."""
    from datetime import UTC, datetime

    whole, rest = divmod(moment_ns, 1_000_000_000)
    digits = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}{digits}Z"
