"""Collection takes what nothing needs, and never what a push or a pull still counts on."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.datasets import INDEX
from tests.conformance.push import push_blob, uploads
from tests.conformance.wire import digest_of
from tests.unit.registry.server.lab import Site, serving
from tests.unit.registry.server.test_storage import Refused, image
from wherry.oci.digest import Digest
from wherry.registry.server.collect import collect, drop_untagged, remove_files, sweep_files
from wherry.registry.server.storage import Storage


class Clock:
    """A time that passes when told."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(tmp_path: Path, clock: Clock) -> Iterator[Site]:
    with serving(tmp_path / "storage") as found:
        found.storage.now = clock
        yield found


def files(site: Site) -> set[str]:
    return {str(digest) for digest, _ in site.storage.layout.blobs()}


def test_a_blob_without_a_manifest_goes_after_its_grace_time(site: Site, clock: Clock) -> None:
    wire = site.wire()
    digest = push_blob(wire, "a", b"loose")
    clock.now += 3599
    assert collect(site.storage) == (0, 0)
    assert wire.head(f"/v2/a/blobs/{digest}").status == 200
    clock.now += 3601
    assert collect(site.storage) == (1, 5)
    assert wire.head(f"/v2/a/blobs/{digest}").status == 404
    assert files(site) == set()
    assert wire.get("/v2/_catalog").json["repositories"] == []


def test_a_blob_that_somebody_has_just_asked_for_stays(site: Site, clock: Clock) -> None:
    """A client that finds a blob by HEAD sends no bytes: at its manifest the blob must still be there."""
    wire = site.wire()
    digest = push_blob(wire, "a", b"loose")
    for _ in range(5):
        clock.now += 3000
        assert wire.head(f"/v2/a/blobs/{digest}").status == 200
        collect(site.storage)
    image(wire, "a", "1", text=b"loose")
    clock.now += 10_000
    collect(site.storage)
    assert wire.get(f"/v2/a/blobs/{digest}").body == b"loose"


def test_a_blob_of_a_manifest_that_is_deleted_has_its_grace_time_from_then_on(site: Site, clock: Clock) -> None:
    wire = site.wire()
    digest = image(wire, "a", "1")
    clock.now += 100_000
    collect(site.storage)
    assert wire.head(f"/v2/a/blobs/{digest_of(b'layer')}").status == 200
    assert wire.delete(f"/v2/a/manifests/{digest}").status == 202
    clock.now += 3000
    collect(site.storage)
    assert image(wire, "a", "2") == digest
    clock.now += 100_000
    collect(site.storage)
    assert wire.get("/v2/a/manifests/2").status == 200
    assert wire.delete(f"/v2/a/manifests/{digest}").status == 202
    clock.now += 3601
    assert collect(site.storage).blobs == 3
    assert files(site) == set()


def test_a_blob_that_another_repository_shows_keeps_its_file(site: Site, clock: Clock) -> None:
    wire = site.wire()
    first = image(wire, "a", "1")
    layer = digest_of(b"layer")
    assert wire.post(f"{uploads('b')}?mount={layer}&from=a").status == 201
    image(wire, "b", "1")
    assert wire.delete(f"/v2/a/manifests/{first}").status == 202
    clock.now += 4000
    collect(site.storage)
    assert wire.head(f"/v2/a/blobs/{layer}").status == 404
    assert wire.get(f"/v2/b/blobs/{layer}").body == b"layer"
    assert wire.get("/v2/b/manifests/1").status == 200


def test_a_blob_that_a_manifest_needs_is_not_deleted_alone(site: Site) -> None:
    wire = site.wire()
    image(wire, "a", "1")
    answer = wire.delete(f"/v2/a/blobs/{digest_of(b'layer')}")
    assert (answer.status, answer.codes) == (409, ["DENIED"])
    assert wire.get(f"/v2/a/blobs/{digest_of(b'layer')}").body == b"layer"


def test_untagged_manifests_go_when_asked_with_what_hangs_on_them(site: Site, clock: Clock) -> None:
    wire = site.wire()
    kept = image(wire, "a", "1", text=b"kept")
    about_kept = image(wire, "a", "", text=b"signature", subject=kept)
    child = image(wire, "a", "", text=b"child")
    data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": child, "size": 1}]}).encode()  # fmt: skip
    assert wire.put("/v2/a/manifests/multi", data, Content_Type=INDEX).status == 201
    lost = image(wire, "a", "", text=b"lost")
    about_lost = image(wire, "a", "", text=b"about lost", subject=lost)
    assert drop_untagged(site.storage, age_s=60) == 0
    clock.now += 61
    assert drop_untagged(site.storage, age_s=60) == 2
    for digest, status in ((kept, 200), (about_kept, 200), (child, 200), (lost, 404), (about_lost, 404)):
        assert wire.get(f"/v2/a/manifests/{digest}").status == status


