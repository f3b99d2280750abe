from __future__ import annotations

import gzip
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.unit.engine.shelf import Reads, Registries, Shelf, Watch, encode, reset
from tests.unit.store.archives import config, layer_tar, sha
from wherry.cancel import Cancel
from wherry.engine import Engine
from wherry.engine.pull import Pulled, PullRequest, pull, pull_tags
from wherry.engine.pull_layers import Counted, Part, Whole, limits_of, require_room
from wherry.errors import (
    Cancelled,
    Denied,
    DiskFull,
    IntegrityError,
    InvalidSpec,
    NotFound,
    RegistryError,
    Unreachable,
    Unsupported,
    WherryError,
)
from wherry.host.fake import FakeHost
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.settings import Paths, Settings
from wherry.store.compressed import CompressedForms
from wherry.store.images import ImageRecord
from wherry.store.known_blobs import KnownBlobs

ARCH = Platform.of("linux", os.uname().machine).architecture
BASE = layer_tar(etc__passwd="root", bin__sh="#!")
APP = layer_tar(app__main="print()")


def fresh(folder: Path) -> Engine:
    return Engine(Settings(Paths(f"{folder}/root", f"{folder}/run"), {}, os.getuid(), "/"), FakeHost())


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with fresh(tmp_path) as made:
        yield made


@pytest.fixture
def shelf(engine: Engine) -> Shelf:
    made = Shelf()
    engine.__dict__["registries"] = Registries(home=made)
    return made


def add(
    shelf: Shelf,
    *layers: bytes,
    tag: str = "1",
    arch: str = ARCH,
    squeeze: Callable[[bytes], bytes] = lambda data: gzip.compress(data, mtime=0),
    kind: str = mediatype.LAYER_GZIP,
    **more: Any,
) -> dict[str, Any]:
    """An image on the shelf; the descriptor of its manifest."""
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.MANIFEST,
        "config": shelf.put(config(*layers, arch=arch), mediatype.CONFIG),
        "layers": [shelf.put(squeeze(one), kind) for one in layers],
        **more,
    }
    return shelf.tag(tag, encode(document), document["mediaType"])


def fetch(engine: Engine, name: str = "home/app:1", platform: str = "", watch: Watch | None = None) -> Pulled:
    wanted = Platform.parse(platform) if platform else None
    return pull(engine, PullRequest(Reference.parse(name), wanted), watch or Watch([]))


def is_empty(engine: Engine) -> bool:
    """No image, and nothing begun left behind."""
    tmp = engine.settings.paths.tmp
    return not engine.image_store.list() and not (os.path.isdir(tmp) and os.listdir(tmp))


def test_an_image_arrives_whole_under_its_tag_and_its_digest(engine: Engine, shelf: Shelf) -> None:
    there = add(shelf, BASE, APP)
    watch = Watch([])
    found = fetch(engine, watch=watch)
    assert (found.digest, found.is_new) == (there["digest"], True)
    assert found.image.references == ("docker.io/home/app:1", f"docker.io/home/app@{there['digest']}")
    assert found.image.layers == (sha(BASE), sha(APP))
    assert engine.blobs.read(found.image.manifest) == shelf.blobs[there["digest"]]
    assert Path(engine.layers.path(found.image.layers[1]), "app/main").read_text() == "print()"
    assert watch.lines[0] == "1: Pulling from home/app"
    layers = json.loads(shelf.blobs[there["digest"]])["layers"]
    for layer in layers:
        short = layer["digest"][7:19]
        said = [line.partition(": ")[2] for line in watch.lines if line.startswith(short)]
        assert said == ["Pulling fs layer", "Downloading", "Download complete", "Pull complete"]
    assert all(one.closed for one in shelf.open)


def test_the_layers_give_their_very_tars_again(engine: Engine, shelf: Shelf) -> None:
    add(shelf, BASE, APP)
    fetch(engine)
    parts: list[bytes] = []
    engine.layers.write_tar(DiffID(sha(APP)), lambda chunk: parts.append(bytes(chunk)))
    assert b"".join(parts) == APP


def test_a_second_pull_asks_for_the_digest_alone(engine: Engine, shelf: Shelf) -> None:
    add(shelf, BASE)
    first = fetch(engine)
    shelf.asked.clear()
    again = fetch(engine)
    assert (again.image, again.is_new) == (first.image, False)
    assert shelf.asked == ["HEAD 1"]


