"""Where a build's result goes: folders, tars, archives, registries, and what stays in the store."""

from __future__ import annotations

import json
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry
from tests.registries.real import WherryRegistry

pytestmark = pytest.mark.requires("root", "busybox", "runc")

DOCKERFILE = """\
FROM busybox AS base
RUN mkdir /o && echo built > /o/made && chmod 4755 /o/made && ln -s made /o/link
FROM scratch
COPY --from=base /o /out/
LABEL a=b
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    return folder


def images(wherry: Wherry) -> list[str]:
    return sorted(wherry("images", "-a", "--no-trunc", "-q").stdout.split())


def test_a_folder_gets_the_files_and_the_store_no_image(wherry: Wherry, project: Path, tmp_path: Path) -> None:
    before = images(wherry)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "mine").touch()
    wherry("build", "-o", str(tmp_path / "dist"), str(project))
    assert (tmp_path / "dist" / "out" / "made").read_text() == "built\n"
    assert os.readlink(tmp_path / "dist" / "out" / "link") == "made"
    assert (tmp_path / "dist" / "mine").exists()
    assert not (tmp_path / "dist" / "out" / "made").stat().st_mode & stat.S_ISUID
    assert images(wherry) == before
    again = wherry("build", "--output", f"type=local,dest={tmp_path}/dist", str(project))
    assert "CACHED" in again.stderr, "the steps are remembered all the same"


def test_what_is_in_the_way_is_kept_and_no_image_stays(wherry: Wherry, project: Path, tmp_path: Path) -> None:
    before = images(wherry)
    (tmp_path / "outside").mkdir()
    (tmp_path / "dist").mkdir()
    # Whoever can write to the folder leads out of it
    (tmp_path / "dist" / "out").symlink_to(tmp_path / "outside")
    done = wherry("build", "-o", str(tmp_path / "dist"), str(project), code=1)
    assert "cannot overwrite non-directory 'out' with a directory" in done.stderr
    assert list((tmp_path / "outside").iterdir()) == []
    (tmp_path / "file").touch()
    done = wherry("build", "-o", str(tmp_path / "file"), str(project), code=1)
    assert f"File exists: {tmp_path}/file" in done.stderr
    assert images(wherry) == before


def test_a_tar_goes_to_standard_output_or_a_file(wherry: Wherry, project: Path, tmp_path: Path) -> None:
    wherry("build", "-o", f"type=tar,dest={tmp_path}/x.tar", str(project))
    with tarfile.open(tmp_path / "x.tar") as file:
        assert file.getnames() == ["out", "out/link", "out/made"]
    written = wherry.spawn("build", "-q", "-o", "-", str(project))
    (tmp_path / "y.tar").write_bytes(written.communicate()[0])
    assert (tmp_path / "y.tar").read_bytes() == (tmp_path / "x.tar").read_bytes()
    shown = wherry.terminal("build", "-o", "-", str(project))
    shown.read_until("cowardly refusing to save to a terminal")
    assert shown.wait() == 1


def test_archives_can_be_loaded_under_their_names(wherry: Wherry, project: Path, tmp_path: Path) -> None:
    for kind in ("docker", "oci"):
        path = tmp_path / f"{kind}.tar"
        wherry("build", "-t", f"from-{kind}:1", "-o", f"type={kind},dest={path}", str(project))
        assert f"from-{kind}" not in wherry("images").stdout
        assert f"Loaded image: from-{kind}:1" in wherry("load", "-i", str(path)).stdout
    wherry("build", "-t", "layout:2", "-o", f"type=oci,dest={tmp_path}/layout,tar=false", str(project))
    index = json.loads((tmp_path / "layout" / "index.json").read_text())
    assert index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] == "layout:2"


def test_load_keeps_the_image_beside_what_is_written(wherry: Wherry, project: Path, tmp_path: Path) -> None:
    wherry("build", "--load", "-t", "both:1", "-o", str(tmp_path / "d"), str(project))
    assert "both" in wherry("images").stdout
    assert (tmp_path / "d" / "out").is_dir()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[WherryRegistry]:
    found = WherryRegistry(tmp_path / "registry")
    yield found
    found.close()


def test_push_sends_every_name_and_keeps_the_image(
    wherry: Wherry, project: Path, tmp_path: Path, registry: WherryRegistry
) -> None:
    one, two = f"{registry.host}/out:1", f"{registry.host}/out:2"
    meta = tmp_path / "meta.json"
    wherry("build", "--push", "-t", one, "-t", two, "--metadata-file", str(meta), str(project))
    wherry("rmi", one, two)
    wherry("pull", one)
    wherry("pull", two)
    said = json.loads(meta.read_text())
    known = json.loads(wherry("image", "inspect", one).stdout)[0]["RepoDigests"]
    assert f"{registry.host}/out@{said['containerimage.digest']}" in known
    assert said["image.name"] == f"{one},{two}"
    assert said["containerimage.config.digest"] == wherry("images", "-q", "--no-trunc", one).stdout.strip()


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (["--push"], 1, "tag is needed when pushing to registry"),
        (["--push", "-o", "out", "-t", "x"], 1, 'push and "local" output can\'t be used together'),
        (["-o", "type=local"], 1, "dest is required for local exporter"),
        (["-o", "type=nosuch,dest=x"], 1, "exporter 'nosuch' could not be found"),
        (["-o", "-", "-o", "type=oci,dest=-"], 1, "only one output can go to standard output"),
        (["--attest", "type=vex"], 125, 'invalid argument "type=vex" for "--attest" flag'),
        (["--allow", "security.insecure"], 1, "--allow security.insecure is not supported"),
        (["--annotation", "a=b"], 125, "--annotation is not supported"),
    ],
)
def test_bad_wishes_are_told_before_anything_is_built(
    wherry: Wherry, project: Path, flags: list[str], code: int, says: str
) -> None:
    done = wherry("build", *flags, str(project), code=code)
    assert says in done.stderr
    assert "RUN mkdir" not in done.stderr


def test_a_failed_build_writes_nothing(wherry: Wherry, project: Path, tmp_path: Path) -> None:
    (project / "Dockerfile").write_text("FROM busybox\nRUN false\n")
    wherry("build", "-o", f"type=tar,dest={tmp_path}/x.tar", "--metadata-file", f"{tmp_path}/m", str(project), code=1)
    assert [one.name for one in tmp_path.iterdir() if one != project] == []
