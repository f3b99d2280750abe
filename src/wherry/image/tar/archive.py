"""The members of a tar stream, with what PAX and GNU headers say about them already applied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from wherry.errors import HostileArchive, InvalidSpec
from wherry.image.tar import header, pax, sparse, whiteout
from wherry.image.tar.header import BLOCK
from wherry.image.tar.stream import Limits, Source

__all__ = ["Archive", "Member", "shown"]

_SPECIAL_LIMIT = 1 << 20
_ZEROS = bytes(BLOCK)
_REGULAR = frozenset({b"0", b"\0", b"7", b"S"})
_MAX_ID = (1 << 32) - 2
_OTHER = {b"M": "a part of a file of another volume", b"N": "a long name of a pre-1997 GNU tar"}


class Member(NamedTuple):
    """One member. `kind` is a type byte of `header`; `size` the file's, holes included; `stored` its bytes here.

    `name` and `link` are as the archive says: not yet cleaned of "..". `xattrs` hold none of overlayfs's and no
    security labels. `holes` says where the stored bytes go, None when they are the whole file.
    """

    name: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    size: int
    stored: int
    mtime_ns: int
    link: bytes
    device: int
    xattrs: tuple[tuple[str, bytes], ...]
    holes: sparse.Map | None


class Archive:
    """`next` gives one member after the other; what of its content was not read by `pieces` is skipped."""

    def __init__(self, source: Source, limits: Limits) -> None:
        self.source = source
        self.entries = 0
        self._limits = limits
        self._left = self._padding = 0
        self._sizes = 0
        self._globals: dict[bytes, bytes] = {}

    def pieces(self) -> Iterator[memoryview]:
        """The stored content of the member that `next` gave last; the caller tells a recorder what it was."""
        for piece in self.source.pieces(self._left):
            self._left -= len(piece)
            yield piece

    def count(self, entries: int = 1) -> None:
        """Raises: InvalidSpec above the limit."""
        self.entries += entries
        if self.entries > self._limits.entries:
            raise InvalidSpec(f"tar: it holds more than the limit of {self._limits.entries} entries")

    def next(self) -> Member | None:
        """None at the end blocks, or where the stream ends between members. Raises: HostileArchive, InvalidSpec."""
        records: list[tuple[bytes, bytes]] = []
        gnu: dict[bytes, bytes] = {}
        while True:
            block = self._block()
            if block is None:
                if records or gnu:
                    raise InvalidSpec("tar: it ends after a header that belongs to a next one")
                return None
            fields = header.parse(block)
            if fields.size < 0:
                raise InvalidSpec("tar: a header tells of a negative size")
            if fields.kind in (b"x", b"X", b"g"):
                found = pax.decode(self._special(fields.size))
                if fields.kind == b"g":
                    self._globals.update(found)
                else:
                    records = found
            elif fields.kind in (b"L", b"K"):
                gnu[fields.kind] = self._special(fields.size).partition(b"\0")[0]
            elif fields.kind == b"V":
                self._special(fields.size)
            else:
                self.count()
                return self._member(block, fields, records, gnu)

    def _block(self) -> bytes | None:
        self.source.skip(self._left + self._padding)
        self._left = self._padding = 0
        block = self.source.take(BLOCK, "a header", may_end=True)
        if not block:
            return None
        if block == _ZEROS:
            second = self.source.take(BLOCK, "its end", may_end=True)
            if second and second != _ZEROS:
                raise InvalidSpec("tar: a header follows a single end block")
            return None
        return block

    def _special(self, size: int) -> bytes:
        if size > _SPECIAL_LIMIT:
            raise InvalidSpec(f"tar: a header of {size} bytes is over the limit of {_SPECIAL_LIMIT}")
        data = self.source.take(size, "a header")
        self._padding = -size % BLOCK
        return data

    def _member(
        self, block: bytes, fields: header.Fields, records: list[tuple[bytes, bytes]], gnu: dict[bytes, bytes]
    ) -> Member:
        plain = not (records or gnu or self._globals)
        extra = {} if plain else _merged(self._globals, records)
        name = extra.get(b"GNU.sparse.name") or extra.get(b"path") or gnu.get(b"L") or fields.name
        kind = self._kind(fields, name)
        size = fields.size
        if b"size" in extra:
            size = pax.integer(extra[b"size"], "size")
        if kind != header.REGULAR and fields.kind != b"D":
            # Links and the like have no content, whatever their size says; GNU's dumps of a folder do
            size = 0
        uid, gid, mtime_ns = fields.uid, fields.gid, fields.mtime * 1_000_000_000
        if extra:
            uid = pax.integer(extra[b"uid"], "uid") if b"uid" in extra else uid
            gid = pax.integer(extra[b"gid"], "gid") if b"gid" in extra else gid
            mtime_ns = pax.parse_time(extra[b"mtime"]) if b"mtime" in extra else mtime_ns
        if not (0 <= uid <= _MAX_ID and 0 <= gid <= _MAX_ID):
            raise InvalidSpec(f"tar: {shown(name)} has the owner {uid}:{gid}, which no file can have")
        if not -(1 << 92) < mtime_ns < 1 << 92:
            raise InvalidSpec(f"tar: {shown(name)} has a time that no file can have")
        self._left, self._padding = size, -size % BLOCK
        whole, stored, holes = self._holes(block, fields, records, extra, size)
        self._sizes += whole
        if self._sizes > self._limits.total_bytes:
            raise InvalidSpec(f"tar: its files are larger than the limit of {self._limits.total_bytes} bytes")
        link = extra.get(b"linkpath") or gnu.get(b"K") or fields.link
        if b"\0" in name or b"\0" in link:
            raise InvalidSpec(f"tar: a NUL in the name {shown(name)}")
        return Member(
            name, kind, fields.mode & 0o7777, uid, gid, whole, stored, mtime_ns, link,
            _device(fields, name), _xattrs(extra, name) if extra else (), holes,
        )  # fmt: skip

    def _kind(self, fields: header.Fields, name: bytes) -> bytes:
        kind = fields.kind
        if kind in _REGULAR:
            # Before 1988 a folder was a file whose name ends in a slash
            return header.FOLDER if name.endswith(b"/") and kind != b"S" else header.REGULAR
        if kind == b"D":
            return header.FOLDER
        if kind not in (b"1", b"2", b"3", b"4", b"5", b"6"):
            what = _OTHER.get(kind, f"of the unknown type {kind!r}")
            raise InvalidSpec(f"tar: {shown(name)} is {what}")
        return kind

    def _holes(
        self,
        block: bytes,
        fields: header.Fields,
        records: list[tuple[bytes, bytes]],
        extra: dict[bytes, bytes],
        size: int,
    ) -> tuple[int, int, sparse.Map | None]:
        """The file's whole size, the bytes of it that are stored, and where they go."""
        if fields.kind == b"S" and fields.is_gnu:
            pairs, whole = sparse.from_gnu(block, self.source)
        elif extra.get(b"GNU.sparse.major") == b"1" and extra.get(b"GNU.sparse.minor", b"0") == b"0":
            whole = pax.integer(extra.get(b"GNU.sparse.realsize", b""), "GNU.sparse.realsize")
            pairs, used = sparse.from_stream(self.source, size)
            self._left -= used
            size -= used
        elif extra and (found := sparse.from_records(records)) is not None:
            pairs = found
            whole = pax.integer(extra.get(b"GNU.sparse.size", b""), "GNU.sparse.size")
        else:
            return size, size, None
        return whole, size, sparse.checked(pairs, whole, size)


