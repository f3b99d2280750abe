"""--cache-to and --cache-from between two machines (two roots): registries, folders, images, GitHub; bad days."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs_text import PROJECT, runnable
from tests.integration.container_lab import Wherry, add_busybox
from tests.registries.fake_gha import FakeGha
from tests.registries.real import DockerRegistry, Served, WherryRegistry

pytestmark = pytest.mark.requires("root", "runc", "busybox")

MAIN = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
ENV = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "WHERRY_", "ACTIONS_"))}
RAN = "r2an"
MADE: list[str] = []
"""Folders of runners below /run."""
DOCKERFILE = """\
FROM busybox AS tools
RUN echo tool > /tool
FROM busybox
WORKDIR /app
COPY . /app
RUN cat needed.txt > /made; head -c 300000 /dev/urandom > /random; echo r$((1+1))an
COPY --from=tools /tool /tool
"""


class Runner:
    """A machine with nothing but the base image."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder, self.root = folder, folder / "root"
        self.env = {**ENV, "HOME": str(folder), "DOCKER_CONFIG": str(folder / "config"), **env}
        self.paths = Wherry(self.root).paths
        MADE.append(self.paths.run)
        if not (self.root / "state.db").exists():
            add_busybox(Wherry(self.root))

    def argv(self, *argv: str) -> list[str]:
        return [sys.executable, "-c", MAIN, "--root", str(self.root), *argv]

    def wherry(self, *argv: str, code: int = 0) -> str:
        done = subprocess.run(self.argv(*argv), capture_output=True, text=True, check=False, env=self.env)
        assert done.returncode == code, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def build(self, context: Path, *argv: str, code: int = 0) -> str:
        return self.wherry("build", "--progress", "plain", "-t", "app", *argv, str(context), code=code)

    def start(self, context: Path, *argv: str) -> subprocess.Popen[bytes]:
        whole = self.argv("build", "--progress", "plain", "-t", "app", *argv, str(context))
        return subprocess.Popen(whole, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.env)

    @property
    def image(self) -> str:
        return self.wherry("images", "-q", "--no-trunc", "app").strip()

    def sources(self) -> set[str]:
        connection = sqlite3.connect(self.root / "state.db")
        try:
            return {row[0] for row in connection.execute("SELECT source FROM step_source")}
        finally:
            connection.close()

    def is_tidy(self) -> bool:
        return not os.listdir(self.root / "tmp")

    def forget(self) -> None:
        """As a fresh runner again."""
        self.wherry("rmi", "app")
        self.wherry("builder", "prune", "-af")


@pytest.fixture(autouse=True)
def _leave_nothing() -> Iterator[None]:
    yield
    while MADE:
        shutil.rmtree(MADE.pop(), ignore_errors=True)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "needed.txt").write_text("needed\n")
    (folder / "main.py").write_text("print(1)\n")
    return folder


@pytest.fixture
def one(tmp_path: Path) -> Runner:
    return Runner(tmp_path / "one")


@pytest.fixture
def two(tmp_path: Path) -> Runner:
    return Runner(tmp_path / "two")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[WherryRegistry]:
    with WherryRegistry(tmp_path / "registry") as registry:
        yield registry


@pytest.mark.requires("docker-registry")
@pytest.mark.parametrize("kind", [DockerRegistry, WherryRegistry])
@pytest.mark.parametrize("how", ["", ",oci-mediatypes=false", ",image-manifest=false,compression=zstd"])
def test_another_machine_runs_nothing_and_makes_the_same_image(
    tmp_path: Path, context: Path, one: Runner, two: Runner, kind: type[Served], how: str
) -> None:
    with kind(tmp_path / "registry") as served:
        ref = f"{served.host}/team/app:cache"
        assert RAN in one.build(context, "--cache-to", f"type=registry,ref={ref},mode=max{how}")
        said = two.build(context, "--cache-from", f"type=registry,ref={ref}", "--explain")
        assert RAN not in said
        assert said.count("CACHED") == 6
        assert said.count(f"hit (nothing changed; from cache {ref})") == 5
        assert two.image == one.image
        assert two.sources() == {f"{served.host}/team/app:cache"}
        # What the step does not read may change; and a name alone is one of a registry
        two.forget()
        (context / "main.py").write_text("print(2)\n")
        said = two.build(context, "--cache-from", ref, "--explain")
        assert RAN not in said
        assert f"hit (read 1 file of yours: needed.txt; from cache {ref})" in said
        assert two.image != one.image
        two.forget()
        (context / "needed.txt").write_text("changed\n")
        assert RAN in two.build(context, "--cache-from", ref)
        assert two.is_tidy()


