"""copy between files, beside skopeo, podman and umoci: each reads what we write, and we read what they write."""

# ruff: noqa: F811  # fixtures of the archives' tests

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from tests.integration.test_archives import Wherry as Call
from tests.integration.test_archives import image, rootfs, run, wherry  # noqa: F401  # fixtures
from tests.registries.programs import Podman

pytestmark = pytest.mark.requires("root", "busybox", "skopeo")
PLACES = {"oci": "oci:{}/oci:v1", "oci-archive": "oci-archive:{}/oa.tar:v1", "dir": "dir:{}/dir",
          "docker-archive": "docker-archive:{}/da.tar:lab/box:1"}  # fmt: skip


def digest_at(place: str) -> str:
    raw = subprocess.run(["skopeo", "inspect", "--raw", place], check=True, capture_output=True).stdout
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def config_at(place: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(run("skopeo", "inspect", "--config", place))
    return found


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("there", PLACES)
@pytest.mark.parametrize("here", PLACES)
def test_skopeo_reads_what_copy_makes_of_what_skopeo_wrote(
    wherry: Call,
    tmp_path: Path,
    here: str,
    there: str,
) -> None:
    wherry("save", "-o", str(tmp_path / "saved.tar"), "lab/box:1")
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    source, target = PLACES[here].format(tmp_path / "in"), PLACES[there].format(tmp_path / "out")
    run("skopeo", "copy", "-q", f"oci-archive:{tmp_path}/saved.tar", source)
    said = wherry("copy", "-q", source, target).strip()
    if there != "docker-archive":
        assert digest_at(target) == said
    if "docker-archive" not in (here, there):
        assert digest_at(target) == digest_at(source)
    assert config_at(target) == config_at(source)
    # All blobs, checked by skopeo
    run("skopeo", "copy", "-q", target, f"dir:{tmp_path}/checked")


@pytest.mark.requires("umoci")
def test_umoci_unpacks_a_layout_that_copy_wrote(wherry: Call, image: str, tmp_path: Path) -> None:
    wherry("copy", f"local:{image}", f"oci:{tmp_path}/layout:v1")
    run("umoci", "unpack", "--image", f"{tmp_path}/layout:v1", str(tmp_path / "bundle"))
    assert (tmp_path / "bundle" / "rootfs" / "etc" / "passwd").read_text() == "root:x:0:0::/:/bin/sh\n"
    run("umoci", "config", "--image", f"{tmp_path}/layout:v1", "--tag", "v2", "--config.env", "C=d")
    wherry("copy", f"oci:{tmp_path}/layout:v2", "local:lab/again:1")
    assert "C=d" in json.loads(wherry("image", "inspect", "lab/again:1"))[0]["Config"]["Env"]


@pytest.mark.requires("podman")
@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "docker-dir", "oci-dir"])
def test_podman_loads_what_we_write_and_we_load_what_it_writes(
    wherry: Call,
    image: str,
    tmp_path: Path,
    form: str,
) -> None:
    wherry("save", "-o", str(tmp_path / "saved.tar"), "lab/box:1")
    with Podman(tmp_path / "podman") as podman:
        podman.run("load", "-q", "-i", str(tmp_path / "saved.tar"))
        name = podman.run("images", "-q", "--no-trunc").split()[0]
        assert name == image
        podman.run("save", "-q", "--format", form, "-o", str(tmp_path / "out"), name)
    wherry("rmi", "lab/box:1")
    assert image in wherry("load", "-i", str(tmp_path / "out"))
    assert json.loads(wherry("image", "inspect", image))[0]["Config"]["Env"] == ["A=b"]
