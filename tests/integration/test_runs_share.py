"""runs push and pull, against a registry on loopback that plays the quirks of others: no root, no container."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.registries.fake import FakeRegistry
from tests.registries.quirks import Quirks
from wherry.engine import Engine
from wherry.engine.partial import sweep_partial
from wherry.engine.runs_pull import partial_bytes, pull
from wherry.engine.runs_push import push, repository_of
from wherry.errors import Conflict, InputError, IntegrityError, InvalidSpec, NotFound, Unsupported, WherryError
from wherry.host.fake import FakeHost
from wherry.oci.reference import Reference
from wherry.registry.watch import Silent
from wherry.runs.artifact import ARTIFACT
from wherry.settings import Paths, Settings
from wherry.track import Run
from wherry.track.folder import append
from wherry.track.points import points
from wherry.track.record import Record
from wherry.track.run import begin, join

IMAGE = json.dumps({"schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
    "digest": "sha256:" + "0" * 64, "size": 2}, "layers": []}).encode()  # fmt: skip
IMAGE_TYPE = "application/vnd.oci.image.manifest.v1+json"
IMAGE_DIGEST = "sha256:" + sha256(IMAGE).hexdigest()


def an_engine(folder: Path) -> Engine:
    settings = Settings(Paths(f"{folder}/root", f"{folder}/run"), {}, os.geteuid(), "/")
    return Engine(settings, FakeHost())


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Engine]:
    with an_engine(tmp_path / "here") as made:
        yield made


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Engine]:
    """Another machine's."""
    with an_engine(tmp_path / "there") as made:
        yield made


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as made:
        yield made


def a_run(engine: Engine, **start: Any) -> Run:
    return join(begin(engine.runs.home, {"experiment": "iris", "command": ["train"], **start}), is_joined=False)


def trained(engine: Engine, folder: Path, **start: Any) -> Record:
    with a_run(engine, **start) as run:
        run.params(lr=0.1, nan=float("nan"))
        run.tag("who", "me")
        for step in range(1000):
            run.log(loss=1 / (step + 1), acc=float("nan") if step == 5 else step / 1000)
        (folder / "model.bin").write_bytes(random.Random(1).randbytes(200_000))
        run.artifact(folder / "model.bin")
        run.artifact(folder / "model.bin", "copy/of it.bin")
    (Path(run.folder) / "metrics.jsonl").write_text('{"other": 1.5, "step": 7, "time": 12.5}\n{"other": "NaN"}\n')
    (Path(run.folder) / "end.json").unlink()  # killed, so that metrics are summed up anew, those of other languages too
    return Record(run.folder)


def name(registry: FakeRegistry, rest: str = "iris/train:1") -> Reference:
    return Reference.parse(f"{registry.host}/{rest}")


def all_points(run: Record) -> list[str]:
    """As texts: NaN is not NaN."""
    return [repr(one) for one in points(run.folder)]


def test_a_pulled_run_is_the_pushed_one(here: Engine, there: Engine, registry: FakeRegistry, tmp_path: Path) -> None:
    run = trained(here, tmp_path)
    sent = push(here, run, name(registry), Silent())
    assert sent.subject is None
    pulled = pull(there, name(registry), Silent())
    assert pulled.is_new
    assert pulled.digest == sent.pushed.digest
    assert pulled.run.document == run.document
    assert all_points(pulled.run) == all_points(run)
    assert len(all_points(run)) == 2002
    for file in ("model.bin", "copy/of it.bin"):
        assert Path(pulled.run.artifact(file)).read_bytes() == (tmp_path / "model.bin").read_bytes()
    assert there.runs.find("latest").id == run.id
    assert sorted(os.listdir(there.runs.home)) == [".partial", run.id]
    assert os.listdir(f"{there.runs.home}/.partial") == []
    assert not pull(there, name(registry), Silent()).is_new
    assert push(there, pulled.run, name(registry), Silent()).pushed == sent.pushed._replace(sent_bytes=0)


def test_any_run_comes_back(here: Engine, there: Engine, registry: FakeRegistry, tmp_path: Path) -> None:
    chance = random.Random(5)
    for number in range(6):
        with a_run(here, name=f"run {number} ü\"'") as run:
            for _ in range(chance.randint(0, 4)):
                run.param(chance.choice("abc/ü "), chance.choice([1, "x" * 5000, None, True, float("inf"), "\ud800"]))
            for _ in range(chance.randint(0, 300)):
                run.log({chance.choice(["a", "b/c", "ü" * 200]): chance.choice([chance.random(), float("-inf")])},
                        step=chance.randint(-(1 << 63), (1 << 63) - 1))  # fmt: skip
            for file in range(chance.randint(0, 3)):
                (tmp_path / "file").write_bytes(chance.randbytes(chance.choice([0, 1, 70_000])))
                run.artifact(tmp_path / "file", f"out/{file}")
        push(here, here.runs.find(run.id), name(registry, f"any:{number}"), Silent())
        found = pull(there, name(registry, f"any:{number}"), Silent()).run
        assert found.document == Record(run.folder).document
        assert all_points(found) == all_points(Record(run.folder))
        assert {one.name: Path(one.path).read_bytes() for one in there.runs.artifacts(found)} == {
            one.name: Path(one.path).read_bytes() for one in here.runs.artifacts(Record(run.folder))
        }


