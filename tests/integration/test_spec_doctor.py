"""`wherry doctor` and `info` on a real machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.settings import Paths

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture(autouse=True)
def _no_run_folder_left(tmp_path: Path) -> Iterator[None]:
    yield
    shutil.rmtree(Paths.for_user({}, os.geteuid(), str(tmp_path / "root")).run, ignore_errors=True)


def wherry(root: Path, *words: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); from wherry.cli.main import entry; sys.exit(entry())"
    env = {"PATH": os.environ["PATH"] if path is None else path, "WHERRY_ROOT": str(root)}
    return subprocess.run([sys.executable, "-c", code, *words], env=env, capture_output=True, text=True, check=False)


@pytest.mark.requires("root", "runc", "nft", "ip")
def test_a_machine_that_can_run_containers_is_sound(tmp_path: Path) -> None:
    done = wherry(tmp_path / "root", "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything that wherry needs is here." in done.stdout


@pytest.mark.requires("root", "runc", "nft", "ip")
def test_doctor_speaks_json(tmp_path: Path) -> None:
    doc = json.loads(wherry(tmp_path / "root", "doctor", "--format", "json").stdout)
    assert doc["Sound"] is True
    assert {"kernel", "overlayfs", "OCI runtime", "nft"} <= {one["name"] for one in doc["Checks"]}


@pytest.mark.requires("root")
def test_a_runtime_that_is_not_there_makes_it_exit_1(tmp_path: Path) -> None:
    done = wherry(tmp_path / "root", "--runtime", "no-such-runtime", "doctor")
    assert done.returncode == 1
    assert "no-such-runtime is not installed" in done.stdout
    assert "hint: apt-get install --no-install-recommends runc" in done.stdout


@pytest.mark.requires("root")
def test_info_speaks_dockers_json(tmp_path: Path) -> None:
    doc = json.loads(wherry(tmp_path / "root", "info", "--format", "json").stdout)
    assert (doc["Containers"], doc["Images"], doc["OSType"]) == (0, 0, "linux")
    assert doc["DockerRootDir"] == str(tmp_path / "root")
    assert "\n Server Version: " in wherry(tmp_path / "root", "info").stdout
