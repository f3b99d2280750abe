"""Bundles carried into an empty root, read by other people's tools, and killed half-way."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs_text import PROJECT as PROJECT_FOLDER
from tests.docs_text import runnable
from tests.integration.container_lab import Wherry

pytestmark = pytest.mark.requires("root", "runc", "busybox")


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Wherry]:
    """An empty root: the machine behind the gap."""
    found = Wherry(tmp_path / "other")
    yield found
    found.remove_all()
    subprocess.run(["rm", "-rf", found.root, found.paths.run], check=True)


def weights(folder: Path, size: int) -> Path:
    folder.mkdir()
    (folder / "model.bin").write_bytes(os.urandom(size))
    return folder


def test_an_image_and_a_model_run_in_an_empty_root(wherry: Wherry, other: Wherry, tmp_path: Path) -> None:
    wherry("model", "pack", "-q", str(weights(tmp_path / "iris", 3_000_000)), "iris:1")
    (tmp_path / "note.txt").write_text("audited")
    wherry("image", "attach", "--artifact-type", "text/plain", str(tmp_path / "note.txt"), "busybox")
    made = wherry("bundle", "create", "-o", str(tmp_path / "b"), "--split", "2MB", "busybox", "iris:1").stdout.strip()
    said = other("bundle", "load", str(tmp_path / "b.001")).stdout
    assert said == "Loaded image: busybox:latest\nLoaded model: iris:1\n"
    mount = "type=image,source=iris:1,target=/m"
    assert other("run", "--rm", "--network", "none", "--mount", mount, "busybox", "ls", "/m").stdout == "model.bin\n"
    assert "note.txt" in other("image", "tree", "busybox").stdout
    shown = other("bundle", "inspect", "--verify", str(tmp_path / "b.001")).stdout
    assert made in shown
    assert "in 3 parts" in shown
    wherry("model", "rm", "iris:1")


def test_a_project_of_two_images_and_a_model_comes_up_in_an_empty_root(
    wherry: Wherry, other: Wherry, tmp_path: Path
) -> None:
    shop = tmp_path / "here" / "shop"
    (shop / "web").mkdir(parents=True)
    (shop / "compose.yaml").write_text(PROJECT)
    (shop / "parts.yaml").write_text('services: {base: {init: true, command: ["sleep", "100"], image: busybox}}\n')
    (shop / ".env").write_text("GREETING=hello\n")
    (shop / "api.env").write_text("COLOUR=blue\n")
    (shop / "web" / "index.html").write_text("it is here\n")
    (shop / "token").write_text("do not carry me")
    (shop / "Dockerfile").write_text("FROM busybox\nRUN echo built > /built\n")
    wherry("model", "pack", "-q", str(weights(tmp_path / "iris", 1000)), "iris:1")
    compose = ("compose", "-f", str(shop / "compose.yaml"))
    wherry(*compose, "build", "-q", timeout_s=180)
    done = wherry("bundle", "create", "-o", str(tmp_path / "b"), "-f", str(shop / "compose.yaml"))
    assert "secret token is not in the bundle" in done.stderr
    folder = tmp_path / "there" / "shop"
    said = other("bundle", "load", "--project", str(folder), str(tmp_path / "b"))
    assert f"Loaded project: shop (5 files in {folder})" in said.stdout
    assert sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()) == [
        ".env", "api.env", "compose.yaml", "parts.yaml", "web/index.html"
    ]  # fmt: skip
    (folder / "token").write_text("of this side")
    compose = ("compose", "-f", str(folder / "compose.yaml"))
    other(*compose, "up", "-d", "--pull", "never", "--no-build", timeout_s=60)
    ask = "cat /www/index.html /built; ls /m; echo $GREETING $COLOUR; cat /run/secrets/token"
    got = other(*compose, "exec", "-T", "api", "sh", "-c", ask).stdout
    assert got == "it is here\nbuilt\nmodel.bin\nhello blue\nof this side"
    assert other(*compose, "ps", "--services").stdout.split() == ["api", "web"]
    other(*compose, "down", "-t", "0")
    wherry("model", "rm", "iris:1")
    wherry("rmi", "shop-api")


PROJECT = """\
name: shop
services:
  web:
    extends: {file: parts.yaml, service: base}
  api:
    extends: {file: parts.yaml, service: base}
    build: .
    image: shop-api
    env_file: api.env
    environment: {GREETING: "${GREETING}"}
    secrets: [token]
    volumes:
      - ./web:/www:ro
      - {type: image, source: "iris:1", target: /m}
secrets:
  token: {file: ./token}