def test_files_that_a_crash_left_without_a_row_are_swept(tmp_path: Path, site: Site, clock: Clock) -> None:
    wire = site.wire()
    image(wire, "a", "1")
    stray = tmp_path / "storage" / "blobs" / "sha256" / ("0" * 64)
    stray.write_bytes(b"stray")
    before = files(site)
    clock.now = os.stat(stray).st_mtime + 10
    assert sweep_files(site.storage, age_s=3600) == (0, 0)
    clock.now += 3600
    assert sweep_files(site.storage, age_s=3600) == (1, 5)
    assert files(site) == before - {f"sha256:{'0' * 64}"}


def test_a_blob_that_comes_back_in_the_transaction_that_takes_it_stays(site: Site) -> None:
    storage, digest = site.storage, Digest(push_blob(site.wire(), "a", b"again"))
    storage.delete_blob("a", digest)
    fd = storage.layout.new_upload("upload")
    os.write(fd, b"again")
    os.close(fd)
    gate = threading.Event()
    jobs = [
        lambda: storage.ledger.commit(lambda _: gate.wait(30)),
        lambda: storage.ledger.commit(remove_files),
        lambda: storage.publish("upload", digest, 5, "b"),
    ]
    threads = [threading.Thread(target=job) for job in jobs]
    deadline = time.monotonic() + 30
    for waiting, one in enumerate(threads):
        one.start()
        # The first is with the writer, the others wait for it: they will share a transaction
        while storage.ledger._jobs.qsize() < waiting or not storage.ledger._writer.in_transaction:
            assert time.monotonic() < deadline
            time.sleep(0.001)
    gate.set()
    for one in threads:
        one.join()
    assert site.wire().get(f"/v2/b/blobs/{digest}").body == b"again"


def test_pushes_beside_a_collector_that_never_rests_are_whole(tmp_path: Path) -> None:
    """With no grace time at all a push may be told that a blob is gone, but what is acknowledged stays whole."""
    with serving(tmp_path / "storage") as site:
        stop, faults = threading.Event(), []

        def clean() -> None:
            while not stop.is_set():
                collect(site.storage, grace_s=0)

        def push(number: int) -> None:
            wire = site.wire()
            for turn in range(25):
                text = b"shared %d" % (turn % 3)
                try:
                    image(wire, f"r{number}", f"t{turn}", text=text)
                except Refused as fault:
                    if fault.args[0] != ["MANIFEST_BLOB_UNKNOWN"]:
                        faults.append(fault)
                    continue
                for digest in (digest_of(text), digest_of(b"{}")):
                    answer = wire.get(f"/v2/r{number}/blobs/{digest}")
                    if answer.status != 200 or digest_of(answer.body) != digest:
                        faults.append(answer)
                if turn % 2:
                    digest = wire.head(f"/v2/r{number}/manifests/t{turn}").headers["Docker-Content-Digest"]
                    wire.delete(f"/v2/r{number}/manifests/{digest}")

        collector = threading.Thread(target=clean)
        pushers = [threading.Thread(target=push, args=(number,)) for number in range(4)]
        collector.start()
        for one in pushers:
            one.start()
        for one in pushers:
            one.join()
        stop.set()
        collector.join()
        assert not faults
        assert whole(site.storage)


def test_pushes_beside_a_collector_with_a_grace_time_are_never_refused(tmp_path: Path) -> None:
    with serving(tmp_path / "storage") as site:
        stop = threading.Event()

        def clean() -> None:
            while not stop.is_set():
                collect(site.storage)

        collector = threading.Thread(target=clean)
        collector.start()
        wire = site.wire()
        for turn in range(40):
            digest = image(wire, "a", "1", text=b"shared %d" % (turn % 3))
            assert wire.delete(f"/v2/a/manifests/{digest}").status == 202
        stop.set()
        collector.join()


def whole(storage: Storage) -> bool:
    """Every row has its file, of its size."""
    with storage.ledger.read() as db:
        rows = db.execute("SELECT digest, size FROM blob").fetchall()
        dangling = db.execute(
            "SELECT count(*) FROM edge WHERE NOT EXISTS (SELECT 1 FROM blob WHERE digest = child)"
        ).fetchone()[0]
    found = {str(digest): status.st_size for digest, status in storage.layout.blobs()}
    return not dangling and all(found.get(digest) == size for digest, size in rows)
