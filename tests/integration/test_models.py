"""Models through registries, beside Debian's oras and docker-registry; and on bad days."""

from __future__ import annotations

import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.container_lab import Wherry
from tests.integration.pull_lab import BadRegistry, Image
from tests.registries.real import DockerRegistry
from wherry.fs.lock import locked

pytestmark = pytest.mark.requires("root", "docker-registry")

MAIN = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
ENV = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "WHERRY_"))}


def safetensors(size: int, seed: int = 1) -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size // 4 * 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + random.Random(seed).randbytes(size // 4 * 4)


class Lab(NamedTuple):
    root: Path
    registry: DockerRegistry
    folder: Path

    def argv(self, *argv: str) -> list[str]:
        return [sys.executable, "-c", MAIN, "--root", str(self.root), *argv]

    @property
    def env(self) -> dict[str, str]:
        return {**ENV, "HOME": str(self.folder), "DOCKER_CONFIG": str(self.folder / "config")}

    def wherry(self, *argv: str, code: int = 0) -> str:
        done = subprocess.run(self.argv(*argv), capture_output=True, text=True, check=False, env=self.env)
        assert done.returncode == code, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def oras(self, *argv: str, cwd: Path) -> str:
        done = subprocess.run(["oras", *argv], cwd=cwd, capture_output=True, text=True, check=False, env=self.env)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def model(self, size: int = 400_000) -> Path:
        folder = self.folder / "iris"
        (folder / "sub").mkdir(parents=True, exist_ok=True)
        (folder / ".git").mkdir(exist_ok=True)
        (folder / ".git" / "config").write_text("no part of the model")
        (folder / "model.safetensors").write_bytes(safetensors(size))
        (folder / "config.json").write_text('{"model_type": "bert"}')
        (folder / "sub" / "run.sh").write_text("echo run")
        (folder / "sub" / "run.sh").chmod(0o755)
        return folder

    def name(self, tag: str = "1") -> str:
        return f"{self.registry.host}/models/iris:{tag}"

    def uploads(self) -> int:
        return self.registry.log().count('"PUT /v2/models/iris/blobs')


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with DockerRegistry(tmp_path / "registry") as registry:
        yield Lab(tmp_path / "root", registry, tmp_path)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.parts
    }


@pytest.mark.requires("oras")
def test_oras_pulls_what_was_pushed(lab: Lab) -> None:
    folder = lab.model()
    lab.wherry("model", "push", str(folder), lab.name())
    (lab.folder / "got").mkdir()
    lab.oras("pull", "--plain-http", lab.name(), cwd=lab.folder / "got")
    assert files(lab.folder / "got") == files(folder)


@pytest.mark.requires("oras")
def test_what_oras_pushed_is_pulled(lab: Lab) -> None:
    folder = lab.model()
    lab.oras("push", "--plain-http", lab.name(), "model.safetensors", "config.json:application/json", "sub", cwd=folder)
    lab.wherry("model", "pull", "-o", str(lab.folder / "got"), lab.name())
    assert files(lab.folder / "got") == files(folder)


def test_push_pull_list_inspect_and_remove(lab: Lab) -> None:
    folder = lab.model()
    said = lab.wherry("model", "push", "--license", "MIT", "--version", "2", str(folder), lab.name())
    digest = said.split("digest: ")[1].split()[0]
    assert lab.wherry("model", "pull", "-q", "-o", str(lab.folder / "got"), lab.name()).strip() == lab.name()
    assert files(lab.folder / "got") == files(folder)
    assert (lab.folder / "got" / "sub" / "run.sh").stat().st_mode & 0o777 == 0o755
    rows = lab.wherry("model", "ls", "--format", "{{.Repository}} {{.Tag}} {{.Digest}} {{.Format}} {{.Parameters}}")
    assert rows.split() == [lab.name()[:-2], "1", digest, "safetensors", "100K"]
    (shown,) = json.loads(lab.wherry("model", "inspect", lab.name()))
    assert (shown["Licenses"], shown["Version"], shown["Family"], shown["Tensors"]) == (["MIT"], "2", "bert", 1)
    assert [one["Path"] for one in shown["Files"]] == ["model.safetensors", "config.json", "sub/run.sh"]
    assert "Image is up to date" not in lab.wherry("model", "pull", lab.name())
    lab.wherry("model", "tag", lab.name(), "iris:copy")
    assert lab.wherry("model", "rm", "iris:copy") == "Untagged: iris:copy\n"
    assert f"Deleted: {digest}" in lab.wherry("model", "rm", lab.name())
    assert lab.wherry("model", "ls", "-q") == ""
    assert not [path for path in (lab.root / "blobs").rglob("*") if path.is_file()]
    assert "No such model" in lab.wherry("model", "rm", lab.name(), code=1)


