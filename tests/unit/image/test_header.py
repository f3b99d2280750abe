from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.image.trees import tar
from wherry.errors import InvalidSpec
from wherry.image.tar import header
from wherry.image.tar.archive import Archive, Member
from wherry.image.tar.header import Entry
from wherry.image.tar.stream import DEFAULT_LIMITS, Source

component = st.binary(min_size=1, max_size=120).filter(lambda part: b"/" not in part and b"\0" not in part)
paths = st.lists(component, min_size=1, max_size=6).map(b"/".join)
entries = st.builds(
    Entry,
    name=paths,
    kind=st.just(header.SYMLINK),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32 - 2),
    gid=st.integers(0, 2**32 - 2),
    size=st.just(0),
    mtime_ns=st.integers(-(2**70), 2**70),
    device=st.just((0, 0)),
    link=paths,
    xattrs=st.dictionaries(st.sampled_from(["user.a", "user.ü", "security.capability"]), st.binary(max_size=100)).map(
        lambda found: tuple(sorted(found.items()))
    ),
)


def read(data: bytes) -> Member:
    archive = Archive(Source(io.BytesIO(data), DEFAULT_LIMITS, None, None), DEFAULT_LIMITS)
    member = archive.next()
    assert member
    assert archive.next() is None
    return member


@given(entries)
def test_what_is_encoded_is_read_again(made: Entry) -> None:
    member = read(tar(header.encode(made)))
    assert (member.name, member.link, member.mode) == (made.name, made.link, made.mode)
    assert (member.uid, member.gid, member.mtime_ns) == (made.uid, made.gid, made.mtime_ns)
    assert member.xattrs == made.xattrs


@given(entries)
def test_pythons_tarfile_reads_the_same(made: Entry) -> None:
    with tarfile.open(fileobj=io.BytesIO(tar(header.encode(made))), encoding="utf-8", errors="surrogateescape") as file:
        (member,) = file.getmembers()
    assert member.name.encode("utf-8", "surrogateescape") == made.name.rstrip(b"/")
    assert member.linkname.encode("utf-8", "surrogateescape") == made.link
    assert (member.uid, member.gid, member.mode) == (made.uid, made.gid, made.mode)


@given(st.integers(1, 256), st.integers(0, 255))
def test_a_name_is_split_wherever_ustar_allows_it(length: int, slash: int) -> None:
    name = bytearray(b"n" * length)
    if 0 < slash < length - 1:
        name[slash : slash + 1] = b"/"
    encoded = header.encode(Entry(bytes(name), header.REGULAR, 0o644, 0, 0))
    fits = length <= 100 or (0 < slash <= 155 and 1 <= length - slash - 1 <= 100)
    assert len(encoded) == (512 if fits else 1536)
    assert read(tar(encoded)).name == bytes(name)


def test_sizes_over_8_gib_are_told_by_pax() -> None:
    encoded = header.encode(Entry(b"big", header.REGULAR, 0o644, 0, 0, 1 << 33))
    assert b"19 size=8589934592\n" in encoded
    with tarfile.open(fileobj=io.BytesIO(encoded)) as file:
        first = file.next()
    assert first
    assert first.size == 1 << 33


@pytest.mark.parametrize(
    ("field", "value"),
    [(b"0000644\0", 0o644), (b"   644 \0", 0o644), (b"\0" * 8, 0), (b"        ", 0),
     (b"\x80" + b"\0" * 5 + b"\x01\x02", 258),
     (b"\xff" * 8, -1), (b"\xff" * 7 + b"\xfe", -2)],
)  # fmt: skip
def test_numbers_are_octal_or_base_256(field: bytes, value: int) -> None:
    assert header.number(field, 0, 8, "mode") == value


@pytest.mark.parametrize(
    "field", [b"9\0\0\0\0\0\0\0", b"-1\0\0\0\0\0\0", b"0x1\0\0\0\0\0", b"1_0\0\0\0\0\0", b"+1\0\0\0\0\0\0"]
)
def test_other_numbers_are_errors(field: bytes) -> None:
    with pytest.raises(InvalidSpec):
        header.number(field, 0, 8, "mode")


def test_a_checksum_of_signed_bytes_is_good_too() -> None:
    block = bytearray(header.encode(Entry(b"\xff\xfe", header.REGULAR, 0o644, 0, 0)))
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(byte - 256 if byte > 127 else byte for byte in block)
    assert header.parse(bytes(block)).name == b"\xff\xfe"


def test_star_keeps_times_behind_a_shorter_prefix() -> None:
    block = bytearray(header.encode(Entry(b"name", header.REGULAR, 0o644, 0, 0)))
    block[345:349], block[476:488], block[508:512] = b"star", b"14000000000 ", b"tar\0"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert header.parse(bytes(block)).name == b"star/name"


@given(st.integers(0, 511), st.integers(1, 255))
def test_a_changed_byte_never_passes_as_another_name(at: int, change: int) -> None:
    block = bytearray(header.encode(Entry(b"name", header.REGULAR, 0o644, 0, 0)))
    block[at] ^= change
    try:
        fields = header.parse(bytes(block))
    except InvalidSpec:
        return
    assert fields.name == b"name"