def test_a_digest_that_is_here_needs_no_registry(engine: Engine, shelf: Shelf) -> None:
    there = add(shelf, BASE)
    fetch(engine)
    shelf.fault = Unreachable("no network")
    assert not fetch(engine, f"home/app@{there['digest']}").is_new


def test_a_tag_that_moved_takes_its_name_along_and_the_old_image_keeps_its_digest(engine: Engine, shelf: Shelf) -> None:
    old = fetch_added(engine, shelf, BASE)
    new = fetch_added(engine, shelf, BASE, APP)
    assert new.is_new
    assert engine.image_store.resolve("home/app:1").id == new.image.id
    before = engine.image_store.get(old.image.id)
    assert (before.tags, before.digests) == ((), (f"home/app@{old.digest}",))


def fetch_added(engine: Engine, shelf: Shelf, *layers: bytes) -> Pulled:
    add(shelf, *layers)
    return fetch(engine)


def test_the_tag_may_move_between_two_questions_and_the_first_answer_counts(
    engine: Engine, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_added(engine, shelf, BASE)
    wanted = add(shelf, BASE, APP)
    head = shelf.head_manifest

    def moved(tag: str, *, cancel: Cancel | None = None) -> Descriptor | None:
        found = head(tag)
        add(shelf, APP, tag="1")
        return found

    monkeypatch.setattr(shelf, "head_manifest", moved)
    assert fetch(engine).digest == wanted["digest"]


def test_a_pull_by_digest_gives_no_tag_even_when_one_is_written(engine: Engine, shelf: Shelf) -> None:
    there = add(shelf, BASE)
    watch = Watch([])
    found = fetch(engine, f"home/app:1@{there['digest']}", watch=watch)
    assert (found.image.tags, found.image.digests) == ((), (f"home/app@{there['digest']}",))
    assert watch.lines[0] == f"docker.io/home/app@{there['digest']}: Pulling from home/app"


def test_a_layer_that_is_here_is_not_fetched(engine: Engine, shelf: Shelf) -> None:
    fetch_added(engine, shelf, BASE)
    shelf.asked.clear()
    watch = Watch([])
    there = add(shelf, BASE, APP, tag="2")
    fetch(engine, "home/app:2", watch=watch)
    base, app = json.loads(shelf.blobs[there["digest"]])["layers"]
    assert f"BLOB {base['digest'][:19]}" not in shelf.asked
    assert f"BLOB {app['digest'][:19]}" in shelf.asked
    assert f"{base['digest'][7:19]}: Already exists" in watch.lines


def test_other_blobs_beside_a_known_config_do_not_become_the_images(engine: Engine, shelf: Shelf) -> None:
    there = add(shelf, BASE, APP)
    first = fetch(engine).image
    document = json.loads(shelf.blobs[there["digest"]])
    document["layers"][0] = shelf.put(gzip.compress(layer_tar(evil="x"), mtime=0), mediatype.LAYER_GZIP)
    shelf.tag("evil", encode(document), mediatype.MANIFEST)
    again = fetch(engine, "home/app:evil").image
    assert (again.id, again.manifest) == (first.id, first.manifest)


def test_the_same_layer_twice_in_an_image_is_fetched_once(engine: Engine, shelf: Shelf) -> None:
    found = fetch_added(engine, shelf, BASE, APP, BASE)
    assert found.image.layers == (sha(BASE), sha(APP), sha(BASE))
    assert len([one for one in shelf.asked if one.startswith("BLOB")]) == 3


def test_a_push_finds_the_compressed_form_and_where_it_can_be_mounted_from(engine: Engine, shelf: Shelf) -> None:
    there = add(shelf, BASE)
    fetch(engine)
    layer = json.loads(shelf.blobs[there["digest"]])["layers"][0]
    (form,) = CompressedForms(engine.db).find(DiffID(sha(BASE)))
    assert form.blob == (layer["mediaType"], layer["digest"], layer["size"], {}, None, "", ())
    assert KnownBlobs(engine.db).repositories("home", Digest(layer["digest"])) == ("home/app",)


def test_what_a_pull_needs_survives_garbage_collection(engine: Engine, shelf: Shelf) -> None:
    image = add(shelf, BASE, tag="")
    top = shelf.tag("1", encode(index(image | platform(ARCH))), mediatype.INDEX)
    fetch(engine)
    engine.collector.collect()
    found = engine.image_store.resolve("home/app:1")
    assert found.digests == (f"home/app@{top['digest']}",)
    assert engine.blobs.read(Digest(top["digest"])) == shelf.blobs[top["digest"]]
    assert engine.layers.has(found.layers[0])


@pytest.mark.parametrize(
    ("squeeze", "kind"),
    [
        (gzip.compress, mediatype.DOCKER_LAYER_GZIP),
        (zstandard.compress, mediatype.LAYER_ZSTD),
        (zstandard.compress, mediatype.DOCKER_LAYER_ZSTD),
        (lambda data: data, mediatype.LAYER),
        (lambda data: data, mediatype.LAYER_GZIP),
        (zstandard.compress, mediatype.LAYER_GZIP),
        (gzip.compress, mediatype.LAYER),
        (gzip.compress, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        (gzip.compress, "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
    ],
)
def test_the_bytes_say_how_a_layer_is_compressed_whatever_its_label(
    engine: Engine, shelf: Shelf, squeeze: Callable[[bytes], bytes], kind: str
) -> None:
    add(shelf, BASE, APP, squeeze=squeeze, kind=kind)
    assert fetch(engine).image.layers == (sha(BASE), sha(APP))


def test_dockers_schema_2_is_an_image_too(engine: Engine, shelf: Shelf) -> None:
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.DOCKER_MANIFEST,
        "config": shelf.put(config(BASE, arch=ARCH), mediatype.DOCKER_CONFIG),
        "layers": [shelf.put(gzip.compress(BASE), mediatype.DOCKER_LAYER_GZIP)],
    }
    shelf.tag("1", encode(document), mediatype.DOCKER_MANIFEST)
    found = fetch(engine)
    assert engine.blobs.read(found.image.manifest) == encode(document)


def platform(arch: str, variant: str = "", os: str = "linux") -> dict[str, Any]:
    where = {"architecture": arch, "os": os} | ({"variant": variant} if variant else {})
    return {"platform": where}


def index(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": mediatype.INDEX, "manifests": list(entries), **more}


def test_an_index_gives_this_machines_image_and_its_own_digest(engine: Engine, shelf: Shelf) -> None:
    other = add(shelf, APP, tag="", arch="s390x")
    ours = add(shelf, BASE, tag="")
    noise = add(shelf, APP, BASE, tag="", arch="unknown")
    top = shelf.tag(
        "1",
        encode(index(noise | platform("unknown", os="unknown"), other | platform("s390x"), ours | platform(ARCH))),
        mediatype.INDEX,
    )
    found = fetch(engine)
    assert found.image.layers == (sha(BASE),)
    assert (found.digest, found.image.manifest) == (top["digest"], ours["digest"])
    assert found.image.digests == (f"home/app@{top['digest']}",)
    elsewhere = fetch(engine, platform="linux/s390x")
    assert elsewhere.image.layers == (sha(APP),)
    assert elsewhere.is_new


def test_the_platforms_are_listed_when_ours_is_not_among_them(engine: Engine, shelf: Shelf) -> None:
    one = add(shelf, APP, tag="", arch="s390x")
    shelf.tag("1", encode(index(one | platform("s390x"), one | platform("arm", "v7"))), mediatype.INDEX)
    with pytest.raises(NotFound, match="no matching manifest for linux/riscv64 in the manifest list entries") as caught:
        fetch(engine, platform="linux/riscv64")
    assert caught.value.hint == "home/app:1 is there for: linux/arm/v7, linux/s390x"
    assert is_empty(engine)


def test_an_image_of_another_platform_than_asked_for_is_refused_before_its_layers_come(
    engine: Engine, shelf: Shelf
) -> None:
    add(shelf, BASE, arch="s390x")
    with pytest.raises(NotFound, match="wanted linux/riscv64, actual: linux/s390x"):
        fetch(engine, platform="linux/riscv64")
    assert is_empty(engine)
    assert fetch(engine).is_new  # whoever does not ask takes what there is


def test_nothing_is_taken_from_a_layer_whose_bytes_are_others(engine: Engine, shelf: Shelf) -> None:
    there = add(shelf, BASE, APP)
    layer = json.loads(shelf.blobs[there["digest"]])["layers"][1]["digest"]
    shelf.instead[layer] = lambda: gzip.compress(layer_tar(evil="1"), mtime=0)
    with pytest.raises(IntegrityError):
        fetch(engine)
    assert is_empty(engine)
    assert not engine.layers.has(DiffID(sha(APP)))


def test_a_layer_whose_content_is_not_the_configs_is_refused(engine: Engine, shelf: Shelf) -> None:
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.MANIFEST,
        "config": shelf.put(config(BASE, arch=ARCH), mediatype.CONFIG),
        "layers": [shelf.put(gzip.compress(APP), mediatype.LAYER_GZIP)],
    }
    shelf.tag("1", encode(document), mediatype.MANIFEST)
    with pytest.raises(IntegrityError, match="diff id"):
        fetch(engine)
    assert is_empty(engine)
    assert engine.layers.all() == []
    assert CompressedForms(engine.db).find(DiffID(sha(BASE))) == ()


def test_bytes_behind_the_content_are_part_of_the_blob(engine: Engine, shelf: Shelf) -> None:
    """The tar ends before the blob does, and only the blob's last byte vouches for it."""
    there = add(shelf, BASE, squeeze=lambda data: gzip.compress(data) + bytes(1 << 20))
    layer = json.loads(shelf.blobs[there["digest"]])["layers"][0]["digest"]
    fetch(engine)
    with fresh(Path(engine.settings.paths.root).parent / "other") as other:
        other.__dict__["registries"] = engine.registries
        shelf.instead[layer] = lambda: shelf.blobs[layer][:-1] + b"\1"
        with pytest.raises((IntegrityError, InvalidSpec)):
            fetch(other)
        assert is_empty(other)


def test_a_truncated_layer_is_said_to_be_broken(engine: Engine, shelf: Shelf) -> None:
    add(shelf, BASE, squeeze=lambda data: gzip.compress(data)[:-20])
    with pytest.raises(InvalidSpec, match="ends early"):
        fetch(engine)
    assert is_empty(engine)


def test_the_first_failure_ends_the_other_layers_and_is_the_one_that_is_told(
    engine: Engine, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = [layer_tar(**{f"file{i}": "x" * (i + 1)}) for i in range(6)]
    there = add(shelf, *layers)
    digests = [one["digest"] for one in json.loads(shelf.blobs[there["digest"]])["layers"]]

    def broken() -> bytes:
        all_begun.wait(20)
        return reset()

    all_begun = threading.Barrier(3)
    ended: list[bool] = []
    blob = shelf.blob

    def watched(descriptor: Descriptor, *, cancel: Cancel | None = None) -> Reads:
        if descriptor.digest in digests[:2]:
            assert cancel
            all_begun.wait(20)
            ended.append(cancel.wait(20))
        return blob(descriptor, cancel=cancel)

    monkeypatch.setattr(shelf, "blob", watched)
    shelf.instead[digests[5]] = broken
    with pytest.raises(RegistryError, match="connection reset"):
        fetch(engine)
    assert ended == [True, True]
    assert is_empty(engine)
    assert all(one.closed for one in shelf.open)


def test_who_reads_ahead_is_told_to_end_before_the_stream_is_closed(
    engine: Engine, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else Ctrl-C, and every failure, waits for a registry that says nothing: the thread has the stream's lock."""
    digests = [one["digest"] for one in json.loads(shelf.blobs[add(shelf, BASE)["digest"]])["layers"]]
    shelf.instead[digests[0]] = lambda: gzip.compress(layer_tar(other="x"), mtime=0)
    was_set: list[bool] = []

    class Told(Reads):
        def close(self) -> None:
            was_set.append(bool(self._cancel and self._cancel.is_set()))
            super().close()

    def blob(descriptor: Descriptor, *, cancel: Cancel | None = None) -> Reads:
        data = shelf.instead.get(descriptor.digest, lambda: shelf.blobs[descriptor.digest])()
        return (Told if descriptor.digest in digests else Reads)(descriptor, data, cancel)

    monkeypatch.setattr(shelf, "blob", blob)
    outer = Cancel()
    with pytest.raises(IntegrityError):
        pull(engine, PullRequest(Reference.parse("home/app:1")), Watch([]), outer)
    assert was_set == [True]
    assert not outer.is_set()


def test_a_pull_that_is_cancelled_leaves_nothing(engine: Engine, shelf: Shelf) -> None:
    add(shelf, BASE, APP)
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        pull(engine, PullRequest(Reference.parse("home/app:1")), Watch([]), cancel)
    assert is_empty(engine)


def test_two_pulls_of_the_same_image_at_once_end_well(engine: Engine, shelf: Shelf) -> None:
    add(shelf, *[layer_tar(**{f"file{i}": "x" * 1000 * i}) for i in range(8)])
    found: list[Pulled] = []
    faults: list[BaseException] = []

    def one() -> None:
        try:
            found.append(fetch(engine))
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert len({one.image.id for one in found}) == 1


def test_a_mirror_that_fails_is_passed_over_for_manifest_and_for_layers(engine: Engine) -> None:
    mirror, home = Shelf(), Shelf()
    for one in (mirror, home):
        there = add(one, BASE, APP)
    engine.__dict__["registries"] = Registries(mirror=mirror, home=home)
    layer = json.loads(home.blobs[there["digest"]])["layers"][1]["digest"]
    mirror.instead[layer] = lambda: b"garbage"
    assert fetch(engine).image.layers == (sha(BASE), sha(APP))
    assert home.asked == [f"BLOB {layer[:19]}"]
    # A push cannot mount what a mirror has
    assert KnownBlobs(engine.db).places(Digest(layer)) == ()
    mirror.fault = Unreachable("no route")
    add(home, APP, tag="2")
    assert fetch(engine, "home/app:2").is_new


def test_a_name_that_is_not_there_is_said_in_dockers_words(engine: Engine, shelf: Shelf) -> None:
    with pytest.raises(NotFound, match="manifest for home/app:none not found: manifest unknown"):
        fetch(engine, "home/app:none")


def test_who_may_not_read_is_told_to_log_in(engine: Engine, shelf: Shelf) -> None:
    shelf.fault = Denied("denied: requested access", status=403, spec_code="DENIED")
    with pytest.raises(Denied, match=r"pull access denied for ghcr\.io/me/app, repository does not exist") as caught:
        fetch(engine, "ghcr.io/me/app:1")
    assert (caught.value.hint, caught.value.spec_code) == ("wherry login ghcr.io", "DENIED")


def test_a_registry_that_is_not_there_is_no_end_when_bootstrap_can_make_the_image(engine: Engine, shelf: Shelf) -> None:
    shelf.fault = Unreachable("dial tcp: no such host", hint="check the network")
    with pytest.raises(Unreachable) as caught:
        fetch(engine, "python:3.10")
    assert caught.value.hint == "wherry bootstrap python:3.10 makes a stand-in on this machine, without any registry"
    shelf.fault = Unreachable("dial tcp: no such host", hint="check the network")
    with pytest.raises(Unreachable) as caught:
        fetch(engine, "home/app:1")
    assert caught.value.hint == "check the network"


def test_a_denial_is_said_once(engine: Engine, shelf: Shelf) -> None:
    shelf.fault = Denied(
        "pull access denied for home/app, repository does not exist or may require 'docker login': denied: no"
    )
    with pytest.raises(Denied) as caught:
        fetch(engine)
    assert str(caught.value).count("pull access denied") == 1
    assert str(caught.value).endswith("'wherry login': denied: no")


def test_every_tag_comes_one_after_the_other(engine: Engine, shelf: Shelf) -> None:
    add(shelf, BASE, tag="1")
    add(shelf, BASE, APP, tag="2")
    request = PullRequest(Reference("docker.io", "home/app", ""))
    found = list(pull_tags(engine, request, Watch([])))
    assert [one.reference.tag for one in found] == ["1", "2"]
    assert found[1].image.tags == ("home/app:2",)


def test_a_tag_that_is_no_tag_is_refused(engine: Engine, shelf: Shelf) -> None:
    shelf.names["../x"] = add(shelf, BASE, tag="")["digest"]
    with pytest.raises(WherryError, match="bad tag"):
        list(pull_tags(engine, PullRequest(Reference("docker.io", "home/app", "")), Watch([])))


def test_a_config_that_says_it_is_huge_is_not_even_asked_for(engine: Engine, shelf: Shelf) -> None:
    data = config(BASE, arch=ARCH)
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.MANIFEST,
        "config": shelf.put(data, mediatype.CONFIG) | {"size": 1 << 30},
        "layers": [shelf.put(gzip.compress(BASE), mediatype.LAYER_GZIP)],
    }
    shelf.tag("1", encode(document), mediatype.MANIFEST)
    with pytest.raises(IntegrityError, match="the image's config"):
        fetch(engine)
    assert not any(one.startswith("BLOB") for one in shelf.asked)


def test_more_layers_than_the_config_has_is_refused(engine: Engine, shelf: Shelf) -> None:
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.MANIFEST,
        "config": shelf.put(config(BASE, arch=ARCH), mediatype.CONFIG),
        "layers": [shelf.put(gzip.compress(one), mediatype.LAYER_GZIP) for one in (BASE, APP)],
    }
    shelf.tag("1", encode(document), mediatype.MANIFEST)
    with pytest.raises(InvalidSpec, match="2 layers, but the config has 1"):
        fetch(engine)


def test_an_image_of_a_thousand_layers_works(engine: Engine, shelf: Shelf) -> None:
    layers = [layer_tar(f=str(i)) for i in range(1000)]
    found = fetch_added(engine, shelf, *layers)
    assert len(found.image.layers) == 1000
    add(shelf, *layers, BASE)
    with pytest.raises(InvalidSpec, match="over the limit of 1000"):
        fetch(engine)


def test_an_artifact_is_refused_by_what_it_is(engine: Engine, shelf: Shelf) -> None:
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.MANIFEST,
        "config": shelf.put(b"{}", "application/vnd.cncf.helm.config.v1+json"),
        "layers": [shelf.put(b"chart", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")],
    }
    shelf.tag("1", encode(document), mediatype.MANIFEST)
    with pytest.raises(Unsupported, match="home/app:1 is no container image but a Helm chart"):
        fetch(engine)


def test_a_bomb_has_its_limit_and_a_layer_of_zeros_of_a_size_that_people_make_passes() -> None:
    assert limits_of(1000).total_bytes == 32 << 30
    assert limits_of(1 << 30).total_bytes == 250 << 30
    assert limits_of(1 << 60).total_bytes == 1 << 40


def test_an_image_that_can_not_fit_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    part = Part(Descriptor(mediatype.LAYER, Digest.of(b""), 1 << 60), DiffID.of(b""))
    with pytest.raises(DiskFull, match="needs more than"):
        require_room(str(tmp_path), [part])
    require_room(str(tmp_path), [part._replace(blob=part.blob._replace(size=1))])


def test_a_tar_that_writes_a_file_twice_is_fetched_again_and_kept(engine: Engine, shelf: Shelf) -> None:
    twice = layer_tar(a="one")[: 512 + 1024] + layer_tar(a="two!")[512:]
    add(shelf, twice)
    found = fetch(engine)
    parts: list[bytes] = []
    engine.layers.write_tar(found.image.layers[0], lambda chunk: parts.append(bytes(chunk)))
    assert b"".join(parts) == twice
    assert len([one for one in shelf.asked if one.startswith("BLOB")]) == 3
    assert all(one.closed for one in shelf.open)


def test_the_content_ends_only_when_its_blob_did(engine: Engine, shelf: Shelf) -> None:
    """Whatever decompressor stops early: the blob's last byte vouches for it."""
    blob = Reads(Descriptor(mediatype.LAYER, Digest.of(b"right"), 5), b"wrong", None)
    whole = Whole(io.BytesIO(b"content"), Counted(blob, lambda _: None, lambda: None))
    assert whole.read(100) == b"content"
    with pytest.raises(IntegrityError):
        whole.read(100)


def test_a_collection_in_the_middle_takes_nothing_that_a_pull_counts_on(
    engine: Engine, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = add(shelf, BASE, tag="")
    top = shelf.tag("1", encode(index(image | platform(ARCH))), mediatype.INDEX)
    create = engine.image_store.create

    def collected_first(*args: Any, **more: Any) -> ImageRecord:
        engine.collector.collect()
        return create(*args, **more)

    monkeypatch.setattr(engine.image_store, "create", collected_first)
    fetch(engine)
    assert engine.blobs.has(Digest(top["digest"]))
    assert engine.layers.has(DiffID(sha(BASE)))


def test_who_gave_the_manifest_is_asked_first_for_the_rest(engine: Engine) -> None:
    mirror, home = Shelf(), Shelf()
    add(home, BASE)
    engine.__dict__["registries"] = Registries(mirror=mirror, home=home)
    fetch(engine)
    assert mirror.asked == ["GET 1"]