def test_a_packed_model_is_pushed_with_its_digest_and_no_file_is_sent_twice(lab: Lab) -> None:
    folder = lab.model()
    digest = lab.wherry("model", "pack", "-q", str(folder), "iris:1").split()[-1]
    assert lab.wherry("model", "push", "-q", str(folder), lab.name()).split() == [digest]
    before = lab.uploads()
    lab.wherry("model", "tag", "iris:1", lab.name("again"))
    assert f"digest: {digest}" in lab.wherry("model", "push", lab.name("again"))
    (folder / "config.json").write_text('{"model_type": "llama"}')
    lab.wherry("model", "push", str(folder), lab.name("2"))
    assert lab.uploads() - before == 2  # config.json, and the config document


def test_a_large_file_is_sent_while_it_is_hashed_and_only_once(lab: Lab) -> None:
    folder = lab.model(20_000_000)
    first = lab.wherry("model", "push", str(folder), lab.name())
    assert "model.safetensors: Pushed" in first
    assert '"PATCH /v2/models/iris/blobs' in lab.registry.log()
    # A copy, of which no digest is remembered
    copy = lab.folder / "copy" / "iris"
    copy.parent.mkdir()
    subprocess.run(["cp", "-r", str(folder), str(copy)], check=True)
    again = lab.wherry("model", "push", str(copy), lab.name("2"))
    assert "model.safetensors: Already exists" in again
    assert again.split("digest: ")[1] == first.split("digest: ")[1]
    lab.wherry("model", "pull", "-o", str(lab.folder / "got"), lab.name("2"))
    assert files(lab.folder / "got") == files(folder)


def test_what_the_user_writes_later_does_not_reach_the_store(lab: Lab) -> None:
    folder = lab.model()
    lab.wherry("model", "pack", "-q", str(folder), "iris:1")
    packed = files(folder)
    with open(folder / "model.safetensors", "r+b") as file:
        file.seek(200)
        file.write(b"other")
    lab.wherry("model", "push", "-q", lab.name(), code=1)
    lab.wherry("model", "tag", "iris:1", lab.name())
    lab.wherry("model", "push", "-q", lab.name())
    lab.wherry("model", "pull", "-o", str(lab.folder / "got"), lab.name())
    assert files(lab.folder / "got") == packed


def test_files_of_the_user_are_not_written_over(lab: Lab) -> None:
    folder = lab.model()
    lab.wherry("model", "push", str(folder), lab.name())
    (folder / "config.json").write_text("mine")
    before = files(folder)
    said = lab.wherry("model", "pull", "-o", str(folder), lab.name(), code=1)
    assert "config.json is there with other content" in said
    assert files(folder) == before
    lab.wherry("model", "pull", "--force", "-o", str(folder), lab.name())
    assert (folder / "config.json").read_text() == '{"model_type": "bert"}'


def test_a_pull_that_was_killed_goes_on_where_it_was(lab: Lab) -> None:
    folder = lab.model(80_000_000)
    lab.wherry("model", "push", str(folder), lab.name())
    process = subprocess.Popen(
        lab.argv("model", "pull", lab.name()), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=lab.env
    )
    partial = lab.root / "models" / "partial" / sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    deadline = time.monotonic() + 30
    while not (partial.exists() and partial.stat().st_size > 1_000_000) and time.monotonic() < deadline:
        if process.poll() is not None:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert lab.wherry("model", "ls", "-q") == ""
    left = partial.stat().st_size if partial.exists() else 0
    before = lab.registry.log()
    lab.wherry("model", "pull", "-o", str(lab.folder / "got"), lab.name())
    assert files(lab.folder / "got") == files(folder)
    fetched = [
        line
        for line in lab.registry.log()[len(before) :].splitlines()
        if f"GET /v2/models/iris/blobs/sha256:{partial.name}" in line
    ]
    if left:
        assert all('" 206 ' in line for line in fetched if "GET" in line), fetched
    assert not list((lab.root / "models" / "partial").iterdir())


