"""Runs through real registries, with a referrers API and without, beside the image that they ran in; and bad days."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.registries.real import DockerRegistry, Served, WherryRegistry

pytestmark = pytest.mark.requires("root", "docker-registry")

MAIN = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
ENV = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "WHERRY_"))}
TRAIN = """\
import os, sys
import wherry.track as track
with track.run("iris", params={"lr": 0.1}) as run:
    for step in range(100):
        run.log(loss=1 / (step + 1))
    with open("weights.bin", "wb") as file:
        file.write(os.urandom(int(sys.argv[1])))
    run.artifact("weights.bin", "out/weights.bin")
    print(run.id)
"""


class Lab(NamedTuple):
    folder: Path
    registry: Served

    def argv(self, *argv: str, root: str = "root") -> list[str]:
        return [sys.executable, "-c", MAIN, "--root", f"{self.folder}/{root}", *argv]

    @property
    def env(self) -> dict[str, str]:
        return {**ENV, "HOME": str(self.folder), "DOCKER_CONFIG": str(self.folder / "config"), "WHERRY_TRACK_GIT": "0"}

    def wherry(self, *argv: str, root: str = "root", code: int = 0) -> str:
        done = subprocess.run(
            self.argv(*argv, root=root), capture_output=True, text=True, check=False, env=self.env, cwd=self.folder
        )
        assert done.returncode == code, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def train(self, size: int = 100_000) -> str:
        """The run's id."""
        env = self.env | {"WHERRY_RUNS": f"{self.folder}/root/runs"}
        done = subprocess.run([sys.executable, "-c", TRAIN, str(size)], capture_output=True, text=True, check=True,
                              env=env, cwd=self.folder)  # fmt: skip
        return done.stdout.strip()

    def image(self, name: str) -> str:
        """An image in the store and the registry; its id."""
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("hello"))
        (self.folder / "image.tar").write_bytes(data.getvalue())
        id = self.wherry("import", "image.tar", name).split()[-1]
        self.wherry("push", "-q", name)
        return id

    def ran_in(self, id: str, image: dict[str, str]) -> None:
        """As `wherry run --track` notes it."""
        with open(self.folder / "root" / "runs" / id / "events.jsonl", "a") as file:
            file.write(json.dumps({"type": "image", "value": image}) + "\n")

    def show(self, id: str, root: str = "root") -> object:
        return json.loads(self.wherry("runs", "inspect", id, root=root))

    @property
    def name(self) -> str:
        return f"{self.registry.host}/iris/train"


@pytest.fixture(params=[DockerRegistry, WherryRegistry])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    with request.param(tmp_path / "registry") as registry:
        yield Lab(tmp_path, registry)


@pytest.fixture
def docker_lab(tmp_path: Path) -> Iterator[Lab]:
    with DockerRegistry(tmp_path / "registry") as registry:
        yield Lab(tmp_path, registry)


def test_a_run_is_found_by_its_image_and_pulled_elsewhere(lab: Lab) -> None:
    image, run = lab.image(f"{lab.name}:1"), lab.train()
    said = lab.wherry("runs", "pull", "--referrers", f"{lab.name}:1", root="other", code=1)
    assert f"no training run refers to {lab.name}:1" in said
    lab.ran_in(run, {"name": f"{lab.name}:1", "id": image})
    said = lab.wherry("runs", "push", run)
    assert f"Refers to {lab.name}@sha256:" in said
    digest = said.split("digest: ")[1].split()[0]
    tree = lab.wherry("image", "tree", "--remote", "--no-trunc", f"{lab.name}:1")
    (line,) = [line for line in tree.splitlines() if "application/vnd.wherry.run.v1+json" in line]
    assert digest in line
    assert lab.wherry("runs", "inspect", "--format", "{{.name}}", run).strip() in line
    again = lab.wherry("runs", "push", "-q", run)
    assert again.split() == [digest]
    pulled = lab.wherry("runs", "pull", f"{lab.name}@{digest}", root="other")
    assert "Status: Downloaded run" in pulled
    assert lab.show(run, "other") == lab.show(run)
    assert lab.wherry("runs", "pull", "-q", "--referrers", f"{lab.name}:1", root="third").split() == [run]
    assert "Run is up to date" in lab.wherry("runs", "pull", f"{lab.name}@{digest}", root="other")
    assert run[:12] in lab.wherry("runs", "ls", root="other")


