"""A container against the volumes that it shares: with what is started, exported or filled beside it."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry, eventually

pytestmark = pytest.mark.requires("root", "runc", "busybox")
ALONE = ("run", "--rm", "--network", "none")
SECRET = "a secret of the host's"
# A folder and a link to the host's take turns under one name
SWAP = "cd /d; while :; do mv a was; ln -s {} a; rm a; mv was a; done"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "secret").write_text(SECRET)
    return folder


@pytest.fixture
def swapping(wherry: Wherry, secret: Path) -> Iterator[Path]:
    wherry(*ALONE, "-v", "fought:/d", "busybox", "sh", "-c", "mkdir /d/a; echo mine > /d/a/secret")
    wherry("run", "-d", "--name", "mallory", "--network", "none", "-v", "fought:/d", "busybox", "sh", "-c",
           SWAP.format(secret))  # fmt: skip
    folder = Path(wherry.paths.volumes, "fought/_data")
    eventually(lambda: os.path.islink(folder / "a"), "the swapping has begun")
    yield folder
    wherry("rm", "-f", "mallory")
    wherry("volume", "rm", "fought")


def test_a_subpath_that_becomes_a_link_while_containers_start_never_leads_out(wherry: Wherry, swapping: Path) -> None:
    seen = []
    for _ in range(15):
        mount = ("--mount", "type=volume,src=fought,dst=/x,volume-subpath=a")
        done = wherry(*ALONE, *mount, "busybox", "cat", "/x/secret", code=None)
        seen.append(done.stdout)
        assert done.stdout == "mine\n" or "escapes the base" in done.stderr or "cannot access path" in done.stderr
    assert SECRET not in "".join(seen)
    assert swapping.is_dir()


def test_an_export_beside_it_holds_nothing_of_the_host(wherry: Wherry, swapping: Path) -> None:
    for _ in range(10):
        with wherry.spawn("volume", "export", "fought") as exporter:
            assert exporter.stdout
            data = exporter.stdout.read()
        assert exporter.returncode == 0
        assert SECRET.encode() not in data
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            assert {one.name.split("/")[0] for one in tar} <= {".", "a", "was"}


def test_a_used_volume_is_never_filled_over_what_it_holds(wherry: Wherry, tmp_path: Path) -> None:
    wherry(*ALONE, "-v", "mine:/d", "busybox", "sh", "-c", "echo mine > /d/passwd; ln -s /etc/shadow /d/group")
    assert wherry(*ALONE, "-v", "mine:/etc", "busybox", "cat", "/etc/passwd").stdout == "mine\n"
    folder = Path(wherry.paths.volumes, "mine/_data")
    assert os.readlink(folder / "group") == "/etc/shadow"
    wherry("volume", "rm", "mine")


def test_what_a_hostile_image_has_at_a_volumes_place_stays_inside(wherry: Wherry, secret: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, target in (
            ("data", tarfile.SYMTYPE, str(secret)),
            ("ok", tarfile.DIRTYPE, ""),
            ("ok/link", tarfile.SYMTYPE, f"{secret}/secret"),
            ("ok/pipe", tarfile.FIFOTYPE, ""),
            ("climb", tarfile.SYMTYPE, "../" * 12 + str(secret).lstrip("/")),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mode = kind, target, 0o755
            tar.addfile(entry)
    wherry("import", "-", "hostile", stdin=buffer.getvalue())
    for place in ("data", "climb", "ok"):
        wherry("create", "--name", "held", "--network", "none", "-v", f"{place}1:/{place}", "hostile", "/nothing")
        wherry("start", "held", code=None)
        folder = Path(wherry.paths.volumes, f"{place}1/_data")
        assert not (folder / "secret").exists()
        wherry("rm", "held")
    assert os.readlink(Path(wherry.paths.volumes, "ok1/_data/link")) == f"{secret}/secret"
    assert sorted(os.listdir(secret)) == ["secret"]
    wherry("volume", "rm", "data1", "climb1", "ok1")
    wherry("rmi", "hostile")