def test_what_a_model_cannot_hold_is_said_and_never_left_out_in_silence(lab: Lab) -> None:
    folder = lab.model()
    (folder / "more").symlink_to("sub", target_is_directory=True)
    assert "more is a link to a folder" in lab.wherry("model", "pack", str(folder), "iris:1", code=1)
    (folder / "more").unlink()
    os.mkfifo(folder / "pipe")
    assert "pipe is not a file" in lab.wherry("model", "pack", str(folder), "iris:1", code=1)
    assert lab.wherry("model", "ls", "-q") == ""


def test_the_lock_of_a_pull_that_was_killed_at_its_very_end_goes(lab: Lab) -> None:
    folder = lab.model()
    lab.wherry("model", "push", str(folder), lab.name())
    lab.wherry("model", "pull", lab.name())
    partial = lab.root / "models" / "partial"
    (partial / f"{sha256((folder / 'config.json').read_bytes()).hexdigest()}.lock").touch()
    lab.wherry("model", "pull", lab.name())
    assert not list(partial.iterdir())


def test_what_a_broken_pull_left_goes_with_system_prune_unless_somebody_is_at_it(lab: Lab) -> None:
    partial = lab.root / "models" / "partial"
    lab.wherry("model", "ls")
    partial.mkdir(parents=True)
    for name in ("a" * 64, "b" * 64):
        (partial / name).write_bytes(b"x" * 5000)
        (partial / f"{name}.lock").touch()
    with locked(str(partial / f"{'b' * 64}.lock")):
        said = lab.wherry("system", "prune", "-f")
    assert "Total reclaimed space: 5kB" in said
    assert sorted(path.name for path in partial.iterdir()) == ["b" * 64, f"{'b' * 64}.lock"]


def test_wrong_bytes_leave_nothing(lab: Lab) -> None:
    image = Image(b"x" * 50_000)
    manifest = json.loads(image.manifest)
    manifest["config"]["mediaType"] = "application/vnd.cncf.model.config.v1+json"
    manifest["layers"][0] |= {
        "mediaType": "application/vnd.cncf.model.weight.v1.raw",
        "annotations": {"org.cncf.model.filepath": "w"},
    }
    image.manifest = json.dumps(manifest).encode()
    registry = BadRegistry(image)
    try:
        registry.ways[manifest["layers"][0]["digest"]] = "other"
        lab.wherry("model", "pull", f"{registry.host}/app:1", code=1)
        assert lab.wherry("model", "ls", "-q") == ""
        assert not any(path.stat().st_size for path in (lab.root / "models" / "partial").iterdir())
    finally:
        registry.close()


def test_an_image_is_no_model(lab: Lab) -> None:
    context = lab.folder / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    lab.wherry("build", "-q", "-t", lab.name(), str(context))
    lab.wherry("push", lab.name())
    said = lab.wherry("model", "pull", lab.name(), code=1)
    assert "is a container image, not a model" in said


def test_a_pickle_is_warned_of(lab: Lab) -> None:
    (lab.folder / "m.pkl").write_bytes(b"\x80\x04\x95.")
    assert "m.pkl is a pickle" in lab.wherry("model", "pack", str(lab.folder / "m.pkl"), "m:1")


@pytest.mark.requires("runc", "busybox", "nft")
def test_a_container_mounts_a_model_and_can_not_write_to_it(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "model.gguf").write_text("weights")
    (tmp_path / "sub" / "a").write_text("deep")
    (tmp_path / "model.gguf").write_bytes(b"weights")
    wherry("model", "pack", "-q", str(tmp_path), "mounted:1")
    mount = ("--mount", "type=image,source=mounted:1,target=/models")
    script = "cat /models/model.gguf /models/sub/a; touch /models/x 2>/dev/null || echo read-only"
    assert (
        wherry("run", "--rm", "--user", "1000", *mount, "busybox", "sh", "-c", script).stdout
        == "weightsdeepread-only\n"
    )
    below = ("--mount", "type=image,source=mounted:1,image-subpath=sub,target=/models")
    assert wherry("run", "--rm", *below, "busybox", "cat", "/models/a").stdout == "deep"
    wherry("create", "--name", "holder", *mount, "busybox", "true")
    assert "is mounted by" in wherry("model", "rm", "mounted:1", code=1).stderr
    wherry("rm", "holder")
    wherry("model", "rm", "mounted:1")
    assert not [one for one in (wherry.root / "models").iterdir() if len(one.name) == 64]