def test_a_run_without_its_image_has_a_tag_and_is_kept(docker_lab: Lab) -> None:
    lab = docker_lab
    run = lab.train()
    assert "it is not known which registry" in lab.wherry("runs", "push", run, code=1)
    lab.ran_in(run, {"name": "iris:dev", "id": "sha256:" + "1" * 64})
    said = lab.wherry("runs", "push", run, lab.name)
    assert f"{run[:12]}: digest: sha256:" in said
    assert f"WARNING: its image iris:dev is not in {lab.name}: the run does not refer to it" in said
    assert lab.wherry("runs", "pull", "-q", f"{lab.name}:{run[:12]}", root="other").split() == [run]
    df = lab.wherry("system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}} {{.Reclaimable}}", root="other")
    assert "Training Runs 1 0 0B (0%)" in df
    lab.wherry("system", "prune", "-af", root="other")
    assert lab.show(run, "other") == lab.show(run)


def test_a_copy_of_the_image_takes_the_run_along(docker_lab: Lab) -> None:
    lab = docker_lab
    image, run = lab.image(f"{lab.name}:1"), lab.train()
    lab.ran_in(run, {"name": f"{lab.name}:1", "id": image})
    digest = lab.wherry("runs", "push", "-q", run).strip()
    with WherryRegistry(lab.folder / "second") as second:
        copy = f"{second.host}/copies/train"
        lab.wherry("copy", "--referrers", f"docker://{lab.name}:1", f"docker://{copy}:1")
        lab.wherry("runs", "pull", f"{copy}@{digest}", root="other")
        assert lab.show(run, "other") == lab.show(run)
        second.kill()
        lab.wherry("registry", "gc", "--untagged", "--grace", "0", f"{second.folder}/data")
        second.start()
        lab.wherry("runs", "rm", run, root="other")
        lab.wherry("runs", "pull", f"{copy}@{digest}", root="other")
        assert lab.show(run, "other") == lab.show(run)


@pytest.mark.requires("oras")
def test_oras_writes_its_files(docker_lab: Lab) -> None:
    run = docker_lab.train()
    docker_lab.wherry("runs", "push", run, f"{docker_lab.name}:1")
    (docker_lab.folder / "got").mkdir()
    subprocess.run(["oras", "pull", "--plain-http", f"{docker_lab.name}:1"], cwd=docker_lab.folder / "got", check=True,
                   capture_output=True, env=docker_lab.env)  # fmt: skip
    got = docker_lab.folder / "got"
    assert (got / "out" / "weights.bin").read_bytes() == (docker_lab.folder / "weights.bin").read_bytes()
    assert (got / "metrics.tar.zst").stat().st_size > 0


def test_killed_on_the_way_it_goes_on(docker_lab: Lab) -> None:
    lab = docker_lab
    run = lab.train(80_000_000)
    uploads = lab.registry.folder / "data"
    _kill(lab, ("runs", "push", run, f"{lab.name}:1"), lambda: any(_sizes(uploads)))
    lab.wherry("runs", "push", run, f"{lab.name}:1")
    home = lab.folder / "other" / "runs"
    hex = sha256((lab.folder / "weights.bin").read_bytes()).hexdigest()
    part = home / ".partial" / run / "artifacts" / "sha256" / f".{hex}.part"
    _kill(
        lab, ("runs", "pull", f"{lab.name}:1"), lambda: part.exists() and part.stat().st_size > 1_000_000, root="other"
    )
    before, left = len(lab.registry.log()), part.exists()
    if left:
        assert lab.wherry("runs", "ls", "-q", root="other") == ""
    lab.wherry("runs", "pull", f"{lab.name}:1", root="other")
    assert lab.show(run, "other") == lab.show(run)
    assert (home / run / "artifacts" / "sha256" / hex).read_bytes() == (lab.folder / "weights.bin").read_bytes()
    fetched = [
        line for line in lab.registry.log()[before:].splitlines() if f"GET /v2/iris/train/blobs/sha256:{hex}" in line
    ]
    if left:
        assert fetched
        assert all('" 206 ' in line for line in fetched), fetched
    assert sorted(os.listdir(home)) == [".partial", run]
    assert os.listdir(home / ".partial") == []


def _sizes(folder: Path) -> Iterator[bool]:
    yield from (path.stat().st_size > 1_000_000 for path in folder.rglob("data") if path.is_file())


def _kill(lab: Lab, argv: tuple[str, ...], when: Callable[[], bool], root: str = "root") -> None:
    process = subprocess.Popen(
        lab.argv(*argv, root=root), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=lab.env
    )
    deadline = time.monotonic() + 30
    while process.poll() is None and not when() and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