def test_a_second_export_sends_nothing(context: Path, one: Runner, registry: WherryRegistry) -> None:
    to = ("--cache-to", f"type=registry,ref={registry.host}/team/app:cache,mode=max")
    one.build(context, *to)
    before = registry.log().count("PUT /v2/team/app/blobs") + registry.log().count("POST /v2/team/app/blobs")
    first = one.build(context, *to)
    assert "writing cache manifest" in first
    after = registry.log().count("PUT /v2/team/app/blobs") + registry.log().count("POST /v2/team/app/blobs")
    assert after == before


def test_the_cache_and_the_image_share_their_layers(context: Path, one: Runner, registry: WherryRegistry) -> None:
    one.build(context, "--cache-to", f"type=registry,ref={registry.host}/team/app:cache")
    one.wherry("tag", "app", f"{registry.host}/team/app:1")
    said = one.wherry("push", f"{registry.host}/team/app:1")
    assert said.count("Layer already exists") == 4
    assert said.count(": Pushed") == 1  # the base


def test_what_was_imported_is_mounted_into_another_repository(
    context: Path, one: Runner, two: Runner, registry: WherryRegistry
) -> None:
    ref = f"{registry.host}/team/cache:1"
    one.build(context, "--cache-to", f"type=registry,ref={ref}")
    two.build(context, "--cache-from", ref)
    two.wherry("tag", "app", f"{registry.host}/shop/app:1")
    said = two.wherry("push", f"{registry.host}/shop/app:1")
    assert said.count("Mounted from team/cache") == 4


def test_of_a_stage_only_what_is_needed_is_fetched(tmp_path: Path, context: Path, one: Runner, two: Runner) -> None:
    (context / "Dockerfile").write_text("""\
FROM busybox AS build
COPY needed.txt /src/
RUN cat /src/needed.txt > /program; head -c 3000000 /dev/urandom > /compiler
FROM busybox
COPY --from=build /program /program
COPY main.py /
""")
    place = tmp_path / "cache"
    both = ("--cache-from", f"type=local,src={place}", "--cache-to", f"type=local,dest={place},mode=max")
    one.build(context, *both)
    said = two.build(context, *both, "--explain")
    assert said.count("CACHED") == 5
    assert said.count("; from cache") == 4
    assert two.image == one.image
    layers = two.root / "layers"

    def compilers() -> int:
        return sum((folder / "fs" / "compiler").exists() for folder in layers.iterdir())

    assert compilers() == 0
    # It is handed on all the same, and another machine that needs it gets it
    three = Runner(tmp_path / "three")
    (context / "Dockerfile").write_text(
        (context / "Dockerfile").read_text().replace("/program /program", "/program /other")
    )
    said = three.build(context, *both)
    assert said.count("CACHED") == 3
    assert sum((folder / "fs" / "compiler").exists() for folder in (three.root / "layers").iterdir()) == 1
    # Somewhere else it is fetched, to be sent there
    two.build(
        context, "--cache-from", f"type=local,src={place}", "--cache-to", f"type=local,dest={tmp_path}/b,mode=max"
    )
    assert compilers() == 1