@pytest.mark.parametrize("referrers", ["api", "404"])
def test_a_run_refers_to_its_image_where_that_is(here: Engine, there: Engine, tmp_path: Path, referrers: str) -> None:
    with FakeRegistry(Quirks(referrers=referrers)) as registry:
        registry.put_manifest("iris/train", "1", IMAGE, IMAGE_TYPE)
        image = {"name": f"{registry.host}/iris/train:1", "id": "sha256:" + "1" * 64, "digest": IMAGE_DIGEST}
        run = trained(here, tmp_path, image=image)
        where = repository_of(here, run)
        assert str(where) == f"{registry.host}/iris/train"
        sent = push(here, run, where, Silent())
        assert sent.subject
        assert str(sent.subject.digest) == IMAGE_DIGEST
        target = here.registries.client.repository(here.registries.hosts.for_push(where))
        (found,) = target.referrers(sent.subject.digest, ARTIFACT)
        assert (found.digest, found.annotations["dev.wherry.run.id"]) == (sent.pushed.digest, run.id)
        assert pull(there, where._replace(digest=found.digest), Silent()).run.document == run.document
        # Elsewhere its image is not: a tag is needed then, and it refers to nothing
        assert push(here, run, name(registry, "other:1"), Silent()).subject is None
        with pytest.raises(InputError, match=r"has no image in .*/other"):
            push(here, run, name(registry, "other:1")._replace(tag=""), Silent())


@pytest.mark.parametrize("image", [{}, {"name": "iris:1", "id": "sha256:" + "1" * 64, "digest": IMAGE_DIGEST}])
def test_without_an_image_that_a_registry_has_a_name_is_needed(
    here: Engine, tmp_path: Path, image: dict[str, str]
) -> None:
    run = trained(here, tmp_path, image=image)
    with pytest.raises(InputError, match="it is not known which registry has the image of run") as caught:
        repository_of(here, run)
    assert ("wherry push iris:1" in str(caught.value.hint)) == bool(image)


def test_two_pulls_of_one_run_make_one(here: Engine, there: Engine, registry: FakeRegistry, tmp_path: Path) -> None:
    run = trained(here, tmp_path)
    push(here, run, name(registry), Silent())
    # Made once: of four that threads make at once three would be lost, with their connections
    assert there.registries.client
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: pull(there, name(registry), Silent()), range(4)))
    assert [one.run.document for one in found] == [run.document] * 4
    assert sorted(os.listdir(there.runs.home)) == [".partial", run.id]
    assert os.listdir(f"{there.runs.home}/.partial") == []
    assert len(registry.requests("GET", f"/blobs/{run.document['artifacts'][0]['digest']}")) == 1


def test_a_run_that_goes_on_is_not_pushed(here: Engine, registry: FakeRegistry) -> None:
    with a_run(here) as run, pytest.raises(Conflict, match=f"run {run.name} goes on"):
        push(here, here.runs.find(run.id), name(registry), Silent())
    assert not registry.manifests


def test_files_are_sent_once_and_taken_from_here(
    here: Engine, there: Engine, registry: FakeRegistry, tmp_path: Path
) -> None:
    first, second = trained(here, tmp_path), trained(here, tmp_path)
    assert push(here, first, name(registry), Silent()).pushed.sent_bytes > 200_000
    assert push(here, second, name(registry, "iris/train:2"), Silent()).pushed.sent_bytes < 200_000
    pull(there, name(registry), Silent())
    before = len(registry.requests("GET", "/blobs/"))
    pull(there, name(registry, "iris/train:2"), Silent())
    assert len(registry.requests("GET", "/blobs/")) - before == 2  # the document, the points


def test_a_file_that_was_changed_or_is_gone_is_named(here: Engine, registry: FakeRegistry, tmp_path: Path) -> None:
    run = trained(here, tmp_path)
    path = Path(run.artifact("model.bin"))
    path.chmod(0o644)
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(IntegrityError, match="was changed after the run kept it"):
        push(here, run, name(registry), Silent())
    path.unlink()
    with pytest.raises(NotFound, match=r"artifact (model|copy).* is not there any more"):
        push(here, run, name(registry), Silent())
    assert not registry.manifests


