"""What more --mount and the local driver can do, as the container sees it, and what starting fails of."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry, eventually, traces

pytestmark = pytest.mark.requires("root", "runc", "busybox")
ALONE = ("run", "--rm", "--network", "none")


def sh(wherry: Wherry, script: str, *options: str, code: int = 0) -> str:
    return wherry(*ALONE, *options, "busybox", "sh", "-c", script, code=code).stdout


def refused(wherry: Wherry, *options: str) -> str:
    return wherry(*ALONE, *options, "busybox", "true", code=125).stderr


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A folder whose mounts travel, with a file system mounted below it."""
    place = tmp_path / "shared"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "outer", str(place)], check=True)
    subprocess.run(["mount", "--make-shared", str(place)], check=True)
    (place / "below").mkdir()
    (place / "later").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "inner", str(place / "below")], check=True)
    yield place
    subprocess.run(["umount", "-R", str(place)], check=True)


def test_an_image_is_seen_whole_or_in_part_and_never_written_to(wherry: Wherry) -> None:
    assert sh(wherry, "ls /i", "--mount", "type=image,src=busybox,dst=/i").split()[:2] == ["bin", "dev"]
    part = ("--mount", "type=image,src=busybox,dst=/p,image-subpath=etc")
    assert sh(wherry, "ls /p", *part) == "group\npasswd\n"
    file = ("--mount", "type=image,src=busybox,dst=/p/q,image-subpath=etc/passwd")
    assert sh(wherry, "head -1 /p/q", *file).startswith("root:")
    script = "mount -o remount,rw /i; touch /i/evil /p/evil; mount -o remount,rw /p; touch /p/evil; true"
    sh(wherry, script, "--privileged", "--mount", "type=image,src=busybox,dst=/i", *part)
    assert not list(Path(wherry.paths.layers).rglob("evil"))


def test_an_image_that_is_mounted_stays_until_the_container_goes(wherry: Wherry) -> None:
    wherry("tag", "busybox", "tools:1")
    context = wherry.root / "tools-context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo tool > /tool\n")
    wherry("rmi", "tools:1")
    wherry("build", "-t", "tools:1", str(context))
    mount = ("--mount", "type=image,src=tools:1,dst=/t")
    wherry("create", "--name", "uses", "--network", "none", *mount, "busybox", "cat", "/t/tool")
    assert "is using its referenced image" in wherry("rmi", "tools:1", code=1).stderr
    wherry("rmi", "-f", "tools:1")
    wherry("image", "prune", "-af")
    assert wherry("start", "-a", "uses").stdout == "tool\n"
    (doc,) = json.loads(wherry("inspect", "uses").stdout)
    assert [(one["Type"], one["Source"], one["RW"]) for one in doc["Mounts"]] == [("image", "tools:1", False)]
    wherry("rm", "uses")
    assert "No such image" in refused(wherry, *mount)


def test_a_subpath_is_a_folder_or_a_file_of_the_volume_and_may_be_reached_by_a_link(wherry: Wherry) -> None:
    sh(wherry, "mkdir -p /d/a/b; echo hi > /d/a/f; ln -s a /d/in; ln -s /etc /d/out; ln -s ../.. /d/up", "-v", "sp:/d")
    for path, script, seen in (("a", "ls /x", "b\nf\n"), ("in", "ls /x", "b\nf\n"), ("a/f", "cat /x", "hi\n")):
        assert sh(wherry, script, "--mount", f"type=volume,src=sp,dst=/x,volume-subpath={path}") == seen
    for path in ("out", "out/passwd", "up", "up/x"):
        said = refused(wherry, "--mount", f"type=volume,src=sp,dst=/x,volume-subpath={path}")
        assert "path concatenation escapes the base directory" in said
    said = refused(wherry, "--mount", "type=volume,src=sp,dst=/x,volume-subpath=none")
    assert "cannot access path" in said
    assert "no such file or directory" in said
    wherry("volume", "rm", "sp")