def test_min_holds_the_images_own_steps_and_max_all(tmp_path: Path, context: Path, one: Runner) -> None:
    def steps(mode: str) -> list[str]:
        place = tmp_path / mode
        one.build(context, "--cache-to", f"type=local,dest={place},mode={mode}")
        index = json.loads((place / "index.json").read_text())
        manifest = json.loads((place / "blobs/sha256" / index["manifests"][0]["digest"][7:]).read_text())
        document = json.loads((place / "blobs/sha256" / manifest["config"]["digest"][7:]).read_text())
        assert len(manifest["layers"]) == len(document["layers"])
        return [step["what"] for step in document["steps"]]

    # The tool's own layer is in the image too, but not as what that step gave
    assert sorted(one.partition("] ")[2] for one in steps("max")) == [
        "COPY --from=tools /tool /tool", "COPY . /app", DOCKERFILE.splitlines()[5], "RUN echo tool > /tool",
        "WORKDIR /app",
    ]  # fmt: skip
    assert not [one for one in steps("min") if "tools 2/2" in one and "COPY" in one]


@pytest.mark.requires("skopeo")
def test_a_folder_is_a_layout_that_others_read(tmp_path: Path, context: Path, one: Runner, two: Runner) -> None:
    place = tmp_path / "cache"
    one.build(context, "--cache-to", f"type=local,dest={place},mode=max,tag=main")
    subprocess.run(["skopeo", "inspect", "--raw", f"oci:{place}:main"], check=True, capture_output=True)
    subprocess.run(["skopeo", "copy", "-q", f"oci:{place}:main", f"dir:{tmp_path}/copied"], check=True)
    assert RAN not in two.build(context, "--cache-from", f"type=local,src={place},tag=main")
    assert two.image == one.image
    # Another tag is another cache in the same folder
    one.build(context, "--cache-to", f"type=local,dest={place},tag=other")
    names = [entry["annotations"] for entry in json.loads((place / "index.json").read_text())["manifests"]]
    assert [name["org.opencontainers.image.ref.name"] for name in names] == ["main", "other"]
    said = Runner(tmp_path / "three").build(context, "--cache-from", f"type=local,src={place},tag=nothing")
    assert "failed to configure local cache importer" in said


@pytest.mark.parametrize("version", [1, 2])
def test_github_keeps_it(tmp_path: Path, context: Path, version: int) -> None:
    with FakeGha(version=version) as gha:
        one, two = Runner(tmp_path / "one", **gha.env), Runner(tmp_path / "two", **gha.env)
        flags = ("--cache-from", "type=gha,scope=main", "--cache-to", "type=gha,scope=main,mode=max")
        said = one.build(context, *flags)
        assert "nothing was put there yet for the scope main" in said
        assert RAN in said
        assert RAN not in two.build(context, *flags)
        assert two.image == one.image
        count = len(gha.keys())
        assert gha.keys()[-1] == "wherry-index-1-main#1"
        (context / "main.py").write_text("print(2)\n")
        assert RAN not in two.build(context, *flags)
        # The layer with main.py, and a document that names it
        assert gha.keys()[count:][1:] == ["wherry-index-1-main#2"]
        assert gha.token not in said


def test_on_a_laptop_there_is_no_github(context: Path, one: Runner) -> None:
    said = one.build(context, "--cache-from", "type=gha", "--cache-to", "type=gha,mode=max")
    assert "there is no GitHub cache here" in said
    assert "nothing was exported" in said


