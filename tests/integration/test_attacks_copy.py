"""A hostile container tries to reach this machine through `cp`."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry

pytestmark = pytest.mark.requires("root", "runc", "ip", "nft", "busybox")

_SWAP = """
cd /race; mkdir -p real/sub; echo inside > real/sub/shadow
while true; do mv real x; ln -s /etc real; rm real; ln -s ../../../../../../etc real; rm real; mv x real; done
"""


@pytest.fixture
def box(wherry: Wherry) -> Iterator[str]:
    wherry("run", "-d", "--name", "box", "busybox", "sh", "-c", f"mkdir -p /race /out; ({_SWAP}) & exec sleep 600")
    yield "box"
    wherry("kill", "box")


def test_what_comes_out_of_a_container_gains_nothing_on_this_machine(wherry: Wherry, box: str, tmp_path: Path) -> None:
    """A set-id program would belong to this machine's root; the container may make a device, but not open it."""
    made = (
        "mkdir /g; cp /bin/busybox /g/suid; cp /bin/busybox /g/caps; chmod 6755 /g/suid;"
        " mknod /g/disk b 254 0; mknod /g/mem c 1 1;"
        " chmod 666 /g/disk /g/mem; mkdir /g/dir; chmod 3777 /g/dir; mkfifo /g/pipe; chmod 666 /g/pipe"
    )
    wherry("exec", box, "sh", "-c", made)
    # cap_sys_admin+ep, as setcap writes it
    capability = struct.pack("<5I", 0x02000001, 1 << 21, 0, 0, 0)
    os.setxattr(f"/proc/{wherry.pid(box)}/root/g/caps", "security.capability", capability)
    wherry("cp", f"{box}:/g", str(tmp_path))
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in (tmp_path / "g").iterdir()}
    assert {name: oct(mode) for name, mode in modes.items()} == {
        "caps": "0o755", "suid": "0o755", "disk": "0o600", "mem": "0o600", "dir": "0o1777", "pipe": "0o666",
    }  # fmt: skip
    assert os.listxattr(tmp_path / "g" / "caps") == []


def test_a_folder_that_becomes_a_link_while_it_is_copied_never_leads_out(
    wherry: Wherry, box: str, tmp_path: Path
) -> None:
    """CVE-2018-15664, CVE-2019-10152: the container swaps a folder for a link to /etc all the time."""
    secret = Path("/etc/shadow").read_text()
    host = sorted(os.listdir("/etc"))
    (tmp_path / "marker").write_text("from outside")
    for number in range(12):
        target = tmp_path / str(number)
        done = wherry("cp", "-L", f"{box}:/race/real/sub/shadow", str(target), code=None)
        assert done.returncode or target.read_text() != secret
        wherry("cp", f"{box}:/race/real", str(target) + ".d", code=None)
        wherry("cp", str(tmp_path / "marker"), f"{box}:/race/real/marker-of-a-test", code=None)
    assert sorted(os.listdir("/etc")) == host
    found = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in found if path.read_text() == secret]


def test_nothing_of_the_container_is_loaded_for_a_copy(wherry: Wherry, box: str, tmp_path: Path) -> None:
    """CVE-2019-14271: no process of this machine has the container as its root, nor its libraries."""
    wherry(
        "exec",
        box,
        "sh",
        "-c",
        "mkdir -p /lib /usr/lib; for n in libnss_files.so.2 libc.so.6; do echo x > /lib/$n; done",
    )
    wherry("cp", f"{box}:/lib", str(tmp_path))
    assert sorted(os.listdir(tmp_path / "lib")) == ["libc.so.6", "libnss_files.so.2"]


def test_an_absolute_link_of_the_image_still_works(wherry: Wherry, box: str, tmp_path: Path) -> None:
    """/var/run → /run: safe does not mean broken (podman#29805)."""
    wherry("exec", box, "sh", "-c", "mkdir -p /run/app; echo 7 > /run/app/pid; ln -s /run /var/run")
    wherry("cp", f"{box}:/var/run/app/pid", str(tmp_path / "pid"))
    assert (tmp_path / "pid").read_text() == "7\n"
    wherry("cp", str(tmp_path / "pid"), f"{box}:/var/run/app/again")
    assert wherry("exec", box, "cat", "/run/app/again").stdout == "7\n"
