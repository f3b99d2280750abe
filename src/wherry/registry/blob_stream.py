"""A run of bytes of one blob, from wherever it is; broken connections are taken up where they ended."""

from __future__ import annotations

import re
import time

from wherry.errors import Denied, IntegrityError, RegistryError
from wherry.registry.answer import failure
from wherry.registry.exchange import pause
from wherry.registry.transport_response import Broken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.cancel import Cancel
    from wherry.oci.descriptor import Descriptor
    from wherry.registry.retry import Retry
    from wherry.registry.transport_response import Response

__all__ = ["Fetch", "Stream"]

if TYPE_CHECKING:
    Fetch = Callable[[dict[str, str], Cancel | None], Response]
    """GET the blob with these extra headers; any status."""

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")
_PROGRESS_BYTES = 1 << 20
_SKIP = 256 << 10


class Stream:
    """Bytes `start` up to `end` of a blob. Checks positions and sizes, not the digest. One thread at a time."""

    def __init__(
        self, fetch: Fetch, blob: Descriptor, span: tuple[int, int], retry: Retry, cancel: Cancel | None = None
    ) -> None:
        self._fetch = fetch
        self._blob = blob
        self.at, self._end = span
        self._retry = retry
        self._cancel = cancel
        self._response: Response | None = None
        self._etag = ""
        self._was_denied = False
        self._failures = 0
        self._safe_at = self.at
        self.is_whole = False
        """The registry ignores ranges: the stream goes on to the end of the blob."""
        self.waited_s = 0.0

    @property
    def end(self) -> int:
        return self._end

    def readinto(self, view: memoryview) -> int:
        """One piece; 0 at the end. Raises: NotFound, IntegrityError, Unreachable, Cancelled, RegistryError."""
        while self.at < self._end:
            try:
                response = self._response or self._open()
                self._response = response
                began = time.monotonic()
                count = response.readinto(view[: self._end - self.at])
                self.waited_s += time.monotonic() - began
            except Broken as fault:
                self._failed(fault)
                continue
            if not count:
                raise self._wrong_size(self.at)
            self.at += count
            if self.at == self._end:
                self._finish(response)
            return count
        return 0

    def _failed(self, fault: Broken) -> None:
        """Wait before the next try; raise what happened when there were enough. Real progress starts the count anew."""
        self.close()
        if self.at - self._safe_at >= _PROGRESS_BYTES:
            self._failures = 0
            self._was_denied = False
        self._safe_at = self.at
        self._failures += 1
        if self._failures >= self._retry.tries:
            raise fault
        pause(self._retry.wait_s(self._failures), self._cancel)

    def _open(self) -> Response:
        total = self._blob.size
        headers = {"Accept-Encoding": "identity"}
        wants_range = self.at > 0 or self._end < total
        if wants_range:
            headers["Range"] = f"bytes={self.at}-{self._end - 1}"
            if self._etag:
                headers["If-Range"] = self._etag
        response = self._fetch(headers, self._cancel)
        try:
            if response.status == 206 and wants_range:
                self._check_range(response)
            elif response.status == 200:
                self._accept_whole(response)
            else:
                raise self._refused(response)
        except BaseException:
            response.close()
            raise
        etag = response.header("ETag") or ""
        self._etag = etag if etag.startswith('"') and len(etag) < 256 and etag.isprintable() else ""
        return response

    def _accept_whole(self, response: Response) -> None:
        """A 200: everything from the start, whatever was asked for; what we have is read over."""
        length = response.length
        if length is not None and length != self._blob.size:
            raise self._wrong_size(length)
        self.is_whole = True
        self._end = self._blob.size
        skipped, buffer = 0, memoryview(bytearray(min(_SKIP, self.at)))
        while skipped < self.at:
            count = response.readinto(buffer[: self.at - skipped])
            if not count:
                raise self._wrong_size(skipped)
            skipped += count

    def _check_range(self, response: Response) -> None:
        said = response.header("Content-Range") or ""
        match = _CONTENT_RANGE.fullmatch(said.strip()[:80])
        total = str(self._blob.size)
        if (
            not match
            or (int(match[1]), int(match[2])) != (self.at, self._end - 1)
            or match[3] not in {"*", total}
            or response.length not in {None, self._end - self.at}
        ):
            raise RegistryError(
                f"{response.url.shown}: asked for bytes {self.at}-{self._end - 1}/{total}, got {said[:80]!r}",
                status=206,
            )

    def _refused(self, response: Response) -> Exception:
        error = failure(response, f"cannot read blob {self._blob.digest.short} of {response.url.authority}")
        if isinstance(error, Denied) and not self._was_denied:
            # A signed URL that ran out, meanwhile or before it was used: the registry gives a new one
            self._was_denied = True
            return Broken(error.message, status=error.status, retryable=True)
        return error

    def _finish(self, response: Response) -> None:
        """A body that goes on after its last byte is not what was promised."""
        if self._end == self._blob.size and response.readinto(memoryview(bytearray(1))):
            self.close()
            raise self._wrong_size(self._blob.size + 1)
        self.close()

    def _wrong_size(self, actual: int) -> IntegrityError:
        said = f"{actual} bytes" if actual <= self._blob.size else "more"
        return IntegrityError(f"blob {self._blob.digest.short}", expected=f"{self._blob.size} bytes", actual=said)

    def close(self) -> None:
        if self._response:
            self._response.close()
            self._response = None