def test_the_commands_of_the_documentation(
    tmp_path: Path, context: Path, one: Runner, two: Runner, registry: WherryRegistry
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "wherry").write_text(f"#!/bin/sh\nexec {sys.executable} -c '{MAIN}' \"$@\"\n")
    (programs / "wherry").chmod(0o755)
    said = []
    for runner, block in zip((one, two, two), runnable(PROJECT / "docs" / "build-cache.md"), strict=True):
        env = {**runner.env, "PATH": f"{programs}:{runner.env['PATH']}", "WHERRY_ROOT": str(runner.root)}
        text = block.replace("localhost:5000", registry.host)
        done = subprocess.run(["bash", "-euc", text], cwd=context, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        said.append(done.stderr)
    assert [RAN in one for one in said] == [True, False, False]
    assert two.wherry("images", "-q", "api")


# -- the cache of an image --------------------------------------------------------------------------------------------


def test_an_image_carries_its_cache_and_stays_what_it_is(
    context: Path, one: Runner, two: Runner, registry: WherryRegistry
) -> None:
    one.build(context)
    plain = one.image
    name = f"{registry.host}/team/app:1"
    one.wherry("build", "-t", "app", "-t", name, "--build-arg", "BUILDKIT_INLINE_CACHE=1", str(context))
    assert one.image == plain
    one.wherry("push", name)
    (context / "main.py").write_text("print(2)\n")
    said = two.build(context, "--cache-from", name)
    assert RAN not in said
    assert two.sources() == {name}


def test_a_cache_that_nobody_named_is_never_used(
    context: Path, one: Runner, two: Runner, registry: WherryRegistry
) -> None:
    """The base image carries one with the very steps of the next build."""
    name = f"{registry.host}/team/base:1"
    one.wherry("build", "-t", name, "--cache-to", "type=inline", str(context))
    one.wherry("push", name)
    (context / "Dockerfile").write_text(f"FROM {name}\nRUN echo r$((1+1))an\n")
    said = two.build(context)
    assert RAN in said
    assert two.sources() == set()
    assert "/referrers/" not in registry.log()


@pytest.mark.requires("docker", "dockerd", "docker-registry")
def test_docker_runs_an_image_that_carries_a_cache(tmp_path: Path, context: Path, one: Runner) -> None:
    import tempfile

    from tests.registries.programs import Docker

    with DockerRegistry(tmp_path / "registry") as served, tempfile.TemporaryDirectory(prefix="ct-") as folder:
        name = f"{served.host}/team/app:1"
        one.wherry("build", "-t", name, "--cache-to", "type=inline", str(context))
        one.wherry("push", name)
        with Docker(Path(folder, "d"), served) as docker:
            docker.pull(name)
            docker.run_true(name)
            # And a cache that is named as docker's own would be does it no harm
            (tmp_path / "plain").mkdir()
            (tmp_path / "plain" / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
            docker.run("build", "-q", "--cache-from", name, str(tmp_path / "plain"))


# -- bad days ---------------------------------------------------------------------------------------------------------


def test_a_registry_that_is_away_costs_a_line(context: Path, one: Runner, registry: WherryRegistry) -> None:
    ref = f"{registry.host}/team/app:cache"
    registry.kill()
    said = one.build(context, "--cache-from", ref)
    assert f"failed to configure registry cache importer: {ref}" in said
    assert RAN in said
    said = one.build(context, "--cache-to", f"type=registry,ref={ref}", code=1)
    assert "error exporting cache to registry" in said
    assert one.image
    said = one.build(context, "--cache-to", f"type=registry,ref={ref},ignore-error=true")
    assert "(ignored: ignore-error=true)" in said
    registry.start()


def test_wrong_credentials_are_said(tmp_path: Path, context: Path, one: Runner) -> None:
    with WherryRegistry(tmp_path / "registry", users={"ann": "secret-word"}) as served:
        ref = f"{served.host}/team/app:cache"
        said = one.build(context, "--cache-from", ref)
        assert "failed to configure registry cache importer" in said
        assert "wherry login" in said
        assert "error exporting cache to registry" in one.build(context, "--cache-to", ref, code=1)
        login = ("login", "-u", "ann", "-p", "secret-word", served.host)
        one.wherry(*login)
        assert "writing cache manifest" in one.build(context, "--cache-to", ref)
        two = Runner(tmp_path / "two")
        two.wherry(*login)
        assert RAN not in two.build(context, "--cache-from", ref)


def test_an_export_that_was_killed_is_done_by_the_next_one(tmp_path: Path, context: Path, one: Runner) -> None:
    place = tmp_path / "cache"
    to = ("--cache-to", f"type=local,dest={place},mode=max")
    one.build(context, *to)
    began = time.monotonic()
    one.build(context, *to)
    whole_s = time.monotonic() - began
    for moment in range(6):
        (context / "needed.txt").write_text(f"{moment}\n")
        one.build(context)
        running = one.start(context, *to)
        time.sleep(whole_s * (moment + 1) / 7)
        running.send_signal(signal.SIGKILL)
        running.wait()
        # What is there is a whole cache, the old one or the new one
        subprocess.run(["tar", "-cf", "/dev/null", "-C", str(place), "."], check=True)
        index = json.loads((place / "index.json").read_text())
        manifest = json.loads((place / "blobs/sha256" / index["manifests"][0]["digest"][7:]).read_text())
        for blob in (manifest["config"], *manifest["layers"]):
            assert (place / "blobs/sha256" / blob["digest"][7:]).stat().st_size == blob["size"]
    for half in place.rglob("*.tmp"):
        os.utime(half, (0, 0))
    one.build(context, *to)
    assert not list(place.rglob("*.tmp"))
    assert RAN not in Runner(tmp_path / "two").build(context, "--cache-from", f"type=local,src={place}")
    assert one.is_tidy()


def test_an_import_that_was_killed_is_done_by_the_next_one(tmp_path: Path, context: Path, one: Runner) -> None:
    source = f"type=local,src={tmp_path}/cache"
    one.build(context, "--cache-to", f"type=local,dest={tmp_path}/cache,mode=max")
    two = Runner(tmp_path / "two")
    began = time.monotonic()
    two.build(context, "--cache-from", source)
    whole_s = time.monotonic() - began
    for moment in range(6):
        two.forget()
        running = two.start(context, "--cache-from", source)
        time.sleep(whole_s * (moment + 1) / 7)
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert RAN not in two.build(context, "--cache-from", source)
        assert two.image == one.image
    assert two.is_tidy()


def test_a_disk_that_is_full_is_said_and_the_cache_of_before_stays(tmp_path: Path, context: Path, one: Runner) -> None:
    place = tmp_path / "cache"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "wherry-test", str(place)], check=True)
    try:
        to = ("--cache-to", f"type=local,dest={place}")
        one.build(context, *to)
        before = (place / "index.json").read_bytes()
        (context / "needed.txt").write_text("other\n")
        said = one.build(context, *to, code=1)
        assert "error exporting cache to client directory" in said
        assert "No space left on device" in said
        assert (place / "index.json").read_bytes() == before
        assert not list(place.rglob("*.tmp"))
        assert RAN not in Runner(tmp_path / "two").build(
            _with(context, tmp_path, "needed\n"), "--cache-from", f"type=local,src={place}"
        )
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_ends_an_import_with_that_reason_and_leaves_nothing(tmp_path: Path, context: Path) -> None:
    dockerfile = DOCKERFILE.replace("head -c 300000", "head -c 12000000")
    (context / "Dockerfile").write_text(dockerfile)
    Runner(tmp_path / "one").build(context, "--cache-to", f"type=local,dest={tmp_path}/cache")
    place = tmp_path / "two"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=10m", "wherry-test", str(place)], check=True)
    try:
        two = Runner(place)
        said = two.build(context, "--cache-from", f"type=local,src={tmp_path}/cache", code=1)
        assert "there is no room for what the cache" in said
        assert "wherry: No space left on device: writing" in said
        assert two.image == ""
        assert two.is_tidy()
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_registry_that_dies_in_an_export_is_named_and_gets_the_rest_next_time(
    tmp_path: Path, context: Path, one: Runner, registry: WherryRegistry
) -> None:
    (context / "Dockerfile").write_text(DOCKERFILE.replace("head -c 300000", "head -c 40000000"))
    ref = f"{registry.host}/team/app:cache"
    running = one.start(context, "--cache-to", f"type=registry,ref={ref}")
    deadline = time.monotonic() + 60
    while "POST /v2/" not in registry.log() and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.002)
    registry.kill()
    assert running.wait() == 1
    registry.start()
    assert "writing cache manifest" in one.build(context, "--cache-to", f"type=registry,ref={ref}")
    assert RAN not in Runner(tmp_path / "two").build(context, "--cache-from", ref)
    assert one.is_tidy()


