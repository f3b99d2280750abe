"""pull, run, create and build of images that are in a registry; and registries that break their word."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry, busybox_tar, eventually
from tests.integration.pull_lab import INDEX, MANIFEST, BadRegistry, Image, noise, publish, put_manifest, tar_of
from tests.registries.real import DockerRegistry

pytestmark = pytest.mark.requires("root", "runc", "busybox", "docker-registry")
ALONE = ("--network", "none")
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with DockerRegistry(tmp_path_factory.mktemp("registry")) as made:
        publish(made.host, "box", Image(busybox_tar(), tar_of(greeting=b"hello\n"), arch=MACHINE), "1")
        yield made


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Wherry]:
    """An empty root."""
    made = Wherry(tmp_path / "root")
    yield made
    made.remove_all()
    shutil.rmtree(made.paths.run, ignore_errors=True)


@pytest.fixture
def bad() -> Iterator[BadRegistry]:
    made = BadRegistry(Image(tar_of(a=b"a"), tar_of(b=noise(300_000, 1)), arch=MACHINE))
    yield made
    made.close()


def leftovers(here: Wherry) -> list[str]:
    """Begun work, layers and images that a failed pull left."""
    found = [f"tmp/{name}" for name in os.listdir(here.paths.tmp)] if os.path.isdir(here.paths.tmp) else []
    return found + here("images", "-aq").stdout.split()


def test_a_pull_prints_what_docker_prints_and_the_image_runs(here: Wherry, registry: DockerRegistry) -> None:
    name = f"{registry.host}/box:1"
    image = Image(busybox_tar(), tar_of(greeting=b"hello\n"), arch=MACHINE)
    lines = here("pull", name).stdout.splitlines()
    assert lines[0] == "1: Pulling from box"
    assert lines[-3:] == [f"Digest: {image.digest}", f"Status: Downloaded newer image for {name}", name]
    assert sorted(line.partition(": ")[2] for line in lines[1:-3]) == sorted(
        ["Pulling fs layer", "Download complete", "Pull complete"] * 2
    )
    assert here("pull", name).stdout.splitlines()[-2] == f"Status: Image is up to date for {name}"
    assert here("pull", "-q", name).stdout == f"{name}\n"
    (doc,) = json.loads(here("inspect", name).stdout)
    assert doc["RepoDigests"] == [f"{registry.host}/box@{image.digest}"]
    assert here("images", "--digests").stdout.splitlines()[1].split()[:3] == [f"{registry.host}/box", "1", image.digest]
    assert here("run", "--rm", *ALONE, name, "cat", "/greeting").stdout == "hello\n"


def test_run_and_create_fetch_what_is_not_here_and_say_so_on_stderr(here: Wherry, registry: DockerRegistry) -> None:
    name = f"{registry.host}/box:1"
    refused = here("run", "--rm", "--pull", "never", *ALONE, name, "true", code=125)
    assert f"No such image: {name}" in refused.stderr
    done = here("run", "--rm", *ALONE, name, "cat", "/greeting")
    assert done.stdout == "hello\n"
    assert done.stderr.startswith(f"Unable to find image '{name}' locally\n1: Pulling from box\n")
    assert f"Status: Downloaded newer image for {name}\n" in done.stderr
    assert here("run", "--rm", *ALONE, name, "true").stderr == ""
    always = here("run", "--rm", "--pull", "always", *ALONE, name, "true")
    assert f"Status: Image is up to date for {name}\n" in always.stderr
    here("rmi", name)
    created = here("create", "-q", *ALONE, name)
    assert (len(created.stdout.strip()), created.stderr) == (64, "")


def test_an_image_that_is_here_is_used_when_its_registry_is_gone(here: Wherry, tmp_path: Path) -> None:
    with DockerRegistry(tmp_path / "registry") as registry:
        publish(registry.host, "box", Image(busybox_tar(), arch=MACHINE), "1")
        name = f"{registry.host}/box:1"
        here("pull", name)
    assert here("run", "--rm", *ALONE, name, "echo", "still here").stdout == "still here\n"
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {name}\nCMD echo built\n")
    here("build", "-q", "-t", "built", str(context))
    failed = here("run", "--rm", "--pull", "always", *ALONE, name, "true", code=125)
    assert "cannot reach" in failed.stderr
    assert "without --pull always the image that is here is used" in failed.stderr
    failed = here("build", "--pull", str(context), code=1)
    assert f"without --pull the {name} that is here is used" in failed.stderr
    missing = here("run", "--rm", *ALONE, f"{registry.host}/other", "true", code=125)
    assert "Connection refused" in missing.stderr


def test_a_build_fetches_its_base_and_asks_for_a_newer_one_with_pull(
    here: Wherry, registry: DockerRegistry, tmp_path: Path
) -> None:
    publish(registry.host, "base", Image(busybox_tar(), tar_of(v=b"one\n"), arch=MACHINE), "1")
    (tmp_path / "Dockerfile").write_text(f"FROM {registry.host}/base:1\nCMD cat /v\n")
    first = here("build", "-t", "app", "--progress", "plain", str(tmp_path))
    assert f"[internal] pull {registry.host}/base:1" in first.stderr
    assert here("run", "--rm", *ALONE, "app").stdout == "one\n"
    publish(registry.host, "base", Image(busybox_tar(), tar_of(v=b"two\n"), arch=MACHINE), "1")
    here("build", "-q", "-t", "app", str(tmp_path))
    assert here("run", "--rm", *ALONE, "app").stdout == "one\n"
    here("build", "-q", "--pull", "-t", "app", str(tmp_path))
    assert here("run", "--rm", *ALONE, "app").stdout == "two\n"
    (tmp_path / "Dockerfile").write_text(f"FROM {registry.host}/none:1\n")
    failed = here("build", str(tmp_path), code=1)
    assert f"the base image {registry.host}/none:1 is not on this machine, and could not be pulled" in failed.stderr


def test_an_index_gives_each_platform_its_image_and_keeps_its_own_digest(
    here: Wherry, registry: DockerRegistry
) -> None:
    images = {arch: Image(tar_of(arch=arch.encode()), arch=arch) for arch in (MACHINE, "s390x")}
    entries = []
    for arch, image in images.items():
        publish(registry.host, "multi", image, arch)
        entries.append(Image.describe(image.manifest, MANIFEST, platform={"os": "linux", "architecture": arch}))
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    put_manifest(registry.host, "multi", index, INDEX, "all")
    name = f"{registry.host}/multi:all"
    here("pull", name)
    (doc,) = json.loads(here("inspect", name).stdout)
    digest = Image.describe(index, INDEX)["digest"]
    assert (doc["Architecture"], doc["RepoDigests"]) == (MACHINE, [f"{registry.host}/multi@{digest}"])
    here("pull", "--platform", "linux/s390x", name)
    (doc,) = json.loads(here("inspect", name).stdout)
    assert doc["Architecture"] == "s390x"
    failed = here("pull", "--platform", "linux/riscv64", name, code=1)
    assert "no matching manifest for linux/riscv64 in the manifest list entries" in failed.stderr
    assert f"is there for: linux/{MACHINE}, linux/s390x" in failed.stderr
    shown = json.loads(here("manifest", "inspect", name).stdout)
    assert shown == json.loads(index)
    verbose = json.loads(here("manifest", "inspect", "-v", name).stdout)
    assert [one["Descriptor"]["platform"]["architecture"] for one in verbose] == [MACHINE, "s390x"]


@pytest.mark.requires("skopeo")
@pytest.mark.parametrize("form", [["--format", "v2s2"], ["--format", "oci"],
                                  ["--format", "oci", "--dest-compress-format", "zstd"]])  # fmt: skip
def test_what_skopeo_pushed_keeps_its_digest_here_and_back(
    here: Wherry, registry: DockerRegistry, tmp_path: Path, form: list[str]
) -> None:
    name = f"{registry.host}/skopeo:{form[-1]}"
    here("pull", f"{registry.host}/box:1")
    here("save", "-o", str(tmp_path / "box.tar"), f"{registry.host}/box:1")
    copied = ["skopeo", "copy", "-q", "--dest-tls-verify=false", *form]
    subprocess.run([*copied, f"docker-archive:{tmp_path}/box.tar", f"docker://{name}"], check=True)
    asked = ["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{name}"]
    digest = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    here("rmi", f"{registry.host}/box:1")
    assert f"Digest: {digest}" in here("pull", name).stdout
    assert here("run", "--rm", *ALONE, name, "cat", "/greeting").stdout == "hello\n"
    here("push", name)
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip() == digest
    there = f"{registry.host}/elsewhere:1"
    here("tag", name, there)
    here("push", there)
    asked[-1] = f"docker://{there}"
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip() == digest


def test_all_tags_come_and_a_digest_gives_no_tag(here: Wherry, registry: DockerRegistry) -> None:
    one, two = Image(tar_of(n=b"1"), arch=MACHINE), Image(tar_of(n=b"2"), arch=MACHINE)
    publish(registry.host, "tags", one, "one")
    publish(registry.host, "tags", two, "two")
    name = f"{registry.host}/tags"
    assert here("pull", f"{name}:one@{one.digest}").stdout.splitlines()[0] == f"{name}@{one.digest}: Pulling from tags"
    assert here("images").stdout.splitlines()[1].split()[:2] == [name, "<none>"]
    lines = here("pull", "-a", name).stdout.splitlines()
    assert [line for line in lines if line.startswith("Digest")] == [f"Digest: {one.digest}", f"Digest: {two.digest}"]
    assert lines[-2:] == [f"Status: Downloaded newer image for {name}", name]
    assert here("images", "--format", "json").stdout.count('"Tag":"<none>"') == 0
    assert "tag can't be used" in here("pull", "-a", f"{name}:one", code=1).stderr


@pytest.mark.parametrize("way", ["other", "short", "long", "endless", "truncated"])
def test_a_registry_that_breaks_its_word_gets_nothing_into_the_store(here: Wherry, bad: BadRegistry, way: str) -> None:
    layer = list(bad.image.blobs)[2]
    bad.ways[layer] = way
    failed = here("pull", f"{bad.host}/app:1", code=1)
    assert failed.stderr.startswith("wherry: ")
    assert "Traceback" not in failed.stderr
    assert leftovers(here) == []
    bad.ways.clear()
    here("pull", f"{bad.host}/app:1")


def test_a_connection_that_is_reset_is_taken_up_where_it_broke(here: Wherry, bad: BadRegistry) -> None:
    layer = list(bad.image.blobs)[2]
    bad.ways[layer] = "reset"
    here("pull", f"{bad.host}/app:1")
    assert any(one.startswith(f"{layer[:19]} bytes=") for one in bad.asked)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Wherry]:
    """An empty root on a disk of 12 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "wherry-test", str(disk)], check=True)
    made = Wherry(disk / "root")
    try:
        yield made
    finally:
        eventually(lambda: subprocess.run(["umount", str(disk)], check=False).returncode == 0, "the disk is free")
        shutil.rmtree(made.paths.run, ignore_errors=True)


