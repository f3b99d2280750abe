"""`builder du` and `builder prune` beside builds, killed, and on a full disk; the limit at the end of a build."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.build_lab import Lab

pytestmark = pytest.mark.requires("root", "runc", "busybox")
CODE = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.close()


def start(lab: Lab, *argv: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", CODE, "--root", str(lab.root), *argv],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=lab.folder, env=lab.env,
    )  # fmt: skip


def until(ready: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def caches(lab: Lab) -> list[Path]:
    return [path for path in (lab.root / "cache" / "mounts").glob("*") if path.is_dir()]


def du(lab: Lab, *argv: str) -> list[list[str]]:
    """The lines of the table, split at its columns."""
    done = lab.wherry("builder", "du", *argv)
    assert done.returncode == 0, done.stderr
    return [[cell.strip() for cell in line.split("   ") if cell.strip()] for line in done.stdout.splitlines()]


def test_du_says_what_each_cache_and_each_step_holds(lab: Lab) -> None:
    context = lab.context(
        "context",
        {"Dockerfile": "FROM busybox\nRUN head -c 3000000 /dev/zero > /big\n"
         "RUN --mount=type=cache,target=/c,id=mine head -c 2000000 /dev/zero > /c/f\n"},
    )  # fmt: skip
    lab.build(context)
    rows = {row[-1]: row for row in du(lab)[1:-2]}
    assert rows['cache mount with id "mine"'][2] == "2MB"
    assert rows['cache mount with id "mine"'][0].endswith("*")
    (big,) = (row for what, row in rows.items() if "> /big" in what)
    assert big[2] == "0B*"  # the image has it
    lab.wherry("image", "prune", "-f")
    (big,) = (row for row in du(lab) if "> /big" in row[-1])
    assert big[2] == "3MB"


def test_a_prune_beside_a_build_takes_nothing_that_the_build_has(lab: Lab) -> None:
    context = lab.context(
        "context",
        {"Dockerfile": "FROM busybox\nRUN echo kept > /kept\n"
         "RUN --mount=type=cache,target=/c,id=mine echo here > /c/f; echo on > /c/started; "
         "while ! test -e /c/go; do sleep 0.1; done; cat /kept /c/f > /both\n"},
    )  # fmt: skip
    lab.build(lab.context("other", {"Dockerfile": "FROM busybox\nRUN --mount=type=cache,target=/o touch /o/x\n"}))
    build = start(lab, "build", "-t", "out", str(context))
    until(lambda: any((path / "started").exists() for path in caches(lab)))
    (mine,) = (path for path in caches(lab) if (path / "started").exists())
    assert [row[1] for row in du(lab) if 'id "mine"' in row[-1]] == ["false"]
    done = lab.wherry("builder", "prune", "-af")
    assert done.returncode == 0
    assert caches(lab) == [mine]
    (mine / "go").touch()
    assert build.wait(60) == 0
    assert "both 'kept\\nhere\\n'" in lab.listing("out")
    lab.wherry("builder", "prune", "-af")
    assert caches(lab) == []


def test_a_prune_that_is_killed_anywhere_leaves_a_store_that_works(lab: Lab) -> None:
    seed = random.Random(7)
    text = "FROM busybox\n" + "".join(
        f"RUN --mount=type=cache,target=/c,id=c{n} for i in 1 2 3 4 5 6; do echo $i > /c/$i; done; echo {n} > /f{n}\n"
        for n in range(6)
    )
    context = lab.context("context", {"Dockerfile": text})
    for _ in range(4):
        image = lab.build(context)
        lab.wherry("image", "prune", "-f")
        prune = start(lab, "builder", "prune", "-af")
        time.sleep(seed.uniform(0.02, 0.25))
        prune.send_signal(signal.SIGKILL)
        prune.wait(30)
        assert lab.build(context) == image
    assert lab.wherry("builder", "prune", "-af").returncode == 0
    assert caches(lab) == []
    assert lab.leftovers() == {}
    assert len(du(lab)) == 3  # the heading and two sums


def test_the_limit_takes_the_oldest_and_leaves_what_the_build_and_images_use(lab: Lab) -> None:
    def text(word: str) -> dict[str, str]:
        return {"Dockerfile": f"FROM busybox\nRUN head -c 2000000 /dev/urandom > /{word}\n"}

    for word in ("one", "two", "three"):
        lab.build(lab.context(word, text(word)))
    lab.build(lab.context("tagged", text("tagged")), "-t", "tagged")
    lab.wherry("image", "prune", "-f")
    assert len(du(lab)) == 3 + 4
    lab.env["WHERRY_BUILD_CACHE_LIMIT"] = "5MB"
    lab.build(lab.context("four", text("four")))
    lab.wherry("image", "prune", "-f")
    said = " ".join(row[-1] for row in du(lab))
    assert "/one" not in said
    assert "/tagged" in said
    assert "/four" in said
    lab.env["WHERRY_BUILD_CACHE_LIMIT"] = "1kB"
    last = lab.context("five", text("five"))
    lab.build(last, "-t", "five")
    assert "five" in lab.listing("five")
    said = " ".join(row[-1] for row in du(lab))
    assert "/two" not in said
    assert "/three" not in said
    lab.env["WHERRY_BUILD_CACHE_LIMIT"] = "much"
    done = lab.wherry("build", str(last))
    assert done.returncode == 0
    assert "could not be kept within its limit" in done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_can_be_emptied(small_disk: Path) -> None:
    lab = Lab(small_disk)
    try:
        context = lab.context(
            "context",
            {"Dockerfile": "FROM busybox\nRUN --mount=type=cache,target=/c head -c 6000000 /dev/urandom > /c/f\n"},
        )
        lab.build(context)
        rest = shutil.disk_usage(small_disk).free
        with (small_disk / "rest").open("wb") as file:
            left = rest
            while left > 0:
                try:
                    left -= os.write(file.fileno(), bytes(min(left, 65536)))
                except OSError:
                    break
        assert shutil.disk_usage(small_disk).free < 65536
        done = lab.wherry("builder", "prune", "-af")
        assert done.returncode == 0, done.stderr
        assert caches(lab) == []
        assert shutil.disk_usage(small_disk).free > 5_000_000
    finally:
        lab.close()