"""


@pytest.mark.requires("skopeo", "oras")
def test_skopeo_oras_and_sha256sum_read_a_bundle(wherry: Wherry, tmp_path: Path) -> None:
    wherry("bundle", "create", "-o", str(tmp_path / "b"), "--sbom", "spdx", "busybox")
    archive = f"oci-archive:{tmp_path}/b:busybox:latest"
    doc = json.loads(subprocess.run(["skopeo", "inspect", archive], capture_output=True, check=True).stdout)
    (ours,) = json.loads(wherry("bundle", "inspect", "-f", "json", str(tmp_path / "b")).stdout)["Images"]
    assert doc["Digest"] == ours["Digest"]
    folder = tmp_path / "layout"
    folder.mkdir()
    script = f"tar xf ../b && sha256sum --quiet -c bundle.json.sha256 && oras discover --oci-layout .@{doc['Digest']}"
    done = subprocess.run(["sh", "-ec", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "application/spdx+json" in done.stdout


def test_a_load_that_was_killed_goes_on(wherry: Wherry, other: Wherry, tmp_path: Path) -> None:
    wherry("model", "pack", "-q", str(weights(tmp_path / "big", 60_000_000)), "big:1")
    wherry("bundle", "create", "-q", "-o", str(tmp_path / "b"), "busybox", "big:1")
    process = other.spawn("bundle", "load", str(tmp_path / "b"))
    deadline = time.monotonic() + 30
    # The model's blob comes last: by then the image's layer is there, and no name
    while not list(other.root.glob("tmp/blob.*")) and process.poll() is None and time.monotonic() < deadline:
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    other("bundle", "load", "-q", str(tmp_path / "b"))
    assert other("run", "--rm", "--network", "none", "busybox", "echo", "hi").stdout == "hi\n"
    assert other("model", "ls", "--format", "{{.Repository}}").stdout == "big\n"
    assert not list(other.root.glob("tmp/blob.*"))
    wherry("model", "rm", "big:1")


def test_what_a_killed_create_left_goes_with_the_next_one(wherry: Wherry, tmp_path: Path) -> None:
    wherry("model", "pack", "-q", str(weights(tmp_path / "big", 30_000_000)), "big:1")
    process = wherry.spawn("bundle", "create", "-o", str(tmp_path / "b"), "--split", "1MB", "big:1")
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob(".b.*")) and process.poll() is None and time.monotonic() < deadline:
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wherry("bundle", "create", "-q", "-o", str(tmp_path / "b"), "--split", "1MB", "big:1")
    assert not list(tmp_path.glob(".b.*"))
    wherry("model", "rm", "big:1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "-o", "b", "-f", "/nowhere.yaml"), "open /nowhere.yaml: no such file"),
        (("create", "--split", "4GB", "busybox"), "--split needs -o FILE"),
        (("create", "-o", "b", "--split", "10", "busybox"), "too small"),
        (("create", "-o", "b", "--split", "much", "busybox"), "invalid size: 'much'"),
        (("create", "-o", "b", "--since", "/nowhere", "busybox"), "cannot open /nowhere: No such file"),
        (("create", "-o", "b", "--since", "/etc/passwd", "busybox"), "this is no bundle"),
        (("create", "-o", "b", "--sbom", "x", "busybox"), "unknown SBOM format 'x'"),
        (("create", "-o", "/nowhere/b", "busybox"), "cannot save to /nowhere/b: No such file"),
        (("create", "-o", "/nowhere/b", "--split", "1GB", "busybox"), "cannot save to /nowhere/b: No such file"),
        (("create", "-o", "b", "none"), "No such image: none:latest"),
        (("load", "/nowhere"), "cannot open /nowhere: No such file"),
        (("load", "/etc"), "/etc is not a file"),
        (("load", "/dev/null"), "/dev/null is not a file"),
        (("load", "-"), "this is no bundle"),
        (("inspect", "/etc/passwd", "/etc/hosts"), "/etc/passwd is no part of a split bundle"),
    ],
)
def test_what_can_not_be_done_is_one_clear_error(
    wherry: Wherry, make_root: Callable[[], Wherry], words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    words = tuple(str(tmp_path / "b") if word == "b" else word for word in words)
    done = wherry("bundle", *words, code=None)
    assert done.returncode in (1, 2, 125)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert not list(tmp_path.iterdir())


@pytest.mark.requires("skopeo", "oras")
def test_the_page_works_from_its_first_command_to_its_last(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    script = f'#!/bin/sh\nexec {shlex.join(wherry.argv())} "$@"\n'
    (tmp_path / "bin" / "wherry").write_text(script)
    (tmp_path / "bin" / "wherry").chmod(0o755)
    wherry("model", "pack", "-q", str(weights(tmp_path / "iris", 1000)), "iris:1")
    (tmp_path / "compose.yaml").write_text("name: shop\nservices: {api: {image: busybox}}\n")
    page = "\n".join(runnable(PROJECT_FOLDER / "docs" / "bundle.md"))
    done = subprocess.run(
        ["bash", "-euxc", page], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Loaded project: shop (1 file in " in done.stdout
    assert "shop.bundle.001: OK" in done.stdout
    assert "are left out, which earlier bundles have" in done.stderr
    assert (tmp_path / "shop" / "compose.yaml").exists()
    wherry("model", "rm", "iris:1")
