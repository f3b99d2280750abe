"""Layers as the kernel, GNU tar and another engine see them."""

from __future__ import annotations

import errno
import io
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.image.trees import entry, listing, packed, tar, unpacked
from wherry.errors import HostileArchive
from wherry.host import Mount, Overlay
from wherry.host.linux import LinuxHost
from wherry.image.tar import diff, header, unpack

pytestmark = pytest.mark.requires("root")
HOST = LinuxHost({"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
EPOCH_NS = 315_532_800 * 10**9


@pytest.fixture
def merged(tmp_path: Path) -> Iterator[Path]:
    """A base with something to remove, and an overlay on it at the path that is given; its upper is `upper`."""
    base = tmp_path / "base"
    (base / "etc" / "conf.d").mkdir(parents=True)
    (base / "etc" / "conf.d" / "one").write_bytes(b"1")
    (base / "etc" / "passwd").write_bytes(b"root")
    (base / "lib").mkdir()
    for name in ("upper", "work", "merged"):
        (tmp_path / name).mkdir()
    fd = HOST.overlay(Overlay((str(base),), str(tmp_path / "upper"), str(tmp_path / "work")))
    HOST.attach(fd, str(tmp_path / "merged"))
    yield tmp_path / "merged"
    os.close(fd)
    HOST.unmount(str(tmp_path / "merged"), lazy=True)


def view(*folders: Path) -> dict[bytes, tuple[object, ...]]:
    """What a container on these layer folders (base first) would see, without times and overlayfs's attributes."""
    fd = HOST.overlay(Overlay(tuple(str(folder) for folder in folders)))
    try:
        seen = listing(Path(f"/proc/self/fd/{fd}/."))
        return {path: (one[0], one[1], one[2], one[4]) for path, one in seen.items()}
    finally:
        os.close(fd)


def change(root: Path) -> None:
    """What a RUN may do."""
    (root / "etc" / "passwd").unlink()
    (root / "etc" / "conf.d" / "one").unlink()
    (root / "etc" / "conf.d").rmdir()
    (root / "etc" / "conf.d").mkdir()
    (root / "etc" / "conf.d" / "two").write_bytes(b"2")
    (root / "srv" / "new").mkdir(parents=True)
    (root / "srv" / "tool").write_bytes(b"#!")
    (root / "srv" / "tool").chmod(0o4755)
    os.setxattr(root / "srv" / "tool", "security.capability", CAPABILITY)
    os.link(root / "srv" / "tool", root / "srv" / "new" / "tool")
    (root / "srv" / "link").symlink_to("/etc")
    os.mknod(root / "srv" / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(root / "srv" / "disk", stat.S_IFBLK | 0o600, os.makedev(259, 300))
    os.mkfifo(root / "srv" / "fifo")
    os.chown(root / "srv" / "fifo", 3_000_000, 4_000_000_000)
    os.chmod(root / "lib", 0o2775)


def test_a_diff_of_an_overlay_gives_the_same_view_through_a_tar(merged: Path, tmp_path: Path) -> None:
    change(merged)
    expected = view(tmp_path / "base", tmp_path / "upper")
    diff.normalise(str(tmp_path / "upper"), clamp_ns=EPOCH_NS)
    data = packed(tmp_path / "upper")
    unpacked(data, tmp_path / "layer")
    assert view(tmp_path / "base", tmp_path / "upper") == expected
    assert view(tmp_path / "base", tmp_path / "layer") == expected
    assert packed(tmp_path / "layer") == data
    assert b"etc/passwd" not in expected
    assert b"etc/conf.d/one" not in expected
    assert os.getxattr(tmp_path / "layer" / "srv" / "tool", "security.capability") == CAPABILITY
    assert (tmp_path / "layer" / "srv" / "tool").lstat().st_mode == stat.S_IFREG | 0o4755
    status = (tmp_path / "layer" / "srv" / "fifo").lstat()
    assert (status.st_uid, status.st_gid) == (3_000_000, 4_000_000_000)
    assert (tmp_path / "layer" / "srv" / "disk").lstat().st_rdev == os.makedev(259, 300)


def test_a_new_folder_gives_the_same_layer_on_any_base(merged: Path, tmp_path: Path) -> None:
    (merged / "app").mkdir()
    (merged / "app" / "main.py").touch()
    diff.normalise(str(tmp_path / "upper"), clamp_ns=EPOCH_NS)
    assert not os.listxattr(tmp_path / "upper" / "app")
    assert b".wh." not in packed(tmp_path / "upper")


def test_a_folder_that_hides_one_below_stays_opaque(merged: Path, tmp_path: Path) -> None:
    (merged / "etc" / "conf.d" / "one").unlink()
    (merged / "etc" / "conf.d").rmdir()
    (merged / "etc" / "conf.d").mkdir()
    diff.normalise(str(tmp_path / "upper"), clamp_ns=EPOCH_NS)
    assert b"etc/conf.d/.wh..wh..opq" in packed(tmp_path / "upper")


@pytest.mark.parametrize("order", [1, -1])
def test_a_folder_beside_its_whiteout_hides_the_one_below(tmp_path: Path, order: int) -> None:
    unpacked(tar(entry(b"etc/old")), tmp_path / "base")
    folder = entry(b"etc/", header.FOLDER, mode=0o755) + entry(b"etc/new")
    unpacked(tar(*[entry(b".wh.etc"), folder][::order]), tmp_path / "layer")
    assert sorted(view(tmp_path / "base", tmp_path / "layer")) == [b"etc", b"etc/new"]


def test_an_opaque_mark_hides_only_what_lies_below(tmp_path: Path) -> None:
    unpacked(tar(entry(b"etc/old")), tmp_path / "base")
    unpacked(tar(entry(b"etc/before"), entry(b"etc/.wh..wh..opq"), entry(b"etc/after")), tmp_path / "layer")
    assert sorted(view(tmp_path / "base", tmp_path / "layer")) == [b"etc", b"etc/after", b"etc/before"]


def test_devices_of_an_archive_are_made_and_overlays_own_is_refused(tmp_path: Path) -> None:
    unpacked(tar(entry(b"null", header.CHAR, device=(1, 3), mode=0o666)), tmp_path / "out")
    status = (tmp_path / "out" / "null").lstat()
    assert (status.st_mode, status.st_rdev) == (stat.S_IFCHR | 0o666, os.makedev(1, 3))
    with pytest.raises(HostileArchive):
        unpacked(tar(entry(b"null", header.CHAR)), tmp_path / "out2")


def test_gnu_tar_reads_our_tars_as_we_meant_them(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    for name in ("etc", "lib"):
        (folder / name).mkdir()
    (folder / "etc" / "passwd").touch()
    (folder / "etc" / "conf.d").mkdir()
    (folder / "etc" / "conf.d" / "one").touch()
    change(folder)
    (folder / ("n" * 255)).write_bytes(b"long")
    (folder / "user").mkdir()
    os.setxattr(folder / "user", "user.key", b"v\0\n")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff" + b"x" * 120)).touch()
    (tmp_path / "gnu").mkdir()
    subprocess.run(
        ["tar", "-C", str(tmp_path / "gnu"), "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", "-"],
        input=packed(folder), check=True, capture_output=True, env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    ours, theirs = listing(folder), listing(tmp_path / "gnu")
    assert theirs == ours


@pytest.mark.requires("umoci")
def test_another_engine_unpacks_our_layer_to_the_same_tree(tmp_path: Path) -> None:
    long = b"d/" + b"n" * 200
    members = [
        entry(long, data=b"x"),
        entry(b"l", header.SYMLINK, link=b"t" * 150),
        entry(b"\xff", data=b"y"),
        entry(b"h", header.HARD_LINK, link=long),
        entry("é".encode() * 80, mtime_ns=1_500_000_000),
    ]
    unpacked(tar(*members), tmp_path / "layer")
    os.chown(tmp_path / "layer" / "d", 3_000_000, 3_000_001)
    os.setxattr(tmp_path / "layer" / "d", "user.key", b"value")
    (tmp_path / "layer.tar").write_bytes(packed(tmp_path / "layer"))
    image = f"{tmp_path}/image"
    for argv in (
        ["init", "--layout", image], ["new", "--image", f"{image}:t"],
        ["raw", "add-layer", "--image", f"{image}:t", f"{tmp_path}/layer.tar"],
        ["unpack", "--image", f"{image}:t", f"{tmp_path}/bundle"],
    ):  # fmt: skip
        subprocess.run(["umoci", *argv], check=True, capture_output=True)
    assert listing(tmp_path / "bundle" / "rootfs") == listing(tmp_path / "layer")


def test_a_full_disk_is_reported_as_that(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    HOST.mount(Mount("tmpfs", str(tmp_path / "small"), "tmpfs", 0, "size=1m"))
    try:
        with pytest.raises(OSError, match="space") as caught:
            unpacked(tar(entry(b"big", data=bytes(4 << 20))), tmp_path / "small")
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.filename == "big"
    finally:
        HOST.unmount(str(tmp_path / "small"))


def test_extracting_into_an_overlay_changes_its_upper_only(merged: Path, tmp_path: Path) -> None:
    before = listing(tmp_path / "base")
    fd = os.open(merged, os.O_RDONLY)
    try:
        members = (entry(b"etc/passwd", data=b"new"), entry(b"lib", data=b"a file now"))
        unpack.extract(io.BytesIO(tar(*members)), fd)
    finally:
        os.close(fd)
    assert (merged / "etc" / "passwd").read_bytes() == b"new"
    assert (merged / "lib").read_bytes() == b"a file now"
    assert listing(tmp_path / "base") == before
