"""One blob on its way from the upstream: written once, read by everybody who asked for it while it comes.

The last byte is given out only when the digest is right. So a wrong blob is never whole in anybody's hands, and never
in the storage.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress

from wherry.cancel import Cancel
from wherry.errors import WherryError
from wherry.fs.atomic import write_all
from wherry.oci.descriptor import Descriptor
from wherry.registry.client import Repository
from wherry.registry.server.fault import Fault
from wherry.registry.server.proxy_shelf import Shelf

__all__ = ["Flight"]

_PIECE_BYTES = 256 << 10


class Flight:
    """`run` in a thread of its own; `pieces` and `wait` in those of the clients. `done` is called at its end."""

    def __init__(self, shelf: Shelf, repository: str, blob: Descriptor) -> None:
        """Raises: OSError."""
        self.blob = blob
        self._shelf, self._repository = shelf, repository
        self._upload = f"proxy-{secrets.token_hex(12)}"
        self._fd = shelf.storage.layout.new_upload(self._upload)
        self._users = 1
        self._changed = threading.Condition()
        self._written = 0
        self._ended = False
        self.failure: Exception | None = None

    def run(self, upstream: Repository, cancel: Cancel) -> None:
        """Fetch, check, publish. What goes wrong is in `failure`, and told to everybody who waits."""
        try:
            with upstream.blob(self.blob, cancel=cancel) as reader:
                buffer = memoryview(bytearray(min(max(self.blob.size, 1), 1 << 20)))
                while count := reader.readinto(buffer):
                    write_all(self._fd, buffer[:count])
                    with self._changed:
                        self._written += count
                        self._changed.notify_all()
            os.fdatasync(self._fd)
            self._shelf.publish(self._repository, self._upload, self.blob.digest, self.blob.size)
        except (WherryError, OSError, Fault) as fault:
            self.failure = fault
            self._shelf.storage.layout.remove_upload(self._upload)
        except BaseException as fault:
            self.failure = RuntimeError(f"the transfer failed: {type(fault).__name__}")
            self._shelf.storage.layout.remove_upload(self._upload)
            raise
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            self.leave()

    def join(self) -> bool:
        """Take part: call `leave` afterwards. False when it failed, or is over and its file closed."""
        with self._changed:
            if self._users == 0 or self.failure is not None:
                return False
            self._users += 1
            return True

    def leave(self) -> None:
        with self._changed:
            self._users -= 1
            if self._users == 0:
                with suppress(OSError):
                    os.close(self._fd)

    def wait(self) -> bool:
        """Until it is over. True when the blob is in the storage."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended)
        return self.failure is None

    def pieces(self) -> Iterator[bytes]:
        """The bytes as they come. Raises: Fault, which cuts the connection of a client that has some already."""
        offset, size = 0, self.blob.size
        while offset < size:
            with self._changed:
                self._changed.wait_for(lambda at=offset: self._ended or min(self._written, size - 1) > at)  # type: ignore[misc]
                if self.failure is not None:
                    raise Fault(502, "UNAVAILABLE", "the upstream registry did not give what it promised")
                ready = size if self._ended else min(self._written, size - 1)
            while offset < ready:
                piece = os.pread(self._fd, min(_PIECE_BYTES, ready - offset), offset)
                if not piece:
                    raise Fault(502, "UNAVAILABLE", "the blob was cut short")
                offset += len(piece)
                yield piece
