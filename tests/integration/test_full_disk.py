"""Not a byte is left for the state database: each command does its work or says why not, and nothing by half."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry, add_busybox, busybox_tar, eventually, traces

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")
CHANGES = (
    "rename waits other", "update --pids-limit 50 runs", "update --restart always waits", "network create fresh",
    "network connect net runs", "network disconnect bridge runs", "network rm spare", "volume create fresh",
    "volume import fresh TAR", "commit runs img", "tag busybox img", "import TAR img", "build -q -t img CONTEXT",
    "create --name fresh busybox", "run -d --name fresh busybox sleep 100", "run --rm -v fresh:/x busybox true",
    "start waits", "restart -t 0 runs", "exec runs sh -c 'echo x > /x'", "exec runs true",
    "cp TAR runs:/big", "image prune -f", "container prune -f", "volume prune -f", "network prune -f",
    "kill runs", "stop runs",
)  # fmt: skip
LOOKS = (
    "ps -a", "images", "volume ls", "network ls", "inspect runs", "logs runs", "system df", "top runs", "diff runs",
    "events --since 1h --until 0s", "port runs", "stats --no-stream runs", "export -o /dev/null runs",
)  # fmt: skip


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Wherry]:
    """A root on a disk of 12 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "wherry-test", str(disk)], check=True)
    there = Wherry(disk / "root")
    try:
        add_busybox(there)
        yield there
        (disk / "filler").unlink(missing_ok=True)
        there.remove_all()
    finally:
        eventually(lambda: subprocess.run(["umount", str(disk)], check=False).returncode == 0, "the disk is free")
        shutil.rmtree(there.paths.run, ignore_errors=True)


def fill(disk: Path) -> None:
    """Again before each command: the last one may have made room."""
    with (disk / "filler").open("ab", buffering=0) as filler:
        for size in (65536, 4096, 1):
            try:
                while True:
                    filler.write(b"\0" * size)
            except OSError:
                continue
    assert shutil.disk_usage(disk).free == 0


def test_every_command_is_whole_or_says_that_the_disk_is_full(small: Wherry, tmp_path: Path) -> None:
    import shlex

    (tmp_path / "base.tar").write_bytes(busybox_tar())
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text("FROM busybox\nRUN echo x > /x\n")
    small("network", "create", "net")
    small("network", "create", "spare")
    small("run", "-d", "--name", "runs", "--stop-timeout", "0", "busybox", "sleep", "1000")
    small("create", "--name", "waits", "busybox", "sleep", "1000")
    wrong = []
    fill(small.root.parent)
    for text in LOOKS:
        done = small(*text.split(), code=None, timeout_s=60)
        if done.returncode or done.stderr:
            wrong.append(f"{text}: {done.returncode}: {done.stderr}")
    for text in CHANGES:
        fill(small.root.parent)
        argv = text.replace("TAR", str(tmp_path / "base.tar")).replace("CONTEXT", str(tmp_path / "context"))
        done = small(*shlex.split(argv), code=None, timeout_s=60)
        if "Traceback" in done.stderr or "fault of wherry's" in done.stderr:
            wrong.append(f"{text}: {done.stderr}")
        elif done.returncode and not any(word in done.stderr.lower() for word in ("no space", "full", "not found",
                                         "not running", "not connected", "no such", "not an image")):  # fmt: skip
            wrong.append(f"{text}: {done.returncode}, and not a word of the disk: {done.stderr}")
    assert not wrong, "\n".join(wrong)
    done = small("ps", "-a", code=None)
    assert "runs" in done.stdout, done.stderr
    (small.root.parent / "filler").unlink()
    assert os.listdir(small.paths.tmp) == []
    with small.engine() as engine:
        rows = {one.row.id for one in engine.containers.list(all=True)}
    assert set(os.listdir(small.paths.containers)) == rows
    small.remove_all()
    small("network", "prune", "-f")
    small("volume", "prune", "-f", "-a")
    eventually(lambda: not traces(small.paths), f"no trace: {traces(small.paths)}")
    assert small("run", "--rm", "busybox", "echo", "room").stdout == "room\n"