def _merged(common: dict[bytes, bytes], records: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """An empty value takes a global record, or the header's own value, back; an attribute may just be empty."""
    return {key: value for key, value in (common | dict(records)).items() if value or key.startswith(pax.XATTR)}


def shown(name: bytes) -> str:
    """A name from outside, for a message: bounded and harmless."""
    return repr(name[:200].decode("utf-8", "backslashreplace"))


def _device(fields: header.Fields, name: bytes) -> int:
    major, minor = fields.device
    if not (0 <= major < 1 << 12 and 0 <= minor < 1 << 20):
        raise InvalidSpec(f"tar: {shown(name)} is the device {major}:{minor}, which Linux can't have")
    return (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)


def _xattrs(extra: dict[bytes, bytes], name: bytes) -> tuple[tuple[str, bytes], ...]:
    found = []
    for key, value in extra.items():
        if not key.startswith(pax.XATTR):
            continue
        attribute = key[len(pax.XATTR) :].decode("utf-8", "surrogateescape")
        if attribute.startswith(whiteout.PRIVATE):
            raise HostileArchive(
                f"tar: {shown(name)} carries the attribute {attribute[:80]!r}, by which it would speak to overlayfs",
                hint="don't use this archive, or make it again without such attributes",
            )
        # This machine's security labels are not the archive's to set
        if whiteout.is_public(attribute):
            found.append((attribute, value))
    return tuple(found)
