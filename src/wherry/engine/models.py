"""Models in the store: OCI artifacts whose files are blobs, listed beside the images and mounted like them."""

from __future__ import annotations

import re
import time
from typing import NamedTuple

from wherry.errors import Conflict, InvalidReference, NotFound
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.engine import Engine
    from wherry.store.gc import Collected

    Lines = list[str]

__all__ = ["ModelRecord", "Models"]

_ID = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")


class ModelRecord(NamedTuple):
    """`id` is the manifest's digest, `size` the sum of its files' in bytes, `names` whole references."""

    id: Digest
    names: tuple[str, ...]
    size: int
    added_ns: int


class Models:
    """The models of one root. Whoever adds one holds a lease on its blobs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self) -> list[ModelRecord]:
        """The last added first."""
        conn = self._engine.db.read()
        names: dict[str, list[str]] = {}
        for name, model_id in conn.execute("SELECT name, model_id FROM model_name ORDER BY name"):
            names.setdefault(model_id, []).append(name)
        rows = conn.execute("SELECT id, size, added_ns FROM model ORDER BY added_ns DESC, id")
        return [ModelRecord(Digest(row[0]), tuple(names.get(row[0], ())), row[1], row[2]) for row in rows]

    def resolve(self, text: str) -> ModelRecord:
        """By name, digest, or the start of a digest. Raises: NotFound, InvalidReference, Conflict (several fit)."""
        if (found := self.find(text)) is not None:
            return found
        from wherry.errors import nearest

        known = [Reference.known(name).familiar for one in self.list() for name in one.names]
        close = nearest(text, known)
        raise NotFound(
            f"No such model: {text}", hint=f"did you mean {close}?" if close else f"wherry model pull {text}"
        )

    def find(self, text: str) -> ModelRecord | None:
        """As `resolve`; None where there is none."""
        records = self.list()
        try:
            reference: Reference | None = Reference.parse(text)
        except InvalidReference:
            reference = None
            if not _ID.fullmatch(text):
                raise
        if reference is not None:
            wanted = str(reference)
            for one in records:
                if wanted in one.names or (reference.digest == one.id and _has_name(one, reference)):
                    return one
        if match := _ID.fullmatch(text):
            found = [one for one in records if one.id.hex.startswith(match[1])]
            if len(found) > 1:
                raise Conflict(f"several models' ids start with {match[1]}", hint="say more of it")
            return found[0] if found else None
        return None

    def by_id(self, id: Digest) -> ModelRecord | None:
        """Cheap: a row."""
        row = self._engine.db.read().execute("SELECT id, size, added_ns FROM model WHERE id = ?", (id,)).fetchone()
        return ModelRecord(Digest(row[0]), (), row[1], row[2]) if row else None

    def manifest(self, record: ModelRecord) -> Manifest:
        """Raises: NotFound, IntegrityError when the store lost it."""
        return Manifest.from_bytes(self._engine.blobs.read(record.id))

    def add(self, id: Digest, manifest: Manifest, reference: Reference | None) -> ModelRecord:
        """Its blobs are in the store, leased. Idempotent; the name leaves the model that had it."""
        blobs = [manifest.config.digest, *(layer.digest for layer in manifest.layers)]
        size = sum({layer.digest: layer.size for layer in manifest.layers}.values())
        with self._engine.db.write() as conn:
            conn.execute(
                "INSERT OR IGNORE INTO model (id, size, added_ns) VALUES (?, ?, ?)", (id, size, time.time_ns())
            )
            conn.executemany(
                "INSERT OR IGNORE INTO model_blob (model_id, digest) VALUES (?, ?)", [(id, one) for one in blobs]
            )
        if reference is not None:
            self.tag(id, reference)
        return self.resolve(str(id))

    def tag(self, id: Digest, reference: Reference) -> None:
        """Raises: NotFound; Conflict when an image has the name, since one name can't mean both in a mount."""
        name = str(reference)
        with self._engine.db.write() as conn:
            if not conn.execute("SELECT 1 FROM model WHERE id = ?", (id,)).fetchone():
                raise NotFound(f"No such model: {id}")
            if conn.execute("SELECT 1 FROM reference WHERE name = ?", (name,)).fetchone():
                raise Conflict(
                    f"{reference.familiar} is the name of an image", hint="choose another name for the model"
                )
            conn.execute(
                "INSERT INTO model_name (name, model_id) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET model_id = excluded.model_id",
                (name, id),
            )

    def users(self, id: Digest) -> tuple[str, ...]:
        """Ids of the containers that mount it."""
        rows = self._engine.db.read().execute(
            "SELECT DISTINCT container_id FROM image_use WHERE image_id = ? ORDER BY 1", (id,)
        )
        return tuple(row[0] for row in rows)

    def remove(self, text: str, *, force: bool = False) -> tuple[Lines, Collected]:
        """docker's lines ("Untagged: ...", "Deleted: ..."): a name while there are others, else the model itself.

        Raises: NotFound, Conflict when a container mounts it (never forced: its files are what it reads), or it has
        several names and was named by its digest without `force`.
        """
        record = self.resolve(text)
        named = self._named(record, text)
        if named and len(record.names) > 1:
            with self._engine.db.write() as conn:
                conn.execute("DELETE FROM model_name WHERE name = ?", (named,))
            from wherry.store.gc import Collected

            return [f"Untagged: {Reference.known(named).familiar}"], Collected()
        if not named and len(record.names) > 1 and not force:
            raise Conflict(
                f"conflict: unable to delete {record.id.short} (must be forced) - model has several names",
                hint="wherry model rm --force",
            )
        return self._delete([record])

    def prune(self, *, everything: bool) -> tuple[Lines, Collected]:
        """Those without a name, with `everything` all that no container mounts; and what broken pulls left."""
        from wherry.engine.partial import sweep_partial

        dead = [one for one in self.list() if not self.users(one.id) and (everything or not one.names)]
        lines, gone = self._delete(dead)
        return lines, gone._replace(freed_bytes=gone.freed_bytes + sweep_partial(f"{self.folder}/partial"))

    def _delete(self, records: Sequence[ModelRecord]) -> tuple[Lines, Collected]:
        from wherry.engine.models_tree import sweep

        lines = []
        for record in records:
            with self._engine.db.write() as conn:
                user = conn.execute("SELECT container_id FROM image_use WHERE image_id = ?", (record.id,)).fetchone()
                if user:
                    raise Conflict(
                        f"conflict: unable to delete {record.id.short} (cannot be forced) - model is mounted by "
                        f"container {user[0][:12]}",
                        hint=f"wherry rm {user[0][:12]}",
                    )
                conn.execute("DELETE FROM model WHERE id = ?", (record.id,))
            lines += [f"Untagged: {Reference.known(name).familiar}" for name in record.names]
            lines.append(f"Deleted: {record.id}")
        sweep(self._engine)
        return lines, self._engine.collector.collect()

    def _named(self, record: ModelRecord, text: str) -> str:
        try:
            name = str(Reference.parse(text))
        except InvalidReference:
            return ""
        return name if name in record.names else ""

    def usage(self) -> tuple[int, int, int, int]:
        """(how many, how many are mounted, bytes of all files, bytes that could go), shared files counted once."""
        records = self.list()
        used = {one.id for one in records if self.users(one.id)}
        sizes: dict[str, int] = {}
        busy: set[str] = set()
        for one in records:
            for layer in self.manifest(one).layers:
                sizes[layer.digest] = layer.size
                if one.id in used:
                    busy.add(layer.digest)
        total = sum(sizes.values())
        return len(records), len(used), total, total - sum(sizes[digest] for digest in busy)

    @property
    def folder(self) -> str:
        """ROOT/models."""
        return self._engine.settings.paths.models


def _has_name(record: ModelRecord, reference: Reference) -> bool:
    """Whether a name of the record is one of the same repository: NAME@DIGEST means a model by any of its tags."""
    return any(Reference.known(name).familiar_name == reference.familiar_name for name in record.names)
