"""The folder: what it is to other tools, what is made again when it is lost, and what is never followed."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.datasets import MANIFEST
from tests.conformance.push import push_blob
from tests.conformance.wire import Wire, digest_of
from tests.unit.registry.server.lab import Site, serving
from wherry.errors import HostError, Locked
from wherry.registry.server.ledger import Batch
from wherry.registry.server.manifests import Manifests
from wherry.registry.server.storage import Storage

EMPTY = b"{}"


class Refused(Exception):
    """A manifest that the registry did not take, with the codes that it gave."""


def image(wire: Wire, repository: str, tag: str, *, text: bytes = b"layer", subject: str = "") -> str:
    """Push an image with one layer; its digest. Raises: Refused."""
    config, layer = push_blob(wire, repository, EMPTY), push_blob(wire, repository, text)
    doc = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": len(text)}],
    }
    if subject:
        doc["subject"] = {"mediaType": MANIFEST, "digest": subject, "size": 1}
    data = json.dumps(doc).encode()
    digest = digest_of(data)
    answer = wire.put(f"/v2/{repository}/manifests/{tag or digest}", data, Content_Type=MANIFEST)
    if answer.status != 201:
        raise Refused(answer.codes)
    return digest


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serving(tmp_path / "storage") as found:
        yield found


def test_the_folder_is_an_oci_layout_that_names_each_tag(tmp_path: Path, site: Site) -> None:
    wire = site.wire()
    tagged, untagged = image(wire, "a/b", "1.0"), image(wire, "c", "", text=b"other")
    folder = tmp_path / "storage"
    assert json.loads((folder / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((folder / "index.json").read_bytes())
    assert [(one["digest"], one["annotations"]) for one in index["manifests"]] == [
        (tagged, {"org.opencontainers.image.ref.name": "a/b:1.0"}),
        (untagged, {"wherry.registry.repository": "c"}),
    ]
    for digest in (tagged, untagged, digest_of(EMPTY), digest_of(b"layer")):
        data = (folder / "blobs" / "sha256" / digest[7:]).read_bytes()
        assert digest_of(data) == digest
    assert wire.delete("/v2/a/b/manifests/1.0").status == 202
    index = json.loads((folder / "index.json").read_bytes())
    assert {json.dumps(one["annotations"]) for one in index["manifests"]} == {
        '{"wherry.registry.repository": "a/b"}',
        '{"wherry.registry.repository": "c"}',
    }


@pytest.mark.parametrize("loss", ["gone", "damaged"])
def test_a_lost_database_is_made_again_from_the_layout(tmp_path: Path, loss: str) -> None:
    folder = tmp_path / "storage"
    with serving(folder) as site:
        wire = site.wire()
        first = image(wire, "a", "1")
        second = image(wire, "a", "", text=b"about it", subject=first)
        image(wire, "b/c", "2")
    for name in ("registry.db-wal", "registry.db-shm"):
        (folder / name).unlink(missing_ok=True)
    if loss == "gone":
        (folder / "registry.db").unlink()
    else:
        (folder / "registry.db").write_bytes(b"no database at all" * 1000)
    with serving(folder) as site:
        wire = site.wire()
        assert site.storage.rebuilt == 3
        assert wire.get("/v2/_catalog").json["repositories"] == ["a", "b/c"]
        assert wire.get("/v2/a/tags/list").json["tags"] == ["1"]
        assert wire.get("/v2/a/manifests/1").headers["Docker-Content-Digest"] == first
        assert wire.get(f"/v2/a/blobs/{digest_of(b'layer')}").body == b"layer"
        assert [one["digest"] for one in wire.get(f"/v2/a/referrers/{first}").json["manifests"]] == [second]
        assert wire.head(f"/v2/b/c/blobs/{digest_of(b'about it')}").status == 404


def test_what_is_not_whole_is_left_out_of_a_new_database(tmp_path: Path) -> None:
    folder = tmp_path / "storage"
    with serving(folder) as site:
        image(site.wire(), "whole", "1", text=b"one")
        image(site.wire(), "hole", "1", text=b"two")
    (folder / "registry.db").unlink()
    (folder / "blobs" / "sha256" / digest_of(b"two")[7:]).unlink()
    with serving(folder) as site:
        assert site.wire().get("/v2/_catalog").json["repositories"] == ["whole"]


def test_a_manifest_whose_bytes_were_changed_is_left_out_of_a_new_database(tmp_path: Path) -> None:
    folder = tmp_path / "storage"
    with serving(folder) as site:
        digest = image(site.wire(), "a", "1")
    (folder / "registry.db").unlink()
    path = folder / "blobs" / "sha256" / digest[7:]
    path.write_bytes(path.read_bytes().replace(b'"size": 5', b'"size": 6'))
    with serving(folder) as site:
        assert site.storage.rebuilt == 0
        assert site.wire().get("/v2/a/manifests/1").status == 404


def test_one_storage_has_one_server(tmp_path: Path, site: Site) -> None:
    with pytest.raises(Locked, match="in use by another wherry registry"):
        Storage(str(tmp_path / "storage"))


def test_a_link_in_the_storage_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = tmp_path / "storage"
    for name in ("blobs", "uploads"):
        folder.mkdir(exist_ok=True)
        (folder / name).symlink_to(elsewhere)
        with pytest.raises(HostError, match="not a folder"):
            Storage(str(folder))
        (folder / name).unlink()
    assert list(elsewhere.iterdir()) == []


def test_a_blob_that_became_a_link_or_a_pipe_is_not_served(tmp_path: Path, site: Site) -> None:
    wire = site.wire()
    secret = tmp_path / "secret"
    secret.write_bytes(b"layer")
    digest = push_blob(wire, "a", b"layer")
    path = tmp_path / "storage" / "blobs" / "sha256" / digest[7:]
    path.unlink()
    path.symlink_to(secret)
    assert wire.get(f"/v2/a/blobs/{digest}").status in {404, 500}
    path.unlink()
    os.mkfifo(path)
    assert wire.get(f"/v2/a/blobs/{digest}").status == 404
    path.unlink()
    path.write_bytes(b"shorter"[:3])
    assert wire.get(f"/v2/a/blobs/{digest}").status == 404
    site.faults.clear()


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with serving(tmp_path / "storage") as site:
            digest = image(site.wire(), "a", "1")
    finally:
        os.umask(before)
    folder = tmp_path / "storage"

    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert mode(folder) == 0o700
    assert mode(folder / "blobs") == mode(folder / "blobs" / "sha256") == 0o755
    assert mode(folder / "blobs" / "sha256" / digest[7:]) == mode(folder / "index.json") == 0o644
    assert mode(folder / "registry.db") == mode(folder / "registry.key") == 0o600


def test_a_full_disk_under_the_database_loses_nothing(tmp_path: Path, site: Site) -> None:
    wire = site.wire()
    digest = image(wire, "a", "1")

    def full(_: Batch) -> None:
        fault = sqlite3.OperationalError("database or disk is full")
        fault.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise fault

    settle = Batch.settle
    Batch.settle = full  # type: ignore[method-assign]
    try:
        answer = wire.put("/v2/a/manifests/2", wire.get("/v2/a/manifests/1").body, Content_Type=MANIFEST)
        assert (answer.status, answer.codes) == (507, ["DENIED"])
    finally:
        Batch.settle = settle  # type: ignore[method-assign]
    assert wire.get("/v2/a/tags/list").json["tags"] == ["1"]
    assert image(wire, "a", "2") == digest


def test_work_that_is_refused_does_not_undo_its_neighbours(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path / "storage"))
    try:

        def refuse(_: Batch) -> None:
            raise KeyError("mine")

        for number in range(20):
            storage.ledger.commit(lambda batch, n=number: batch.repository(f"r{n}"))  # type: ignore[misc]
            with pytest.raises(KeyError):
                storage.ledger.commit(refuse)
        assert len(storage.repositories("", 100)) == 20
        assert Manifests(storage).tags("nothing", "", 5) is None
    finally:
        storage.close()


def test_a_large_index_is_written_a_little_later_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wherry.registry.server import projection

    monkeypatch.setattr(projection, "_AT_ONCE", 0)
    monkeypatch.setattr(projection, "_LATER_S", 3600)
    with serving(tmp_path / "storage") as site:
        for number in range(3):
            image(site.wire(), "a", str(number))
    index = json.loads((tmp_path / "storage" / "index.json").read_bytes())
    assert len(index["manifests"]) == 3
