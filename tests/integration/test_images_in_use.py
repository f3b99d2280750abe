"""Images that containers use: what rmi refuses, what -f leaves, and what prune may take."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.requires("root", "busybox", "runc")
MAIN = "from wherry.cli.main import entry; raise SystemExit(entry())"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    def call(*argv: str) -> tuple[int, str, str]:
        env = {**os.environ, "WHERRY_ROOT": str(tmp_path / "root")}
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *argv], env=env, capture_output=True, text=True, check=False, timeout=120
        )
        return done.returncode, done.stdout, done.stderr

    yield call
    for name in call("ps", "-aq")[1].split():
        call("rm", "-f", name)


@pytest.fixture
def box(run: Run, tmp_path: Path) -> str:
    (tmp_path / "fs" / "bin").mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "", tmp_path / "fs" / "bin" / "busybox")
    for name in ("sh", "true", "echo", "sleep"):
        os.symlink("busybox", tmp_path / "fs" / "bin" / name)
    subprocess.run(["tar", "-C", str(tmp_path / "fs"), "-cf", str(tmp_path / "fs.tar"), "."], check=True)
    return run("import", str(tmp_path / "fs.tar"), "box")[1].strip()


def test_rmi_of_an_image_with_a_stopped_container(run: Run, box: str, tmp_path: Path) -> None:
    container = run("create", "--name", "c1", "--network", "none", "box", "echo", "still here")[1].strip()
    assert run("rmi", "box") == (
        1, "", f'wherry: conflict: unable to remove repository reference "box" (must force) - container '
        f"{container[:12]} is using its referenced image {box[7:19]}\n",
    )  # fmt: skip
    assert run("rmi", box[7:19]) == (
        1, "", f"wherry: conflict: unable to delete {box[7:19]} (must be forced) - image is being used by stopped "
        f"container {container[:12]}\n",
    )  # fmt: skip
    assert run("image", "prune", "-af")[1] == "Total reclaimed space: 0B\n"
    assert run("rmi", "-f", "box") == (0, f"Untagged: box:latest\nDeleted: {box}\n", "")
    assert run("images", "-q")[1] == ""
    # the container still has its layers
    assert run("start", "-a", "c1") == (0, "still here\n", "")
    assert run("rm", "c1")[0] == 0
    assert run("image", "prune", "-f")[1] != "Total reclaimed space: 0B\n"
    assert os.listdir(tmp_path / "root" / "layers") == []
    assert os.listdir(tmp_path / "root" / "blobs" / "sha256") == []


def test_rmi_of_an_image_with_a_running_container(run: Run, box: str) -> None:
    container = run("run", "-d", "--network", "none", "box", "sleep", "600")[1].strip()
    for argv in (["rmi", box], ["rmi", "-f", box]):
        code, out, err = run(*argv)
        assert (code, out) == (1, "")
        assert err == (
            f"wherry: conflict: unable to delete {box[7:19]} (cannot be forced) - image is being used by running "
            f"container {container[:12]}\n"
        )
    assert run("rmi", "-f", "box") == (0, "Untagged: box:latest\n", "")
    assert run("images", "-q")[1] == f"{box[7:19]}\n"


def test_system_prune_takes_everything_that_nothing_uses(run: Run, box: str, tmp_path: Path) -> None:
    run("run", "--network", "none", "box", "true")
    kept = run("run", "-d", "--name", "kept", "--network", "none", "box", "sleep", "600")[1].strip()
    run("import", str(tmp_path / "fs.tar"), "other")
    code, out, err = run("system", "prune", "-af")
    assert (code, err) == (0, "")
    assert "Deleted Containers:" in out
    assert "untagged: other:latest" in out
    assert "Total reclaimed space: " in out
    assert run("ps", "-aq", "--no-trunc")[1] == f"{kept}\n"
    assert run("images", "-q", "--no-trunc")[1] == f"{box}\n"
    lines = run("system", "df")[1].splitlines()
    assert [line.split()[:3] for line in lines[1:3]] == [["Images", "1", "1"], ["Containers", "1", "1"]]
