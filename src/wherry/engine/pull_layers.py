"""The layers of a pull, side by side: each is unpacked while it arrives, and appears when all of it proved right.

A layer that is here already, by its DiffID, is not fetched. What a killed pull had finished stays for the next one;
what it had begun is swept by it (`Scratch.sweep`).
"""

from __future__ import annotations

import os
from contextlib import closing
from typing import NamedTuple

from wherry.cancel import Cancel, Within
from wherry.errors import Cancelled, DiskFull

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from wherry.engine.pull_source import Blob, Source, Sources
    from wherry.image.tar.stream import Limits, Reader
    from wherry.oci.descriptor import Descriptor
    from wherry.oci.digest import DiffID
    from wherry.registry.watch import TransferWatch
    from wherry.store.compressed import CompressedForms
    from wherry.store.layers import LayerStore
    from wherry.store.lease import Lease

__all__ = ["Counted", "LayerPull", "Part", "Whole", "limits_of", "require_room"]

_GIB = 1 << 30
_MOST_BYTES = 1 << 40
_RATIO = 250


class Part(NamedTuple):
    """One layer: how the manifest has it, and what its content must be."""

    blob: Descriptor
    diff_id: DiffID

    @property
    def short(self) -> str:
        """docker names a layer by what it fetches."""
        return self.blob.digest.short


def limits_of(blob_size: int) -> Limits:
    """What a layer of `blob_size` bytes may become: a bomb ends here, and no layer that people make does.

    gzip reaches 1 to 1000 with zeros alone, programs 1 to 4. 32 GiB are allowed in any case.
    """
    from wherry.image.tar.stream import Limits

    return Limits(total_bytes=min(_MOST_BYTES, max(32 * _GIB, _RATIO * blob_size)))


def require_room(folder: str, parts: Sequence[Part]) -> None:
    """Raises: DiskFull when not even the compressed layers would fit on the disk of `folder`."""
    try:
        disk = os.statvfs(folder)
    except FileNotFoundError:
        return
    needed, free = sum(part.blob.size for part in parts), disk.f_bavail * disk.f_frsize
    if needed > free:
        raise DiskFull(
            f"the image needs more than {needed} bytes, and the disk of {folder} has {free} left",
            hint="df shows which disk is full; wherry system prune frees what wherry holds",
        )


class LayerPull(NamedTuple):
    """The layers of one image. `lease` holds their DiffIDs already. `cancel` is set when one of them fails."""

    layers: LayerStore
    forms: CompressedForms
    sources: Sources
    lease: Lease
    watch: TransferWatch
    cancel: Cancel

    def run(self, parts: Sequence[Part], folder: str, jobs: int) -> None:
        """Bring all of them here. The first failure ends the others; all threads are done when it returns.

        Raises: IntegrityError, InvalidSpec, HostileArchive, RegistryError, DiskFull, Cancelled, OSError.
        """
        missing: list[Part] = []
        for part in {part.diff_id: part for part in parts}.values():
            if self.layers.has(part.diff_id):
                self.watch.finish(part.short, "Already exists")
            else:
                self.watch.start(part.short, "Pulling fs layer", part.blob.size)
                missing.append(part)
        if not missing:
            return
        require_room(folder, missing)
        if len(missing) == 1:
            self.one(missing[0])
            return
        # The largest first: begun last it would be waited for alone
        self._side_by_side(sorted(missing, key=lambda part: -part.blob.size), jobs)

    def _side_by_side(self, parts: Sequence[Part], jobs: int) -> None:
        from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

        with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="pull") as pool:
            futures = [pool.submit(self.one, part) for part in parts]
            ended: list[Future[None]] = []
            for future in futures:
                future.add_done_callback(ended.append)
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                # No-op when all went well; else the others end at their next read
                if not all(future.done() and not future.cancelled() and not future.exception() for future in futures):
                    self.cancel.set("another layer failed")
                    for future in futures:
                        future.cancel()
        # What failed first is the reason; that the others were ended is not
        faults = [fault for one in ended if not one.cancelled() and (fault := one.exception())]
        for fault in sorted(faults, key=lambda fault: isinstance(fault, Cancelled)):
            raise fault

    def one(self, part: Part) -> None:
        """Fetch, check and unpack one layer."""
        self.cancel.check()
        # Another pull may have brought it meanwhile
        if self.layers.has(part.diff_id):
            self.watch.finish(part.short, "Already exists")
            return
        self.sources.each(lambda source: self._extract(source, part))
        self.forms.remember(part.diff_id, part.blob)
        self.watch.finish(part.short, "Pull complete")

    def _extract(self, source: Source, part: Part) -> None:
        from wherry.image.tar import compress

        stop = Within(self.cancel)

        def again() -> Reader:
            # A tar that writes a file twice can't be described by a recipe: it is fetched once more, and kept
            return _Closing(source.blob(part.blob, cancel=stop))

        self.watch.start(part.short, "Downloading", part.blob.size)
        with closing(source.blob(part.blob, cancel=stop)) as blob:
            counted = Counted(blob, lambda done: self.watch.advance(part.short, done), lambda: self._unpacking(part))
            try:
                self.layers.extract(
                    Whole(compress.reader(counted), counted), self.lease, part.diff_id, again=again,
                    limits=limits_of(part.blob.size), cancel=stop,
                )  # fmt: skip
            except BaseException:
                # A thread that reads ahead may wait for the registry, and closing would wait for it: Ctrl-C for minutes
                stop.set("the layer was given up")
                raise

    def _unpacking(self, part: Part) -> None:
        self.watch.start(part.short, "Download complete", 0)


class Counted:
    """A blob that says how far it is."""

    def __init__(self, blob: Blob, tell: Callable[[int], None], ended: Callable[[], None]) -> None:
        self._blob, self._tell, self._ended = blob, tell, ended
        self._done, self._over = 0, False

    def read(self, size: int, /) -> bytes:
        if self._over:
            return b""
        data = self._blob.read(size)
        if data:
            self._done += len(data)
            self._tell(self._done)
        else:
            self._over = True
            self._ended()
        return data


class Whole:
    """The content, which ends only when the blob did too: its last byte vouches for digest and size."""

    def __init__(self, content: Reader, blob: Counted) -> None:
        self._content, self._blob = content, blob

    def read(self, size: int, /) -> bytes:
        data = self._content.read(size)
        if not data:
            while self._blob.read(1 << 18):
                pass
        return data


class _Closing:
    """The content of a blob, which is closed at its end."""

    def __init__(self, blob: Blob) -> None:
        from wherry.image.tar import compress

        self._blob = blob
        self._content = compress.reader(blob)

    def read(self, size: int, /) -> bytes:
        try:
            data = self._content.read(size)
        except BaseException:
            self._blob.close()
            raise
        if not data:
            self._blob.close()
        return data