def test_an_export_to_a_registry_that_was_killed_leaves_the_cache_of_before(
    tmp_path: Path, context: Path, one: Runner, registry: WherryRegistry
) -> None:
    ref = f"{registry.host}/team/app:cache"
    to = ("--cache-to", f"type=registry,ref={ref},mode=max")
    one.build(context, *to)
    first = _with(context, tmp_path, "needed\n")
    began = time.monotonic()
    one.build(context, *to)
    whole_s = time.monotonic() - began
    for moment in range(4):
        (context / "needed.txt").write_text(f"{moment}\n")
        one.build(context)
        running = one.start(context, *to)
        time.sleep(whole_s * (moment + 1) / 5)
        running.send_signal(signal.SIGKILL)
        running.wait()
        two = Runner(tmp_path / f"two{moment}")
        # Either the old or the new: whichever it is, it is whole
        both = [RAN in two.build(place, "--cache-from", ref) for place in (first, context)]
        assert False in both
        first = first if not both[0] else context
        shutil.rmtree(two.folder)
        if first == context:
            first = tmp_path / f"again{moment}"
            shutil.copytree(context, first)
    one.build(context, *to)
    assert one.is_tidy()


def test_ctrl_c_ends_a_fetch_that_stands_still(tmp_path: Path, context: Path) -> None:
    with FakeGha() as gha:
        one, two = Runner(tmp_path / "one", **gha.env), Runner(tmp_path / "two", **gha.env)
        one.build(context, "--cache-to", "type=gha,mode=max")
        gha.stall = threading.Event()
        before = len(gha.asked)
        running = two.start(context, "--cache-from", "type=gha")
        large = max(gha.entries, key=lambda entry: len(entry.data)).number
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if any(path.startswith(f"/signed/{large}?") for _, path, _ in gha.asked[before:]):
                break
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
        assert two.is_tidy()
        gha.stall.set()
        gha.stall = None
        assert RAN not in two.build(context, "--cache-from", "type=gha")
        assert two.image == one.image


