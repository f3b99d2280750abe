"""Where each byte of a bundle stands: it follows from its document alone.

A bundle is an uncompressed tar of exactly one form (docs/adr/0252-bundles.md), so it is read without looking for
headers: each is compared with the one that belongs there, and nothing that a hostile tar could say is ever followed.
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.airgap.document import FIRST, LIMIT_BYTES, Entry
from wherry.errors import InvalidSpec
from wherry.oci.digest import Digest
from wherry.store.save import tar_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BLOCK", "CHECKSUM", "Place", "checksum", "first_size", "layout", "padding", "tail"]

BLOCK = 512
CHECKSUM = f"{FIRST}.sha256"
_RECORD = 20 * BLOCK


class Place(NamedTuple):
    """One member of the tar: its header is at `at`, `size` bytes follow it, then zeros up to the next block.

    A folder has no digest.
    """

    name: str
    header: bytes
    at: int
    size: int
    digest: Digest | None

    @property
    def data_at(self) -> int:
        return self.at + len(self.header)


def checksum(first: bytes) -> bytes:
    """The file behind bundle.json: its sum, as sha256sum has it. The document can't hold its own."""
    return f"{Digest.of(first).hex}  {FIRST}\n".encode()


def layout(first: bytes, files: Sequence[Entry]) -> tuple[list[Place], int]:
    """Every member behind bundle.json, whose bytes are `first`; and how long the whole tar is."""
    at = BLOCK + len(first) + padding(len(first))
    places: list[Place] = []
    folders: set[str] = set()
    own = checksum(first)
    for one in (Entry(CHECKSUM, len(own), Digest.of(own)), *files):
        for folder in _parents(one.name):
            if folder not in folders:
                folders.add(folder)
                places.append(Place(folder, tar_header(folder, 0), at, 0, None))
                at += BLOCK
        places.append(Place(one.name, tar_header(one.name, one.size), at, one.size, one.digest))
        at = places[-1].data_at + one.size + padding(one.size)
    return places, at + len(tail(at))


def _parents(name: str) -> list[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[: i + 1]) + "/" for i in range(len(parts))]


def padding(size: int) -> int:
    """Zeros behind a member of this size."""
    return -size % BLOCK


def tail(total: int) -> bytes:
    """What ends a tar of `total` bytes: two empty blocks, and whole records of 20, as POSIX asks."""
    return bytes(2 * BLOCK + -(total + 2 * BLOCK) % _RECORD)


def first_size(header: bytes) -> int:
    """The size of bundle.json, by the first block of an archive. Raises: InvalidSpec when this is no bundle."""
    digits = header[124:135]
    size = int(digits, 8) if len(header) == BLOCK and digits.isdigit() and not set(digits) - set(b"01234567") else -1
    if size < 0 or header != tar_header(FIRST, size):
        raise InvalidSpec(
            "this is no bundle", hint="`wherry load -i FILE` takes other archives of images; a split bundle: its .001"
        )
    if size > LIMIT_BYTES:
        raise InvalidSpec(f"{FIRST}: {size} bytes is over the limit of {LIMIT_BYTES}")
    return size
