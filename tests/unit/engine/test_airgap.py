"""Bundles from one store into another, and what becomes of broken ones."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import pytest

from wherry.engine import Engine
from wherry.engine.airgap_create import Created, Wanted, create
from wherry.engine.airgap_describe import describe
from wherry.engine.airgap_load import Loaded, Request, check, load
from wherry.engine.airgap_project import ProjectFiles
from wherry.engine.airgap_write import split_sink
from wherry.engine.attach import attach, attachments
from wherry.errors import Conflict, InputError, InvalidSpec, NotFound, WherryError
from wherry.host.fake import FakeHost
from wherry.image.tar import pack
from wherry.models.config import Described
from wherry.oci import mediatype
from wherry.oci.config import ImageConfig
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest
from wherry.oci.manifest import Index, Manifest
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.registry.watch import Silent
from wherry.settings import Paths, Settings
from wherry.store.images import ImageRecord
from wherry.store.save import tar_header
from wherry.trust.referrer import IN_TOTO, Payload

Make = Callable[[], Engine]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    numbers = itertools.count()
    with ExitStack() as stack:

        def one() -> Engine:
            root = tmp_path / f"root{next(numbers)}"
            root.mkdir()
            settings = Settings(Paths(f"{root}/root", f"{root}/run"), {}, os.geteuid(), "/")
            return stack.enter_context(Engine(settings, FakeHost()))

        yield one


def tar(tmp_path: Path, content: bytes) -> bytes:
    folder = tmp_path / f"tree-{sha256(content).hexdigest()[:8]}"
    folder.mkdir(exist_ok=True)
    (folder / "file").write_bytes(content)
    out = bytearray()
    pack.tree_to_tar(str(folder), out.extend, mtime_ns=0)
    return bytes(out)


def image(engine: Engine, tmp_path: Path, name: str, *contents: bytes, packed: bool = False) -> ImageRecord:
    """`packed`: its last layer came compressed, as from a registry."""
    with engine.leases.hold("test") as lease:
        tars = [tar(tmp_path, content) for content in contents]
        diff_ids = tuple(DiffID.of(one) for one in tars)
        config = ImageConfig(Platform("linux", "amd64"), diff_ids=diff_ids).to_bytes()
        manifest = None
        for one in tars:
            engine.layers.extract(io.BytesIO(one), lease)
        if packed:
            data = gzip.compress(tars[-1], mtime=0)
            engine.blobs.put([data])
            layers = [Descriptor(mediatype.LAYER, Digest(d), len(t)) for d, t in zip(diff_ids, tars, strict=True)]
            layers[-1] = Descriptor(mediatype.LAYER_GZIP, Digest.of(data), len(data))
            top = Descriptor(mediatype.CONFIG, Digest.of(config), len(config))
            manifest = Manifest(top, tuple(layers)).to_bytes()
        return engine.image_store.create(config, [Reference.parse(name)], manifest=manifest)


def model(engine: Engine, tmp_path: Path, name: str, size: int = 3000) -> Digest:
    from wherry.engine.models_pack import store

    folder = tmp_path / "weights"
    folder.mkdir(exist_ok=True)
    (folder / "model.bin").write_bytes(random.Random(size).randbytes(size))
    (folder / "README.md").write_text("a model")
    record, _ = store(engine, str(folder), Described(), Reference.parse(name), Silent())
    return record.id


def bundle(engine: Engine, path: Path, *names: str, split: int = 0, **more: object) -> Created:
    from contextlib import contextmanager

    @contextmanager
    def plain(total: int) -> Iterator[Callable[[object], object]]:
        with open(path, "wb") as file:
            yield file.write  # type: ignore[misc]
        assert path.stat().st_size == total

    sink = (lambda total: split_sink(str(path), split, total)) if split else plain
    return create(engine, Wanted(names, **more), sink, Silent())  # type: ignore[arg-type]


def take(engine: Engine, *paths: Path, **more: object) -> Loaded:
    return load(engine, Request(tuple(map(str, paths)), str(paths[0].parent), **more), Silent())  # type: ignore[arg-type]


def state(engine: Engine) -> object:
    """All that a user could see of the store."""
    models = [(one.id, one.names) for one in engine.models.list()]
    attached = [attachments(engine, one) for one in engine.image_store.list()]
    return [(one.id, one.manifest, one.references) for one in engine.image_store.list()], models, attached


def test_images_models_and_what_is_attached_arrive_as_they_were(make: Make, tmp_path: Path) -> None:
    here, there = make(), make()
    first = image(here, tmp_path, "shop/api:1", b"base", b"code", packed=True)
    second = image(here, tmp_path, "shop/web:1", b"base", b"pages")
    attach(here, first, Payload("application/spdx+json", "application/spdx+json", b"{}", "sbom.json", {"a": "b"}))
    attach(here, first, Payload(IN_TOTO, IN_TOTO, b'{"predicateType":"p","subject":[],"predicate":{}}'))
    weights = model(here, tmp_path, "iris:1")
    made = bundle(here, tmp_path / "b", "shop/api:1", "shop/web:1", "iris:1")
    loaded = take(there, tmp_path / "b")
    assert loaded.id == made.id
    for one in (first, second):
        found = there.image_store.resolve(one.tags[0])
        assert (found.id, found.manifest, found.references) == (one.id, one.manifest, one.references)
        assert all(there.layers.has(layer) for layer in one.layers)
    assert there.models.resolve("iris:1").id == weights
    said = [(a.artifact_type, a.digest, a.title, a.annotations) for a in attachments(there, first)]
    assert said == [(a.artifact_type, a.digest, a.title, a.annotations) for a in attachments(here, first)]
    # Once more: nothing changes, and collection takes nothing of it
    before = state(there)
    take(there, tmp_path / "b")
    there.collector.collect()
    assert state(there) == before
    take(there, tmp_path / "b")


def test_the_archive_is_a_layout_whose_referrers_name_their_subjects(make: Make, tmp_path: Path) -> None:
    here = make()
    record = image(here, tmp_path, "shop/api:1", b"base")
    attach(here, record, Payload(IN_TOTO, IN_TOTO, b'{"predicateType":"p","subject":[],"predicate":{}}'))
    bundle(here, tmp_path / "b", "shop/api:1")
    from wherry.store.source import open_source

    source = open_source(str(tmp_path / "b"), here.scratch)
    top = Index.from_bytes(source.read("index.json", 1 << 20))
    about, subject = sorted(top.manifests, key=lambda one: not one.artifact_type)
    assert subject.digest == record.manifest
    assert subject.annotations["org.opencontainers.image.ref.name"] == "shop/api:1"
    manifest = Manifest.from_bytes(source.read(f"blobs/sha256/{about.digest.hex}", 1 << 20))
    assert manifest.subject
    assert manifest.subject.digest == record.manifest
    statement = json.loads(source.read(f"blobs/sha256/{manifest.layers[0].digest.hex}", 1 << 20))
    assert statement["subject"] == [{"name": "docker.io/shop/api", "digest": {"sha256": record.manifest.hex}}]
    source.close()
    # `load` takes the images of it
    (found,) = make().images.load(str(tmp_path / "b"))
    assert found.image.id == record.id


def test_the_same_content_gives_the_same_bytes(make: Make, tmp_path: Path) -> None:
    bytes_of = []
    for names in (["a:1", "b:1"], ["b:1", "a:1"]):
        engine = make()
        for name in names:
            image(engine, tmp_path, name, b"base", name.encode())
        model(engine, tmp_path, "iris:1")
        bundle(engine, tmp_path / "b", *names, "iris:1")
        bytes_of.append((tmp_path / "b").read_bytes())
    assert bytes_of[0] == bytes_of[1]


def test_parts_join_in_any_order_and_by_the_first(make: Make, tmp_path: Path) -> None:
    here = make()
    model(here, tmp_path, "iris:1", 2_500_000)
    (tmp_path / "b.004").write_text("of an older bundle")
    bundle(here, tmp_path / "b", "iris:1", split=1_000_000)
    parts = sorted(tmp_path.glob("b.0*"))
    assert [one.name for one in parts] == ["b.001", "b.002", "b.003"]
    sums = dict(reversed(line.split("  ")) for line in (tmp_path / "b.sha256").read_text().splitlines())  # type: ignore[misc]
    assert sums == {one.name: sha256(one.read_bytes()).hexdigest() for one in parts}
    whole = tmp_path / "whole"
    bundle(here, whole, "iris:1")
    assert b"".join(one.read_bytes() for one in parts) == whole.read_bytes()
    for paths in ([parts[0]], [tmp_path / "b"], [parts[2], parts[0], parts[1]]):
        there = make()
        take(there, *paths)
        assert there.models.resolve("iris:1")
    assert describe(here, [str(parts[0])])["Parts"] == 3
    parts[2].unlink()
    assert describe(here, [str(parts[0])])["Here"] == 2_000_000
    with pytest.raises(InvalidSpec, match=r"missing: .*b\.003 \(it has 3\)"):
        take(make(), parts[0])
    parts[1].unlink()
    with pytest.raises(InvalidSpec, match=r"b\.002, .*b\.003"):
        take(make(), parts[0])
    with pytest.raises(InputError, match="is not the first part"):
        take(make(), parts[1])
    assert not list(tmp_path.glob(".b*"))


def test_a_pipe_and_a_compressed_file_are_read(make: Make, tmp_path: Path) -> None:
    here, there = make(), make()
    image(here, tmp_path, "a:1", b"base")
    bundle(here, tmp_path / "b", "a:1")
    (tmp_path / "b.gz").write_bytes(gzip.compress((tmp_path / "b").read_bytes()))
    take(there, tmp_path / "b.gz")
    other = make()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    data = (tmp_path / "b").read_bytes()
    assert os.write(writing, data) == len(data)
    os.close(writing)
    load(other, Request((reading,), "/"), Silent())
    os.close(reading)
    assert state(other)[0] == state(there)[0]  # type: ignore[index]


@pytest.mark.parametrize("where", ["start", "header", "middle", "padding", "end"])
def test_one_wrong_byte_is_found_before_anything_changes(make: Make, tmp_path: Path, where: str) -> None:
    here, there = make(), make()
    image(here, tmp_path, "a:1", b"base" * 500)
    image(there, tmp_path, "mine:1", b"mine")
    bundle(here, tmp_path / "b", "a:1")
    data = bytearray((tmp_path / "b").read_bytes())
    at = {
        "start": 700, "header": data.index(b"blobs/sha256/") + 300, "middle": data.index(b"basebase"),
        "padding": data.index(b"oci-layout") + 1000, "end": len(data) - 1,
    }[where]  # fmt: skip
    data[at] ^= 1
    (tmp_path / "b").write_bytes(data)
    before = state(there), sorted(map(str, Path(there.settings.paths.root).rglob("*")))
    with pytest.raises(WherryError):
        take(there, tmp_path / "b")
    with pytest.raises(WherryError):
        check(there, [str(tmp_path / "b")], Silent())
    after = state(there), sorted(map(str, Path(there.settings.paths.root).rglob("*")))
    assert after == before


def test_any_byte_and_any_length_matters(make: Make, tmp_path: Path) -> None:
    here, there = make(), make()
    image(here, tmp_path, "a:1", b"base")
    bundle(here, tmp_path / "b", "a:1")
    data = (tmp_path / "b").read_bytes()
    draw = random.Random(7)
    for _ in range(60):
        at, broken = draw.randrange(len(data)), bytearray(data)
        if draw.random() < 0.5:
            broken[at] ^= 1 << draw.randrange(8)
        else:
            del broken[at:]
        (tmp_path / "broken").write_bytes(broken)
        with pytest.raises(WherryError):
            take(there, tmp_path / "broken")
    assert state(there) == ([], [], [])
    check(there, [str(tmp_path / "b")], Silent())


def test_a_document_of_huge_files_is_a_bundle_that_is_cut_off(make: Make, tmp_path: Path) -> None:
    here = make()
    image(here, tmp_path, "a:1", b"base")
    found = bundle(here, tmp_path / "b", "a:1").bundle
    huge = found._replace(files=(*found.files[:-1], found.files[-1]._replace(size=1 << 60)))
    data = huge.to_bytes()
    own = f"{Digest.of(data).hex}  bundle.json\n".encode()
    parts = tar_header("bundle.json", len(data)) + data + bytes(-len(data) % 512)
    parts += tar_header("bundle.json.sha256", len(own)) + own + bytes(-len(own) % 512)
    (tmp_path / "huge").write_bytes(parts)
    with pytest.raises(InvalidSpec, match=r"huge is cut off: it has \d+ bytes of 11529215046068"):
        take(make(), tmp_path / "huge")


def test_an_incremental_bundle_needs_what_it_left_out(make: Make, tmp_path: Path) -> None:
    here, there = make(), make()
    image(here, tmp_path, "a:1", b"base" * 4000, b"one")
    first = bundle(here, tmp_path / "one", "a:1")
    image(here, tmp_path, "a:2", b"base" * 4000, b"two", packed=True)
    second = bundle(here, tmp_path / "two", "a:2", since=(str(tmp_path / "one"),))
    image(here, tmp_path, "a:3", b"base" * 4000, b"two", b"three")
    third = bundle(here, tmp_path / "three", "a:3", since=(str(tmp_path / "two"),))
    assert second.size < first.size - 10_000
    assert {one.of for one in third.bundle.absent} == {first.id}
    with pytest.raises(NotFound, match=rf"1 blobs.* left out are not here: they are in one \({first.id.short}\)") as no:
        take(there, tmp_path / "three")
    assert "wherry bundle load one" in str(no.value.hint)
    assert state(there) == ([], [], [])
    for name in ("one", "two", "three"):
        take(there, tmp_path / name)
    assert [one.tags for one in there.image_store.list() if "a:3" in one.tags] == [("a:3",)]
    assert all(there.layers.has(layer) for one in there.image_store.list() for layer in one.layers)
    shown = describe(here, [str(tmp_path / "three")])
    assert [(one["Name"], one["Blobs"]) for one in shown["Since"]] == [("one", 1)]
    # The document alone is enough to make the next one, and to say that nothing is new
    (tmp_path / "three.json").write_bytes(third.bundle.to_bytes())
    fourth = bundle(here, tmp_path / "four", "a:3", since=(str(tmp_path / "three.json"),))
    assert not [one for one in fourth.bundle.files if one.name.startswith("blobs/")]
    take(there, tmp_path / "four")


def test_a_load_that_was_stopped_goes_on(make: Make, tmp_path: Path) -> None:
    here, there = make(), make()
    image(here, tmp_path, "a:1", b"base", b"code")
    model(here, tmp_path, "iris:1")
    bundle(here, tmp_path / "b", "a:1", "iris:1")

    class Stopped(Exception):
        pass

    class Stops(Silent):
        def finish(self, short: str, what: str) -> None:
            if what == "Loaded":
                raise Stopped

    with pytest.raises(Stopped):
        load(there, Request((str(tmp_path / "b"),), "/"), Stops())
    assert state(there) == ([], [], [])
    take(there, tmp_path / "b")
    assert there.image_store.resolve("a:1")
    assert there.models.resolve("iris:1")


def test_a_name_that_means_something_else_there_is_said_first(make: Make, tmp_path: Path) -> None:
    here, there = make(), make()
    image(here, tmp_path, "x:1", b"base")
    image(here, tmp_path, "a:1", b"other")
    bundle(here, tmp_path / "b", "a:1", "x:1")
    model(there, tmp_path, "x:1")
    before = state(there)
    with pytest.raises(Conflict, match="x:1 is the name of a model here"):
        take(there, tmp_path / "b")
    assert state(there) == before


def test_a_damaged_store_gives_no_bundle(make: Make, tmp_path: Path) -> None:
    here = make()
    record = image(here, tmp_path, "a:1", b"base")
    Path(here.layers.path(record.layers[0]), "file").write_text("evil")
    with pytest.raises(WherryError):
        bundle(here, tmp_path / "b", "a:1", split=1_000_000)
    assert not [one for one in os.listdir(tmp_path) if one.startswith((".b", "b"))]
    with pytest.raises(NotFound):
        bundle(here, tmp_path / "b", "none:1")


def test_a_project_arrives_with_its_files(make: Make, tmp_path: Path) -> None:
    here, there = make(), make()
    folder = tmp_path / "shop"
    (folder / "sql").mkdir(parents=True)
    (folder / "compose.yaml").write_text("services: {}\n")
    (folder / "sql" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "sql" / "run.sh").chmod(0o755)
    names = ("compose.yaml", "sql/run.sh")
    project = ProjectFiles("shop", ("compose.yaml",), {name: str(folder / name) for name in names}, ("data",))
    bundle(here, tmp_path / "b", project=project)
    target = tmp_path / "there"
    target.mkdir()
    found = load(there, Request((str(tmp_path / "b"),), str(target)), Silent())
    assert found.folder == str(target / "shop")
    assert sorted(str(one.relative_to(target)) for one in target.rglob("*")) == [
        "shop", "shop/compose.yaml", "shop/data", "shop/sql", "shop/sql/run.sh"
    ]  # fmt: skip
    assert (target / "shop" / "sql" / "run.sh").stat().st_mode & 0o777 == 0o755
    load(there, Request((str(tmp_path / "b"),), str(target)), Silent())
    (target / "shop" / "compose.yaml").write_text("mine")
    with pytest.raises(Conflict, match=r"compose\.yaml is there with other content"):
        load(there, Request((str(tmp_path / "b"),), str(target)), Silent())
    load(there, Request((str(tmp_path / "b"),), str(target), force=True), Silent())
    assert (target / "shop" / "compose.yaml").read_text() == "services: {}\n"
    # A link in the user's folder is not followed
    outside = tmp_path / "outside"
    outside.mkdir()
    (target / "other").mkdir()
    (target / "other" / "sql").symlink_to(outside)
    with pytest.raises(WherryError):
        load(there, Request((str(tmp_path / "b"),), str(target), folder="other", force=True), Silent())
    assert not list(outside.iterdir())
    assert not list(target.glob(".*"))