def test_two_builds_at_once_share_what_they_fetch(tmp_path: Path, context: Path, one: Runner, two: Runner) -> None:
    one.build(context, "--cache-to", f"type=local,dest={tmp_path}/cache,mode=max")
    both = [two.start(context, "--cache-from", f"type=local,src={tmp_path}/cache") for _ in range(2)]
    assert [running.wait() for running in both] == [0, 0]
    assert two.image == one.image
    assert two.is_tidy()


def test_two_exports_into_one_folder_both_stay(tmp_path: Path, context: Path, one: Runner, two: Runner) -> None:
    for runner in (one, two):
        runner.build(context)
    both = [
        runner.start(context, "--cache-to", f"type=local,dest={tmp_path}/cache,mode=max,tag={tag}")
        for runner, tag in ((one, "one"), (two, "two"))
    ]
    assert [running.wait() for running in both] == [0, 0]
    for tag in ("one", "two"):
        fresh = Runner(tmp_path / f"fresh-{tag}")
        assert RAN not in fresh.build(context, "--cache-from", f"type=local,src={tmp_path}/cache,tag={tag}")


def _with(context: Path, tmp_path: Path, needed: str) -> Path:
    shutil.copytree(context, tmp_path / "again")
    (tmp_path / "again" / "needed.txt").write_text(needed)
    return tmp_path / "again"


def test_a_layer_that_was_changed_in_the_folder_is_not_believed(tmp_path: Path, context: Path, one: Runner) -> None:
    place = tmp_path / "cache"
    one.build(context, "--cache-to", f"type=local,dest={place}")
    for path in (place / "blobs" / "sha256").iterdir():
        data = path.read_bytes()
        if len(data) > 100_000:
            path.write_bytes(data[:-10] + bytes(10))
    two = Runner(tmp_path / "two")
    said = two.build(context, "--cache-from", f"type=local,src={place}")
    assert "did not give what it has" in said
    assert RAN in said
    assert two.is_tidy()
