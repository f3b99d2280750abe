"""Layer folders: `ROOT/layers/HEX/fs`, each the tree of one layer, ready to be a lower folder of an overlay.

Beside `fs` stand `layer.json` (what the database knows of the layer, so that it can be rebuilt) and, for a layer that
another tool packed and that came uncompressed, `recipe`: what gives its very tar again (docs/adr/0030-store-layout.md).
The folder is the truth: a layer is in the store when its folder is; the row follows.
"""

from __future__ import annotations

import os
import time

from wherry.errors import IntegrityError, NotFound, Unsupported
from wherry.fs.private import private_folder
from wherry.lean import suppress
from wherry.oci.digest import DiffID, Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import NamedTuple

    from wherry.cancel import Cancel
    from wherry.image.tar.unpack import Limits, Reader, UnpackResult
    from wherry.settings import Paths
    from wherry.store.blobs import BlobStore
    from wherry.store.db import Database
    from wherry.store.lease import Lease
    from wherry.store.scratch import Scratch
else:
    from wherry.lean import NamedTuple

__all__ = ["Layer", "LayerStore"]


class Layer(NamedTuple):
    """`size` is of the uncompressed tar. `blob` is the tar as it came, when the folder alone can't give it back."""

    diff_id: DiffID
    size: int
    blob: Digest | None = None


