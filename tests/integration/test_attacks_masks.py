"""Images and mounts that try to be where the runtime hides and protects: /dev, /proc, /sys."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry, busybox_tar

pytestmark = pytest.mark.requires("root", "runc", "busybox")


@pytest.fixture(autouse=True)
def _no_volume_stays(wherry: Wherry) -> Iterator[None]:
    """The session's root is others', too."""
    yield
    wherry.remove_all()
    wherry("volume", "rm", "-f", "vol")


TRAP = Path("/proc/sys/kernel/core_pattern")
_LOOK = (
    "(cd /proc; cat kcore keys interrupts timer_list latency_stats sched_debug) 2>/dev/null | head -c 1 | wc -c;"
    "ls /sys/firmware | wc -l; (echo '|/x' > /proc/sys/kernel/core_pattern) 2>&1; true"
)


def image(wherry: Wherry, *links: tuple[str, str]) -> str:
    """busybox with links where folders and devices should be."""
    made = io.BytesIO()
    taken = {path for path, _ in links}
    with tarfile.open(fileobj=io.BytesIO(busybox_tar())) as old, tarfile.open(fileobj=made, mode="w") as tar:
        for entry in old:
            if entry.name not in taken:
                tar.addfile(entry, old.extractfile(entry) if entry.isreg() else None)
        for path, target in links:
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    wherry("import", "-c", "ENV PATH=/bin", "-", "trap", stdin=made.getvalue())
    return "trap"


@pytest.mark.parametrize(
    "links",
    [
        [("dev/null", str(TRAP)), ("dev/console", str(TRAP))],
        [("dev/pts", "/proc"), ("dev/shm", "/proc/sys"), ("dev/ptmx", str(TRAP))],
        [("dev", "/proc")],
        [("dev", "tmp")],
        [("sys", "/proc")],
        [("proc", "/tmp")],
        [("proc", "/sys")],
        [("sys", "proc"), ("dev", "sys")],
    ],
    ids=lambda links: " ".join(path for path, _ in links),
)
def test_links_in_an_image_move_no_mask(wherry: Wherry, links: list[tuple[str, str]]) -> None:
    """CVE-2025-31133 and CVE-2025-52565 (/dev), CVE-2019-19921 (/proc): refused, or all is hidden."""
    before = TRAP.read_text()
    name = image(wherry, *links)
    for flags in ([], ["-t"]):
        seen = wherry("run", "--rm", "--network", "none", *flags, name, "sh", "-c", _LOOK, code=None)
        if seen.returncode == 0:
            assert seen.stdout.split()[:2] == ["0", "0"], seen.stdout
            assert "Read-only file system" in seen.stdout
        assert TRAP.read_text() == before


@pytest.mark.parametrize(
    "flags",
    [
        ["-v", "/tmp:/proc"],
        ["-v", "vol:/proc"],
        ["-v", "vol:/proc/sys"],
        ["-v", "vol:/lnk/sys"],
        ["--tmpfs", "/proc"],
        ["--tmpfs", "/proc/self"],
        ["--mount", "type=bind,src=/tmp,dst=/proc/1/attr"],
    ],
    ids=" ".join,
)
def test_nothing_is_mounted_over_proc(wherry: Wherry, flags: list[str]) -> None:
    """CVE-2019-19921, CVE-2025-52881: a /proc of another's making lets the runtime write its labels to nowhere."""
    name = image(wherry, ("lnk", "proc"))
    seen = wherry("run", "--rm", "--network", "none", *flags, name, "true", code=125)
    assert "nothing may hide or replace what is in /proc" in seen.stderr


def test_a_container_that_shares_its_files_moves_no_mask_of_another(wherry: Wherry) -> None:
    """CVE-2025-31133 by two containers: one swaps links in a shared volume while the other starts."""
    before = TRAP.read_text()
    script = (
        f"while :; do ln -sfn {TRAP} /shared/null; rm -f /shared/null; mkdir -p /shared/null; rmdir /shared/null; done"
    )
    wherry("run", "-d", "--name", "swap", "--network", "none", "-v", "vol:/shared", "busybox", "sh", "-c", script)
    for _ in range(5):
        seen = wherry(
            "run",
            "--rm",
            "--network",
            "none",
            "-v",
            "vol:/shared",
            "-v",
            "vol:/dev/shared",
            "busybox",
            "sh",
            "-c",
            _LOOK,
        )
        assert seen.stdout.split()[:2] == ["0", "0"]
    assert TRAP.read_text() == before
    wherry("kill", "swap")