@pytest.mark.parametrize("content", [bytes(64 << 20), noise(14 << 20, 2)], ids=["bomb", "large"])
def test_a_disk_that_fills_up_is_said_and_nothing_is_left(small: Wherry, content: bytes) -> None:
    bad = BadRegistry(
        Image(tar_of(a=b"a"), tar_of(big=content), arch=MACHINE, squeeze=lambda data: gzip.compress(data, 1))
    )
    try:
        failed = small("pull", f"{bad.host}/app:1", code=1)
        assert "No space left on device" in failed.stderr or "the image needs more than" in failed.stderr
        assert "hint: " in failed.stderr
        assert leftovers(small) == []
        bad.image = Image(tar_of(a=b"small"), arch=MACHINE)
        small("pull", f"{bad.host}/app:1")
    finally:
        bad.close()


def test_pulls_of_one_image_by_many_processes_end_well(here: Wherry, registry: DockerRegistry) -> None:
    image = Image(*[tar_of(**{f"f{i}": noise(1 << 20, i)}) for i in range(6)], arch=MACHINE)
    publish(registry.host, "crowd", image, "1")
    crowd = [here.spawn("pull", f"{registry.host}/crowd:1") for _ in range(4)]
    for one in crowd:
        _, err = one.communicate(timeout=90)
        assert one.returncode == 0, err
    assert len(here("images", "-q").stdout.split()) == 1
    assert os.listdir(here.paths.tmp) == []


def test_pulls_killed_at_any_moment_leave_a_store_that_the_next_one_uses(
    here: Wherry, registry: DockerRegistry
) -> None:
    image = Image(*[tar_of(**{f"f{i}": noise(2 << 20, i)}) for i in range(6)], arch=MACHINE)
    publish(registry.host, "victim", image, "1")
    name = f"{registry.host}/victim:1"
    started = time.monotonic()
    here("pull", name)
    whole_s = time.monotonic() - started
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(30):
        here("rmi", "-f", name, code=None)
        process = here.spawn("pull", name)
        time.sleep(chance.uniform(0.05, whole_s))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        shown = here("images", "-q", "--no-trunc").stdout.split()
        assert len(shown) <= 1
        for one in shown:
            (doc,) = json.loads(here("inspect", one).stdout)
            assert all(os.path.isdir(f"{here.paths.layers}/{layer[7:]}/fs") for layer in doc["RootFS"]["Layers"])
    here("pull", name)
    assert os.listdir(here.paths.tmp) == []
    here("rmi", name)
    assert leftovers(here) == []
    assert os.listdir(here.paths.layers) == []
