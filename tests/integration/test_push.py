"""push against docker-registry: what is sent, what is not, and what holds after a bad day."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.registries.programs import Docker, Podman, Skopeo
from tests.registries.real import DockerRegistry

pytestmark = pytest.mark.requires("root", "docker-registry", "skopeo")

MAIN = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
ENV = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "WHERRY_"))}


class Lab(NamedTuple):
    root: Path
    registry: DockerRegistry
    folder: Path

    def argv(self, *argv: str) -> list[str]:
        return [sys.executable, "-c", MAIN, "--root", str(self.root), *argv]

    def wherry(self, *argv: str, code: int = 0) -> str:
        done = subprocess.run(self.argv(*argv), capture_output=True, text=True, check=False, env=self.env)
        assert done.returncode == code, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def start(self, *argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.argv(*argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.env
        )

    @property
    def env(self) -> dict[str, str]:
        return {**ENV, "HOME": str(self.folder), "DOCKER_CONFIG": str(self.folder / "config")}

    def image(self, name: str, *contents: bytes) -> str:
        """An image with a layer for each of `contents`; its whole name."""
        context = self.folder / "context"
        context.mkdir(exist_ok=True)
        lines = ["FROM scratch"]
        for number, content in enumerate(contents):
            (context / f"file{number}").write_bytes(content)
            lines.append(f"COPY file{number} /file{number}")
        (context / "Dockerfile").write_text("\n".join(lines) + "\n")
        whole = f"{self.registry.host}/{name}"
        self.wherry("build", "-q", "-t", whole, str(context))
        return whole

    def verify(self, name: str, to: str = "check") -> dict[str, object]:
        """skopeo fetches everything and checks each digest; the manifest."""
        place = self.folder / to
        subprocess.run(["rm", "-rf", str(place)], check=True)
        subprocess.run(
            ["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{name}", f"dir:{place}"], check=True
        )
        found: dict[str, object] = json.loads((place / "manifest.json").read_text())
        return found

    def uploads(self) -> int:
        return self.registry.log().count('"POST /v2/')


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with DockerRegistry(tmp_path / "registry") as registry:
        yield Lab(tmp_path / "root", registry, tmp_path)


def text(size: int) -> bytes:
    rng = random.Random(size)
    words = [b"%x" % rng.getrandbits(24) for _ in range(5000)]
    return b" ".join(rng.choice(words) for _ in range(size // 6))


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def test_a_second_push_sends_no_blob(lab: Lab) -> None:
    name = lab.image("shop/api:1", text(3_000_000), noise(2_000_000), b"small")
    first = lab.wherry("push", name)
    assert first.count(": Pushed") == 3
    manifest = lab.verify(name)
    kinds = [layer["mediaType"].rpartition(".")[2] for layer in manifest["layers"]]  # type: ignore[attr-defined]
    assert kinds == ["tar+gzip", "tar", "tar+gzip"]
    before = lab.uploads()
    assert before == 4
    second = lab.wherry("push", name)
    assert second.count("Layer already exists") == 3
    assert second.splitlines()[-1] == first.splitlines()[-1]
    assert lab.uploads() == before


def test_an_edit_sends_its_layer_alone(lab: Lab) -> None:
    name = lab.image("shop/api:1", text(1_000_000), b"print(1)")
    lab.wherry("push", name)
    before = lab.uploads()
    lab.image("shop/api:1", text(1_000_000), b"print(2)")
    assert lab.wherry("push", name).count("Layer already exists") == 1
    assert lab.uploads() - before == 2


def test_another_repository_of_the_registry_gets_mounts(lab: Lab) -> None:
    name = lab.image("shop/api:1", text(1_000_000), b"small")
    lab.wherry("push", name)
    other = f"{lab.registry.host}/other/api:1"
    lab.wherry("tag", name, other)
    assert lab.wherry("push", other).count("Mounted from shop/api") == 2
    lab.verify(other)


def test_another_registry_gets_the_same_digest(lab: Lab, tmp_path: Path) -> None:
    name = lab.image("shop/api:1", text(2_000_000), noise(1_500_000))
    first = lab.wherry("push", name).splitlines()[-1]
    with DockerRegistry(tmp_path / "second") as second:
        there = f"{second.host}/x/api:1"
        lab.wherry("tag", name, there)
        assert lab.wherry("push", there).splitlines()[-1] == first
        lab.verify(there)
        lab.wherry("copy", f"docker://{name}", f"docker://{second.host}/y/api:1")
        lab.verify(f"{second.host}/y/api:1")


def test_a_push_that_was_killed_is_finished_by_the_next_one(lab: Lab) -> None:
    layers = [text(4_000_000), noise(3_000_000), noise(3_000_000, seed=2)]
    name = lab.image("shop/api:1", *layers)
    start = time.monotonic()
    lab.wherry("push", "-q", name)
    whole_s = time.monotonic() - start
    forget = "DELETE FROM layer_form; DELETE FROM known_blob"
    for moment in range(20):
        # Another repository each time: everything is to be sent again, and compressed again
        again = f"{lab.registry.host}/killed/n{moment}:1"
        lab.wherry("tag", name, again)
        _sql(lab.root, forget)
        running = lab.start("push", again)
        time.sleep(whole_s * moment / 20)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        lab.wherry("push", again)
        lab.verify(again)
        assert os.listdir(lab.root / "tmp") == []


def _sql(root: Path, text: str) -> None:
    import sqlite3

    connection = sqlite3.connect(root / "state.db")
    connection.executescript(text)
    connection.close()


def test_two_pushes_at_once_both_come_to_an_end(lab: Lab) -> None:
    name = lab.image("shop/api:1", text(3_000_000), noise(3_000_000))
    both = [lab.start("push", name) for _ in range(2)]
    ends = [one.communicate()[0].splitlines()[-1] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert ends[0] == ends[1]
    lab.verify(name)


def test_a_registry_that_comes_back_gets_the_rest(lab: Lab) -> None:
    name = lab.image("shop/api:1", *(noise(6_000_000, seed) for seed in range(4)))
    running = lab.start("push", name)
    deadline = time.monotonic() + 30
    while not lab.uploads() and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.005)
    lab.registry.kill()
    lab.registry.start()
    out, _ = running.communicate()
    assert running.returncode == 0, out
    lab.verify(name)


def test_a_registry_that_stays_away_is_named(lab: Lab) -> None:
    name = lab.image("shop/api:1", b"small")
    lab.registry.kill()
    out = lab.wherry("push", name, code=1)
    assert lab.registry.host in out
    lab.registry.start()


@pytest.mark.requires("mkfs.ext4")
def test_scratch_that_is_full_costs_time_only(lab: Lab) -> None:
    name = lab.image("shop/api:1", text(6_000_000), text(5_000_000))
    scratch = lab.root / "tmp"
    scratch.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "wherry-test", str(scratch)], check=True)
    try:
        lab.wherry("push", name)
        assert os.listdir(scratch) == []
    finally:
        subprocess.run(["umount", str(scratch)], check=True)
    lab.verify(name)


@pytest.mark.requires("docker", "dockerd", "podman")
def test_layers_of_each_kind_are_read_by_the_others(lab: Lab) -> None:
    """A tar as it is (what does not shrink), gzip and zstd: docker, podman and skopeo take them all."""
    names = []
    for kind in ("gzip", "zstd", "none", ""):
        name = lab.image(f"kinds/{kind or 'chosen'}:1", text(2_000_000), noise(1_500_000))
        lab.wherry("push", "--compression", kind, name)
        lab.verify(name)
        names.append(name)
    for program in (Docker, Podman, Skopeo):
        # A short name: the paths of containerd's sockets must fit in 107 bytes
        with (
            tempfile.TemporaryDirectory(prefix="push-", ignore_cleanup_errors=True) as folder,
            program(Path(folder, "p"), lab.registry) as other,
        ):
            for name in names:
                if isinstance(other, Skopeo):
                    other.copy(f"docker://{name}", f"oci:{lab.folder}/{program.__name__}:1")
                else:
                    assert isinstance(other, Docker | Podman)
                    other.pull(name)
