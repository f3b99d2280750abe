"""A blob that is sent while its digest is still being found: only the request that closes an upload needs it.

Hashing and sending then take the time of the slower one. Of a blob that turns out to be there already, no more was sent
than went over the wire while it was hashed.
"""

from __future__ import annotations

from wherry.cancel import Cancel
from wherry.errors import WherryError
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.registry.blob_write import Upload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.registry.client import Repository
    from wherry.registry.exchange import Exchange
    from wherry.registry.transport import Reader
    from wherry.registry.transport_url import Url

__all__ = ["push_early"]

_UNKNOWN = Digest("sha256:" + "0" * 64)


class _Stop(Cancel):
    """Set when the sending is to end, or with the operation's own."""

    def __init__(self, outer: Cancel | None) -> None:
        super().__init__()
        self._outer = outer

    def is_set(self) -> bool:
        if self._outer and self._outer.is_set():
            self.set(self._outer.reason)
        return super().is_set()


def push_early(
    repository: Repository, exchange: Exchange, size: int, open_at: Callable[[int], Reader],
    find: Callable[[], tuple[Digest, bool]], *, cancel: Cancel | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Digest, bool]:  # fmt: skip
    """(digest, whether it was sent). `find` hashes, on this thread, and says whether the registry has it anyway.

    What a registry does not take in this way is sent as `Repository.push_blob` does. Raises: as that, and as `find`.
    """
    from concurrent.futures import ThreadPoolExecutor

    stop = _Stop(cancel)
    unknown = Descriptor("application/octet-stream", _UNKNOWN, size)
    sending = Upload(exchange, unknown, open_at, lambda: False, cancel=stop, progress=progress)
    with ThreadPoolExecutor(1, "push-early") as pool:
        sent = pool.submit(sending.stream)
        try:
            digest, is_there = find()
        except BaseException:
            stop.set("the file could not be hashed")
            raise
        if is_there:
            stop.set("the registry has it")
            sent.exception()
            return digest, False
        session = _arrived(sent.result)
    blob = unknown._replace(digest=digest)
    if session is not None:
        try:
            Upload(exchange, blob, open_at, lambda: False, cancel=cancel, progress=progress).close(session)
        except WherryError:
            if cancel:
                cancel.check()
        else:
            return digest, True
    return digest, repository.push_blob(blob, open_at, cancel=cancel, progress=progress)


def _arrived(result: Callable[[], Url]) -> Url | None:
    """Where the upload is closed; None when this registry or network did not take it."""
    try:
        return result()
    except WherryError:
        return None
