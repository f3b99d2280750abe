"""What a layer may hold beside plain files, and what programs do with it: traced as untraced."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from pathlib import Path

import pytest

from tests.integration.trace_lab import TraceLab
from wherry.image.tar import diff, pack

pytestmark = pytest.mark.requires("root", "fuse")
# VFS_CAP_REVISION_2 with CAP_DAC_READ_SEARCH, permitted and effective. Spec: capabilities(7)
CAP_READ = bytes.fromhex("0100000204000000000000000000000000000000")
# One ACL: user::rw-, user:65534:r--, group::---, mask::r--, other::---. Spec: include/uapi/linux/posix_acl_xattr.h
ACL = bytes.fromhex("0200000001000600ffffffff02000400feff000004000000ffffffff10000400ffffffff20000000ffffffff")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> TraceLab:
    return TraceLab(tmp_path_factory.mktemp("trace"))


def below(folder: Path) -> None:
    app = folder / "app"
    (app / "merged").mkdir(parents=True)
    (app / "merged" / "low").write_text("low\n")
    (app / "merged" / "gone").write_text("gone\n")
    (app / "hidden").mkdir()
    (app / "hidden" / "low").write_text("low\n")
    (app / "replaced").write_text("file\n")


def fill(folder: Path) -> None:
    app = folder / "app"
    (app / "merged").mkdir(parents=True)
    (app / "merged" / "high").write_text("high\n")
    os.mknod(app / "merged" / "gone", stat.S_IFCHR, os.makedev(0, 0))
    (app / "hidden").mkdir()
    (app / "hidden" / "high").write_text("high\n")
    os.setxattr(app / "hidden", "trusted.overlay.opaque", b"y")
    (app / "replaced").mkdir()
    (app / "secret").write_text("secret\n")
    (app / "secret").chmod(0o600)
    for name in ("setuid", "capable", "plain"):
        shutil.copy("/usr/bin/cat", app / name)
        (app / name).chmod(0o755)
    (app / "setuid").chmod(0o4755)
    os.setxattr(app / "capable", "security.capability", CAP_READ)
    (app / "listed").write_text("listed\n")
    (app / "listed").chmod(0o640)
    os.setxattr(app / "listed", "system.posix_acl_access", ACL)
    os.setxattr(app / "plain", "user.note", b"a\0b")
    os.mknod(app / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    os.mknod(app / "disk", stat.S_IFBLK | 0o600, os.makedev(259, 70_000))
    os.mkfifo(app / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(app / "sock"))
    (app / "h1").write_text("links\n")
    (app / "h2").hardlink_to(app / "h1")
    (app / "long").symlink_to("x" * 4000)
    (app / os.fsdecode(b"\xff\xfe\n")).write_text("bytes\n")
    (app / ("n" * 255)).write_text("long\n")
    (app / "empty").touch()
    with open(app / "sparse", "wb") as file:
        file.seek((1 << 24) - 1)
        file.write(b"x")
    with open(app / "big", "wb") as file:
        for number in range(300):
            file.write(bytes((number % 251,)) * (1 << 20))
    os.chown(app / "plain", 70_000, 70_001)


@pytest.fixture(scope="module")
def layers(lab: TraceLab) -> list[Path]:
    return [lab.layer("below", below), lab.layer("all", fill)]


IMPORTS = "import os, fcntl, mmap\n"
CASES = Path(__file__).parents[1] / "cases" / "trace" / "same.txt"
SAME = [line for line in CASES.read_text().splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("command", SAME)
def test_a_step_that_is_traced_does_the_same(lab: TraceLab, layers: list[Path], command: str) -> None:
    code = command.removeprefix("py: ")
    argv = ("/bin/sh", "-c", command) if code == command else ("/usr/bin/python3", "-SEc", f"{IMPORTS}{code}")
    found = []
    for run in (lab.traced, lab.untraced):
        done = run(layers, *argv)
        diff.normalise(str(done.upper), clamp_ns=10**18)
        found.append((done.status, done.output.decode(errors="replace"), pack.diff_id(str(done.upper))[0]))
        shutil.rmtree(done.upper.parent)
    assert found[0] == found[1]


def test_what_is_copied_in_the_kernel_is_refused_as_between_file_systems(lab: TraceLab, layers: list[Path]) -> None:
    """The one call that a trace changes: whoever makes it must go another way, as for any two file systems."""
    copy = "import os, errno\ns = os.open('big', 0); d = os.open('/tmp/o', os.O_CREAT | os.O_WRONLY)\n"
    tell = "try: os.copy_file_range(s, d, 5000)\nexcept OSError as fault: print(errno.errorcode[fault.errno])"
    assert lab.traced(layers, "/usr/bin/python3", "-SEc", copy + tell).output == b"EXDEV\n"
