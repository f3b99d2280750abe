"""Every byte of a bundle against its document, before anything is done with it."""

from __future__ import annotations

from hashlib import new as new_hash

from wherry.airgap.layout import BLOCK, first_size, padding, tail
from wherry.engine.airgap_source import Stretch
from wherry.errors import InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.airgap.layout import Place
    from wherry.cancel import Cancel
    from wherry.engine.airgap_parts import Parts
    from wherry.engine.airgap_source import Opened
    from wherry.registry.watch import TransferWatch

__all__ = ["verify"]

_CHUNK = 1 << 20


def verify(parts: Parts, opened: Opened, jobs: int, watch: TransferWatch, cancel: Cancel) -> None:
    """Reads all of it once, in `jobs` threads. Raises: InvalidSpec, which names the damaged file; Cancelled."""
    from concurrent.futures import ThreadPoolExecutor

    _check_frame(parts, opened)
    label = parts.name
    watch.start(label, "Verifying", opened.total)
    done = [0]

    def one(place: Place) -> None:
        assert place.digest
        hashed = new_hash(place.digest.algorithm)
        with Stretch(parts, place) as stream:
            while chunk := stream.read(_CHUNK):
                cancel.check()
                hashed.update(chunk)
                done[0] += len(chunk)
                watch.advance(label, min(done[0], opened.total))
        if hashed.hexdigest() != place.digest.hex:
            raise _damaged(parts, place.data_at, place.size, place.name)

    with ThreadPoolExecutor(jobs, "verify") as pool:
        futures = [pool.submit(one, place) for place in opened.places if place.digest]
        try:
            for future in futures:
                future.result()
        except BaseException:
            cancel.set("the bundle is damaged")
            for future in futures:
                future.cancel()
            raise
    watch.finish(label, "Verified")


def _check_frame(parts: Parts, opened: Opened) -> None:
    """What stands between the files is what a bundle has there: headers, and zeros."""
    size = first_size(parts.read_at(0, BLOCK))
    _check(parts, BLOCK + size, bytes(padding(size)))
    end = BLOCK + size + padding(size)
    for place in opened.places:
        _check(parts, place.at, place.header)
        _check(parts, place.data_at + place.size, bytes(padding(place.size)))
        end = place.data_at + place.size + padding(place.size)
    _check(parts, end, tail(end))


def _check(parts: Parts, offset: int, wanted: bytes) -> None:
    if wanted and parts.read_at(offset, len(wanted)) != wanted:
        raise _damaged(parts, offset, len(wanted), f"byte {offset}")


def _damaged(parts: Parts, offset: int, size: int, what: str) -> InvalidSpec:
    paths = parts.paths_of(offset, size)
    sums = " its .sha256 file says which one: `sha256sum -c`" if len(paths) > 1 else ""
    return InvalidSpec(
        f"the bundle is damaged: {what} in {' or '.join(paths[:4])} is not what was written; nothing was loaded",
        hint=f"copy it again;{sums}".removesuffix(";"),
    )
