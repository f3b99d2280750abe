"""Forms of layers, and which repository holds a blob."""

from __future__ import annotations

import pytest

from tests.unit.store.conftest import Store
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest
from wherry.store import compressed, known_blobs
from wherry.store.compressed import CompressedForms, Form
from wherry.store.known_blobs import KnownBlobs, Place

LAYER = DiffID.of(b"layer")
GZIP = Descriptor(mediatype.LAYER_GZIP, Digest.of(b"gzip"), 4)
ZSTD = Descriptor(mediatype.LAYER_ZSTD, Digest.of(b"zstd"), 5)
HUB = Place("registry-1.docker.io", "library/python")


def test_the_form_remembered_last_comes_first(store: Store) -> None:
    forms = CompressedForms(store.db)
    assert forms.find(LAYER) == ()
    forms.remember(LAYER, GZIP, now_ns=1)
    forms.remember(LAYER, ZSTD, "zstd 1.5 level 3", now_ns=2)
    assert forms.find(LAYER) == (Form(ZSTD, "zstd 1.5 level 3"), Form(GZIP))
    forms.remember(LAYER, GZIP, now_ns=3)
    assert forms.find(LAYER)[0] == Form(GZIP)


def test_who_made_a_form_is_not_forgotten_when_it_is_seen_again(store: Store) -> None:
    forms = CompressedForms(store.db)
    forms.remember(LAYER, GZIP, "isal 2.31 level 2")
    forms.remember(LAYER, GZIP)
    assert forms.find(LAYER) == (Form(GZIP, "isal 2.31 level 2"),)


def test_the_forms_used_longest_ago_go_when_there_are_too_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "_MOST", 10)
    forms = CompressedForms(store.db)
    for number in range(12):
        forms.remember(DiffID.of(b"%d" % number), GZIP, now_ns=number + 1)
    assert [number for number in range(12) if not forms.find(DiffID.of(b"%d" % number))] == [0, 1]


def test_forms_outlive_the_layer_and_keep_nothing(store: Store) -> None:
    diff_id = store.layer("some content")
    CompressedForms(store.db).remember(diff_id, GZIP)
    assert store.collector.collect().layers == (diff_id,)
    assert CompressedForms(store.db).find(diff_id) == (Form(GZIP),)


def test_repositories_that_hold_a_blob_are_found_by_host(store: Store) -> None:
    known = KnownBlobs(store.db)
    known.add(HUB, [GZIP.digest, ZSTD.digest], now_ns=1)
    known.add(Place(HUB.host, "me/api"), [GZIP.digest], now_ns=2)
    known.add(Place("ghcr.io", "me/api"), [GZIP.digest], now_ns=3)
    assert known.repositories(HUB.host, GZIP.digest) == ("me/api", "library/python")
    assert known.repositories(HUB.host, GZIP.digest, most=1) == ("me/api",)
    assert known.repositories("quay.io", GZIP.digest) == ()
    assert known.places(ZSTD.digest) == (HUB,)
    known.forget(HUB, GZIP.digest)
    assert known.repositories(HUB.host, GZIP.digest) == ("me/api",)


def test_what_was_seen_long_ago_is_forgotten(store: Store) -> None:
    known = KnownBlobs(store.db)
    known.add(HUB, [GZIP.digest], now_ns=1)
    known.add(HUB, [ZSTD.digest], now_ns=200 * 86_400 * 10**9)
    assert known.places(GZIP.digest) == ()


def test_the_places_seen_longest_ago_go_when_there_are_too_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_blobs, "_MOST", 10)
    known = KnownBlobs(store.db)
    for number in range(12):
        known.add(HUB, [Digest.of(b"%d" % number)], now_ns=number + 1)
    assert [number for number in range(12) if not known.places(Digest.of(b"%d" % number))] == [0, 1]