def test_a_damaged_blob_leaves_no_run_and_the_next_pull_goes_on(
    here: Engine, there: Engine, registry: FakeRegistry, tmp_path: Path
) -> None:
    run = trained(here, tmp_path)
    push(here, run, name(registry), Silent())
    key = ("iris/train", "sha256:" + sha256((tmp_path / "model.bin").read_bytes()).hexdigest())
    good = registry.blobs[key]
    registry.blobs[key] = good[:-1] + b"\0"
    with pytest.raises(IntegrityError):
        pull(there, name(registry), Silent())
    assert there.runs.list() == []
    registry.blobs[key] = good
    assert pull(there, name(registry), Silent()).run.document == run.document
    assert sorted(os.listdir(there.runs.home)) == [".partial", run.id]
    assert os.listdir(f"{there.runs.home}/.partial") == []


def test_what_a_broken_pull_left_is_measured_and_swept(
    here: Engine, there: Engine, registry: FakeRegistry, tmp_path: Path
) -> None:
    run = trained(here, tmp_path)
    push(here, run, name(registry), Silent())
    del registry.blobs["iris/train", "sha256:" + sha256((tmp_path / "model.bin").read_bytes()).hexdigest()]
    with pytest.raises(WherryError):
        pull(there, name(registry), Silent())
    # The failure stops the other file, with or without its first bytes: some of a third one
    place = Path(there.runs.home, ".partial", run.id, "artifacts", "sha256")
    place.mkdir(parents=True, exist_ok=True)
    (place / ("0" * 64)).write_bytes(b"half of it")
    assert partial_bytes(there) > 0
    assert sweep_partial(f"{there.runs.home}/.partial") > 0
    assert partial_bytes(there) == 0
    assert there.runs.list() == []


def test_another_run_of_the_same_id_is_written_over_only_when_asked(
    here: Engine, there: Engine, registry: FakeRegistry, tmp_path: Path
) -> None:
    run = trained(here, tmp_path)
    push(here, run, name(registry), Silent())
    mine = pull(there, name(registry), Silent()).run
    promoted = {"type": "promoted", "value": {"image": {"name": "iris:prod", "id": "sha256:" + "3" * 64}, "at_ms": 1}}
    append(mine.folder, promoted)
    # What was made of it here is no reason to fetch it again
    assert not pull(there, name(registry), Silent()).is_new
    assert Record(mine.folder).document["promoted"]
    (Path(mine.folder) / "events.jsonl").write_text("")
    with pytest.raises(Conflict, match="is here, and differs"):
        pull(there, name(registry), Silent())
    assert Record(mine.folder).document["artifacts"] == []
    assert pull(there, name(registry), Silent(), force=True).run.document == run.document
    assert there.runs.find(run.id).document == run.document


@pytest.mark.parametrize(("document", "kind", "fault", "said"), [
    (json.loads(IMAGE), IMAGE_TYPE, InputError, "is a container image, not a training run"),
    ({"schemaVersion": 2, "manifests": []}, "application/vnd.oci.image.index.v1+json", Unsupported, "is an index"),
    (json.loads(IMAGE) | {"artifactType": "application/vnd.example", "config": {"mediaType":
        "application/vnd.oci.empty.v1+json", "digest": "sha256:" + "0" * 64, "size": 2}}, IMAGE_TYPE, InputError,
        "is no training run but application/vnd.example"),
])  # fmt: skip
def test_what_is_no_run_is_not_pulled(
    there: Engine, registry: FakeRegistry, document: dict[str, Any], kind: str, fault: type[WherryError], said: str
) -> None:
    registry.put_manifest("iris/train", "1", json.dumps(document).encode(), kind)
    with pytest.raises(fault, match=said):
        pull(there, name(registry), Silent())
    assert not os.path.exists(there.runs.home)


def test_points_that_are_none_are_refused(here: Engine, there: Engine, registry: FakeRegistry, tmp_path: Path) -> None:
    push(here, trained(here, tmp_path), name(registry), Silent())
    document = json.loads(registry.manifests["iris/train", "1"][0])
    for data in (b"no tar" * 1000, a_tar("../x"), a_tar("metrics/a.bin", "metrics/a.bin"), a_tar("run.json")):
        document["layers"][0] |= {"digest": registry.put_blob("iris/train", data), "size": len(data)}
        registry.put_manifest("iris/train", "2", json.dumps(document).encode(), IMAGE_TYPE)
        with pytest.raises(InvalidSpec, match="the metrics of a run"):
            pull(there, name(registry, "iris/train:2"), Silent())
        assert there.runs.list() == []
        assert partial_bytes(there) == 0
    assert not (tmp_path / "there" / "x").exists()


def a_tar(*names: str) -> bytes:
    import io
    import tarfile

    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w") as tar:
        for one in names:
            entry = tarfile.TarInfo(one)
            entry.size = 3
            tar.addfile(entry, io.BytesIO(b"abc"))
    return found.getvalue()
