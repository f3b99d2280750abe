"""What takes the blobs and manifests of a push or a copy."""

from __future__ import annotations

from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.cancel import Cancel
    from wherry.oci.descriptor import Descriptor
    from wherry.oci.digest import Digest

__all__ = ["Reader", "Target"]


class Reader(Protocol):
    """A stream that is closed by whoever asked for it."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...

    def close(self) -> None: ...


class Target(Protocol):
    """Where blobs go: a `registry.client.Repository`, or what `registry.media` makes of files."""

    def has_blob(self, digest: Digest, *, cancel: Cancel | None = None) -> int | None: ...

    def mount(self, digest: Digest, source_repository: str, *, cancel: Cancel | None = None) -> bool: ...

    def push_blob(
        self,
        descriptor: Descriptor,
        open_at: Callable[[int], Reader],
        *,
        cancel: Cancel | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> bool: ...

    def put_manifest(
        self, tag_or_digest: str, data: bytes, media_type: str, *, cancel: Cancel | None = None
    ) -> Digest: ...