def test_the_local_drivers_mounts_are_seen_and_what_can_not_be_mounted_is_named(wherry: Wherry, tmp_path: Path) -> None:
    options = 'volume-opt=type=tmpfs,volume-opt=device=tmpfs,"volume-opt=o=size=1m,uid=7,mode=700,noexec"'
    seen = sh(
        wherry, "stat -c '%a %u' /x; grep ' /x ' /proc/mounts", "--mount", f"type=volume,src=ram,dst=/x,{options}"
    )
    assert seen.splitlines()[0] == "700 7"
    assert "noexec" in seen
    assert "size=1024k" in seen
    for name, given, said in (
        ("lost", ("type=none", "o=bind", "device=/nowhere/at/all"), "no such file or directory"),
        ("odd", ("type=nosuchfs", "device=x"), "no such device"),
        ("wrong", ("type=tmpfs", "device=tmpfs", "o=bogus=1"), "invalid argument"),
        (
            "far",
            ("type=nfs", "device=:/x", "o=addr=nosuch.invalid"),
            "error resolving passed in network volume address",
        ),
    ):
        wherry("volume", "create", *(word for one in given for word in ("-o", one)), name)
        text = refused(wherry, "-v", f"{name}:/x")
        assert f"error while mounting volume '{wherry.paths.volumes}/{name}/_data'" in text
        assert said in text
    (tmp_path / "empty").mkdir()
    bound = f"volume-opt=type=none,volume-opt=o=bind,volume-opt=device={tmp_path}/empty"
    sh(wherry, "true", "--mount", f"type=volume,src=bound,dst=/etc,{bound}")
    assert sorted(os.listdir(tmp_path / "empty"))[:2] == ["group", "hostname"]
    wherry("volume", "rm", "ram", "lost", "odd", "wrong", "far", "bound")


@pytest.mark.skipif("nfs" in Path("/proc/filesystems").read_text(), reason="this kernel has NFS")
def test_nfs_where_there_is_none_says_what_brings_it(wherry: Wherry) -> None:
    wherry("volume", "create", "-o", "type=nfs", "-o", "device=:/x", "-o", "o=addr=127.0.0.1,nfsvers=4", "nfs")
    said = refused(wherry, "-v", "nfs:/x")
    assert "this kernel has no nfs: no such device" in said
    assert "hint: modprobe nfs" in said
    wherry("volume", "rm", "nfs")


@pytest.mark.parametrize(
    ("options", "below"),
    [
        ("ro", "Read-only"),
        ("ro,bind-recursive=writable", ""),
        ("ro,bind-recursive=readonly,bind-propagation=rprivate", "Read-only"),
        ("ro,bind-recursive=disabled", "Read-only"),
    ],
)
def test_read_only_reaches_what_is_mounted_below_unless_told_otherwise(
    wherry: Wherry, shared: Path, options: str, below: str
) -> None:
    script = "touch /x/a 2>&1; touch /x/below/b 2>&1; true"
    seen = sh(wherry, script, "--mount", f"type=bind,src={shared},dst=/x,{options}").splitlines()
    assert "/x/a: Read-only" in seen[0]
    assert len(seen) == (2 if below else 1)


def test_mounts_travel_as_far_as_they_are_told(wherry: Wherry, shared: Path) -> None:
    wherry("run", "-d", "--name", "mover", "--network", "none", "--privileged", "-v", f"{shared}:/out:rshared",
           "-v", f"{shared}:/in:rslave", "-v", f"{shared}:/own", "busybox", "sleep", "1000")  # fmt: skip
    (shared / "made").mkdir()
    wherry("exec", "mover", "mount", "-t", "tmpfs", "frominside", "/out/made")
    subprocess.run(["mount", "-t", "tmpfs", "fromoutside", str(shared / "later")], check=True)
    assert f"frominside {shared}/made" in Path("/proc/mounts").read_text()
    seen = {line.split()[1] for line in wherry("exec", "mover", "cat", "/proc/mounts").stdout.splitlines()}
    assert {"/out/made", "/in/made", "/out/later", "/in/later"} <= seen
    assert not {"/own/made", "/own/later"} & seen
    wherry("rm", "-f", "mover")


