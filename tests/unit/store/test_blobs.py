from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.store.conftest import Store, make
from wherry.errors import IntegrityError, NotFound
from wherry.oci.digest import Digest


def leftovers(store: Store) -> list[str]:
    return os.listdir(store.paths.tmp) if os.path.isdir(store.paths.tmp) else []


@given(st.lists(st.binary(max_size=2000), max_size=6))
def test_what_was_put_is_read_back_whatever_the_chunks(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]
) -> None:
    store = make(tmp_path_factory.mktemp("s"))
    whole = b"".join(chunks)
    blob = store.blobs.put(chunks)
    assert blob == (Digest.of(whole), len(whole))
    with store.blobs.open(blob.digest) as file:
        assert file.read() == whole
    assert store.blobs.read(blob.digest) == whole
    assert store.blobs.size(blob.digest) == len(whole)
    assert leftovers(store) == []


def test_sha512_blobs_have_a_folder_of_their_own(store: Store) -> None:
    digest = Digest.parse("sha512:" + hashlib.sha512(b"x").hexdigest())
    assert store.blobs.put([b"x"], digest).digest == digest
    assert store.blobs.all() == [digest]


@pytest.mark.parametrize("data", [b"other", b"", b"bytes and more"])
def test_other_bytes_than_the_digest_says_leave_nothing(store: Store, data: bytes) -> None:
    with pytest.raises(IntegrityError):
        store.blobs.put([data], Digest.of(b"bytes"))
    assert store.blobs.all() == []
    assert leftovers(store) == []


def test_a_size_that_lies_is_seen(store: Store) -> None:
    with pytest.raises(IntegrityError, match="4 bytes"):
        store.blobs.put([b"abc"], Digest.of(b"abc"), 4)
    with pytest.raises(IntegrityError, match="2 bytes"):
        store.blobs.put([b"abc"], Digest.of(b"abc"), 2)
    assert leftovers(store) == []


def test_an_endless_stream_is_read_no_further_than_its_size(store: Store) -> None:
    def endless():  # type: ignore[no-untyped-def]
        for count in range(1_000_000):
            assert count < 3, "read on after more than its size had come"
            yield b"x" * 10

    with pytest.raises(IntegrityError):
        store.blobs.put(endless(), None, 15)


def test_a_stream_that_fails_leaves_nothing(store: Store) -> None:
    def broken():  # type: ignore[no-untyped-def]
        yield b"some"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        store.blobs.put(broken())
    assert leftovers(store) == []


def test_putting_twice_is_one_blob(store: Store) -> None:
    assert store.blobs.put([b"a"]) == store.blobs.put([b"a"]) == store.blobs.put_bytes(b"a")
    assert len(store.blobs.all()) == 1


def test_a_blob_that_is_not_there_is_named(store: Store) -> None:
    digest = Digest.of(b"nothing")
    for ask in (store.blobs.open, store.blobs.size, store.blobs.read):
        with pytest.raises(NotFound, match=digest.hex):
            ask(digest)
    assert store.blobs.detach(digest) is None


def test_a_document_that_rotted_on_the_disk_is_seen(store: Store) -> None:
    blob = store.blobs.put_bytes(b"{}")
    Path(store.blobs.path(blob.digest)).write_bytes(b"[]")
    with pytest.raises(IntegrityError, match="in the store"):
        store.blobs.read(blob.digest)


def test_blobs_are_not_for_other_users(store: Store) -> None:
    blob = store.blobs.put([b"secret weights"])
    assert os.stat(store.blobs.path(blob.digest)).st_mode & 0o077 == 0
