"""Digests as values: text that was parsed once and is trusted from then on.

Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests
"""

from __future__ import annotations

from wherry.errors import InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

__all__ = ["DiffID", "Digest", "small_sha256"]

_LENGTH = {"sha256": 64, "sha512": 128}
_HEX = frozenset("0123456789abcdef")


def small_sha256(data: bytes) -> str:
    """The hex digest of a few kilobytes: without hashlib, which loads OpenSSL (4 ms, worth it from 2 MB on)."""
    if len(data) < 1 << 20:
        try:
            from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]

            digest: str = sha256(data).hexdigest()
            return digest
        except ImportError:
            pass
    import hashlib

    return hashlib.sha256(data).hexdigest()


class _Hash(str):
    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: InvalidSpec for an unknown algorithm, a wrong length or alphabet."""
        # No `re`, which costs more than all the rest of `wherry images`
        algorithm, _, digits = text.partition(":")
        if len(digits) != _LENGTH.get(algorithm) or not _HEX.issuperset(digits):
            raise InvalidSpec(f"invalid digest {text[:160]!r}", hint="expected sha256:<64 hex digits>")
        return cls(text)

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The sha256 of `data`."""
        return cls("sha256:" + small_sha256(data))

    @classmethod
    def from_hex(cls, sha256_hex: str) -> Self:
        return cls.parse("sha256:" + sha256_hex)

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """The first 12 hex digits, as docker shows ids."""
        return self.hex[:12]


class Digest(_Hash):
    """The hash of bytes as they are stored or sent: of a compressed layer, a manifest, a config."""

    __slots__ = ()


class DiffID(_Hash):
    """The hash of a layer's *uncompressed* tar. Another type than Digest, so that mypy finds a swap."""

    __slots__ = ()