def test_volumes_from_several_with_modes(wherry: Wherry, tmp_path: Path) -> None:
    wherry("create", "--name", "one", "-v", "first:/f", "-v", "/anon", "busybox")
    wherry("create", "--name", "two", "-v", f"{tmp_path}:/host", "-v", "second:/f", "busybox")
    script = "grep -E ' /(f|anon|host) ' /proc/mounts | cut -d' ' -f2,4 | cut -d, -f1 | sort"
    seen = sh(wherry, script, "--volumes-from", "one:ro", "--volumes-from", "two")
    assert seen.splitlines() == ["/anon ro", "/f rw", "/host rw"]
    assert sh(wherry, script, "--volumes-from", "one:ro", "-v", "mine:/f").splitlines() == ["/anon ro", "/f rw"]
    for wrong, said in (
        ("one:bogus", "invalid mode: bogus"),
        ("", "volumes-from specification cannot be an empty string"),
        (":ro", 'invalid name or ID supplied: ""'),
        ("none", "No such container: none"),
    ):
        assert said in refused(wherry, "--volumes-from", wrong)
    anonymous = [name for name in wherry("volume", "ls", "-q").stdout.split() if len(name) == 64]
    wherry("create", "--name", "heir", "--volumes-from", "one", "busybox")
    wherry("rm", "-v", "one")
    assert anonymous[0] in wherry("volume", "ls", "-q").stdout, "its heir still has it"
    wherry("rm", "-v", "heir", "two")
    assert anonymous[0] not in wherry("volume", "ls", "-q").stdout
    wherry("volume", "rm", "first", "second", "mine")


def test_rm_takes_an_anonymous_volume_of_its_own_and_none_that_it_was_given(wherry: Wherry) -> None:
    name = wherry("volume", "create").stdout.strip()
    sh(wherry, "touch /x/kept", "-v", f"{name}:/x", "-v", "/own")
    assert [one for one in wherry("volume", "ls", "-q").stdout.split() if len(one) == 64] == [name]
    wherry("volume", "rm", name)