class LayerStore:
    """Layers by DiffID. Commits are atomic and idempotent, also when two processes make the same layer at once."""

    def __init__(self, paths: Paths, db: Database, scratch: Scratch, blobs: BlobStore) -> None:
        self._folder = paths.layers
        self._db = db
        self._scratch = scratch
        self._blobs = blobs

    def path(self, diff_id: DiffID) -> str:
        """The `fs` folder, there or not: what overlayfs gets."""
        return f"{self._folder}/{diff_id.hex}/fs"

    def has(self, diff_id: DiffID) -> bool:
        """Lease the layer first: without a lease it may be collected right after."""
        return os.path.isdir(self.path(diff_id))

    def get(self, diff_id: DiffID) -> Layer:
        """Raises: NotFound."""
        row = self._db.read().execute("SELECT size, blob FROM layer WHERE diff_id = ?", (diff_id,)).fetchone()
        if row and self.has(diff_id):
            return Layer(diff_id, row[0], Digest(row[1]) if row[1] else None)
        if found := self.read_record(diff_id):
            return found
        raise NotFound(f"layer {diff_id.short} is not in the store", hint="build, load or pull the image again")

    def workdir(self) -> AbstractContextManager[str]:
        """A fresh folder (0700) in ROOT/tmp, on the store's file system, owned by this process; removed at the end."""
        return self._scratch.folder("work")

    def commit(
        self, folder: str, diff_id: DiffID, size: int, lease: Lease | None, *, blob: Digest | None = None
    ) -> None:
        """Make `folder`/fs the layer `diff_id` by renames; `folder` stays, without `fs`. Idempotent and race-safe.

        The caller vouches that the tree packs to `diff_id` (or, with `blob`, that the blob's tar does) and that `size`
        is that tar's length. When the layer is there already, the tree stays where it is and nothing changes.
        Raises: OSError.
        """
        if lease:
            lease.add_layer(diff_id)
        if not self.has(diff_id):
            self._place(folder, Layer(diff_id, size, blob))
        with self._db.write() as conn:
            conn.execute(
                "INSERT OR IGNORE INTO layer (diff_id, size, blob, created_ns) VALUES (?, ?, ?, ?)",
                (diff_id, size, blob, time.time_ns()),
            )

    def _place(self, folder: str, layer: Layer) -> None:
        staging = self._scratch.path("layer")
        os.mkdir(staging, 0o700)
        target = f"{self._folder}/{layer.diff_id.hex}"
        try:
            os.rename(f"{folder}/fs", f"{staging}/fs")
            _write_record(staging, layer)
            with suppress(FileNotFoundError):
                os.rename(f"{folder}/recipe", f"{staging}/recipe")
            private_folder(self._folder)
            os.rename(staging, target)
        except OSError:
            from wherry.fs.remove import remove_tree

            # Another process was first (ENOTEMPTY): its tree is as good as ours. Or the disk is full: nothing stays
            there = self.has(layer.diff_id)
            remove_tree(staging)
            if not there:
                raise

    def extract(
        self,
        stream: Reader,
        lease: Lease,
        expected: DiffID | None = None,
        *,
        blob: Digest | None = None,
        again: Callable[[], Reader] | None = None,
        limits: Limits | None = None,
        cancel: Cancel | None = None,
    ) -> tuple[DiffID, int]:
        """A layer from its *uncompressed* tar; (DiffID, bytes of the tar).

        `blob` is the stored form that the tar comes from; without one, a recipe is kept beside the tree that gives the
        same bytes again. `again` opens the tar once more, for the rare one that no recipe can describe.
        `limits` None are unpack's own. Raises: IntegrityError (not `expected`), HostileArchive, InvalidSpec, Cancelled,
        OSError; then nothing is stored.
        """
        from wherry.image.tar import unpack

        bounds = limits or unpack.DEFAULT_LIMITS

        with self.workdir() as folder:
            os.mkdir(f"{folder}/fs", 0o755)
            if blob:
                owners = os.geteuid() == 0
                result = unpack.unpack(stream, f"{folder}/fs", owners=owners, limits=bounds, cancel=cancel)
            else:
                result = _unpack_with_recipe(stream, folder, bounds, cancel)
            if expected and result.diff_id != expected:
                raise IntegrityError("layer content (diff id)", expected=expected, actual=result.diff_id)
            if not blob and not result.replayable:
                os.unlink(f"{folder}/recipe")
                blob = self._keep_tar(result.diff_id, lease, again)
            self.commit(folder, result.diff_id, result.size, lease, blob=blob)
        return result.diff_id, result.size

    def _keep_tar(self, diff_id: DiffID, lease: Lease, again: Callable[[], Reader] | None) -> Digest:
        if again is None:
            raise Unsupported(
                f"layer {diff_id.short} writes the same file twice, and can be read only once",
                hint="give it as a file rather than through a pipe",
            )
        digest = Digest(diff_id)
        lease.add_blob(digest)
        stream = again()
        return self._blobs.put(iter(lambda: stream.read(1 << 20), b""), digest).digest

    def write_tar(self, diff_id: DiffID, write: Callable[[bytes | bytearray | memoryview], object]) -> None:
        """Give `write` the layer's uncompressed tar: bytes that hash to `diff_id`. Checked at the end.

        Raises: NotFound, IntegrityError (the folder was changed behind our back), OSError.
        """
        from hashlib import sha256

        layer = self.get(diff_id)
        hashed = sha256()

        def both(chunk: bytes | bytearray | memoryview) -> None:
            hashed.update(chunk)
            write(chunk)

        self._regenerate(layer, both)
        if hashed.hexdigest() != diff_id.hex:
            raise IntegrityError(
                f"layer {diff_id.short} in the store", expected=diff_id, actual=f"sha256:{hashed.hexdigest()}"
            )

    def _regenerate(self, layer: Layer, write: Callable[[bytes | bytearray | memoryview], object]) -> None:
        if layer.blob:
            from wherry.image.tar import compress

            with self._blobs.open(layer.blob) as file:
                stream = compress.reader(file)
                while chunk := stream.read(1 << 20):
                    write(chunk)
            return
        from wherry.image.tar import compress, pack, recipe

        kept = f"{self._folder}/{layer.diff_id.hex}/recipe"
        if not os.path.exists(kept):
            pack.tree_to_tar(self.path(layer.diff_id), write)
            return
        with open(kept, "rb") as file:
            recipe.replay(self.path(layer.diff_id), compress.reader(file), write)

    def detach(self, diff_id: DiffID) -> str | None:
        """Move the layer out of the store; the path to remove afterwards, or None when it was not there.

        Only garbage collection calls this, inside its transaction: a rename is quick, removing a tree is not.
        """
        away = self._scratch.path("gone")
        try:
            os.rename(f"{self._folder}/{diff_id.hex}", away)
        except FileNotFoundError:
            return None
        return away

    def all(self) -> list[DiffID]:
        """Every layer that has a folder, in no order."""
        with suppress(FileNotFoundError):
            return [DiffID(f"sha256:{name}") for name in os.listdir(self._folder) if len(name) == 64]
        return []

    def read_record(self, diff_id: DiffID) -> Layer | None:
        """What `layer.json` says; None when there is no such layer folder."""
        from wherry import lean_json as json

        try:
            with open(f"{self._folder}/{diff_id.hex}/layer.json", "rb") as file:
                doc = json.load(file)
        except (FileNotFoundError, ValueError):
            return None
        return Layer(diff_id, int(doc["size"]), Digest.parse(doc["blob"]) if doc.get("blob") else None)


def _unpack_with_recipe(stream: Reader, folder: str, limits: Limits, cancel: Cancel | None) -> UnpackResult:
    """Into `folder`/fs, with `folder`/recipe (zstd: about 1 % of the tar) beside it."""
    from wherry.image.tar import compress, unpack

    with open(f"{folder}/recipe", "wb") as file:
        writer = compress.zstd_writer(file.write)
        result = unpack.unpack(
            stream, f"{folder}/fs", owners=os.geteuid() == 0, recipe=writer.write, limits=limits, cancel=cancel
        )
        writer.close()
    return result


def _write_record(folder: str, layer: Layer) -> None:
    from wherry import lean_json as json

    doc = {"diffID": layer.diff_id, "size": layer.size}
    if layer.blob:
        doc["blob"] = layer.blob
    fd = os.open(f"{folder}/layer.json", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, json.dumps(doc).encode())
    finally:
        os.close(fd)