def test_a_file_and_a_read_only_root(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("host\n")
    assert sh(wherry, "cat /etc/there; echo more >> /etc/there", "-v", f"{tmp_path}/file:/etc/there") == "host\n"
    assert (tmp_path / "file").read_text() == "host\nmore\n"
    script = "touch /d/a /t/a /f && echo wrote; touch /root/x 2>&1 || true"
    seen = sh(wherry, script, "--read-only", "-v", "data:/d", "--tmpfs", "/t", "-v", f"{tmp_path}/file:/f")
    assert seen == "wrote\ntouch: /root/x: Read-only file system\n"
    wherry("volume", "rm", "data")


def test_inspect_of_a_container_whose_host_folder_is_gone(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    wherry("create", "--name", "late", "--mount", f"type=bind,src={tmp_path}/gone,dst=/x", "busybox")
    (tmp_path / "gone").rmdir()
    assert json.loads(wherry("inspect", "late").stdout)[0]["Mounts"][0]["Source"] == f"{tmp_path}/gone"
    assert "bind source path does not exist" in wherry("start", "late", code=1).stderr
    assert not (tmp_path / "gone").exists()
    wherry("rm", "late")


def test_a_restart_by_a_monitor_that_took_over_has_the_mounts_again(wherry: Wherry) -> None:
    sh(wherry, "mkdir /d/a; echo hi > /d/a/f", "-v", "sp:/d")
    wherry("run", "-d", "--name", "again", "--network", "none", "--restart", "always",
           "--mount", "type=volume,src=sp,dst=/x,volume-subpath=a", "busybox", "sh", "-c",
           "cat /x/f >> /x/log; exec sleep 1000")  # fmt: skip
    os.kill(wherry.monitor_pid("again"), signal.SIGKILL)
    eventually(lambda: "Up" in wherry("ps").stdout and wherry.pid("again"), "somebody looks, and it is adopted")
    first = wherry.pid("again")
    os.kill(first, signal.SIGKILL)
    eventually(lambda: wherry.pid("again") not in (0, first), "it was started again")
    log = Path(wherry.paths.volumes, "sp/_data/a/log")
    eventually(lambda: log.read_text() == "hi\nhi\n", "with its subpath")
    wherry("rm", "-f", "again")
    wherry("volume", "rm", "sp")


def test_nothing_is_mounted_here_meanwhile_or_left_after_a_failed_start(wherry: Wherry) -> None:
    wherry("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "ram")
    mounts = ("-v", "ram:/r", "--mount", "type=image,src=busybox,dst=/i")
    wherry("run", "-d", "--name", "ram", "--network", "none", *mounts, "busybox", "sleep", "1000")
    assert str(wherry.root) not in Path("/proc/mounts").read_text()
    wherry("rm", "-f", "ram")
    assert wherry(*ALONE, *mounts, "busybox", "nosuch", code=127)
    eventually(lambda: not traces(wherry.paths), "nothing is left")
    wherry("volume", "rm", "ram")


def test_cp_reaches_the_subpath_of_a_container_that_does_not_run(wherry: Wherry, tmp_path: Path) -> None:
    sh(wherry, "mkdir /d/a; echo hi > /d/a/f; ln -s /etc /d/out", "-v", "sp:/d")
    mount = ("--mount", "type=volume,src=sp,dst=/x,volume-subpath=a")
    wherry("create", "--name", "still", "--network", "none", *mount, "busybox")
    wherry("cp", "still:/x/f", str(tmp_path / "f"))
    assert (tmp_path / "f").read_text() == "hi\n"
    wherry("cp", str(tmp_path / "f"), "still:/x/g")
    assert Path(wherry.paths.volumes, "sp/_data/a/g").read_text() == "hi\n"
    wherry("rm", "still")
    wherry("create", "--name", "still", "--network", "none", mount[0], mount[1][:-1] + "out", "busybox")
    assert "escapes the base directory" in wherry("cp", "still:/x/passwd", str(tmp_path / "g"), code=1).stderr
    wherry("rm", "still")
    wherry("volume", "rm", "sp")


def test_a_copy_from_the_image_that_is_killed_is_gone_on_with(wherry: Wherry) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number in range(6000):
            entry = tarfile.TarInfo(f"data/{number % 50}/{number}")
            entry.size = 1000
            tar.addfile(entry, io.BytesIO(b"x" * 1000))
    wherry("import", "-", "many", stdin=buffer.getvalue())
    wherry("create", "--name", "killed", "--network", "none", "-v", "many:/data", "many", "/none")
    starter = wherry.spawn("start", "killed")
    folder = Path(wherry.paths.volumes, "many/_data")
    eventually(lambda: folder.is_dir() and len(list(folder.glob("*/*"))) > 50, "the copy has begun")
    starter.kill()
    starter.communicate()
    wherry("run", "--rm", "--network", "none", "-v", "many:/d:nocopy", "busybox", "sh", "-c", "echo mine > /d/mine")
    wherry("start", "killed", code=None)
    assert {one.stat().st_size for one in folder.glob("*/*")} == {1000}
    assert len(list(folder.glob("*/*"))) == 6000
    assert (folder / "mine").read_text() == "mine\n"
    assert not list(folder.rglob(".wherry-copying"))
    wherry("rm", "killed")
    wherry("volume", "rm", "many")
    wherry("rmi", "many")
