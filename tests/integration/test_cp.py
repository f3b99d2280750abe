"""wherry cp with real containers, as docker 26.1 was seen to do it."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry

pytestmark = pytest.mark.requires("root", "busybox", "runc")


@pytest.fixture
def box(wherry: Wherry) -> str:
    """A running container with a folder /work."""
    wherry("run", "-d", "--network", "none", "--name", "box", "busybox", "sh", "-c",
           "mkdir -p /work/d; echo in > /work/d/x; echo hi > /work/f; ln -s /work/d /work/abs; sleep 1000")  # fmt: skip
    wherry("exec", "box", "sh", "-c", "while ! test -L /work/abs; do sleep 0.02; done")
    return "box"


def test_files_go_into_a_running_container_and_come_back(wherry: Wherry, box: str, tmp_path: Path) -> None:
    (tmp_path / "app" / "sub").mkdir(parents=True)
    (tmp_path / "app" / "sub" / "main.py").write_text("print(1)")
    (tmp_path / "app" / "run").touch(mode=0o755)
    os.chown(tmp_path / "app" / "run", 777, 888)
    done = wherry("cp", str(tmp_path / "app"), f"{box}:/work")
    assert (done.stdout, done.stderr) == ("", "")
    listed = wherry("exec", box, "stat", "-c", "%u:%g %a", "/work/app/run").stdout
    assert listed == "777:888 755\n"
    wherry("cp", f"{box}:/work/app/.", str(tmp_path / "back"))
    assert (tmp_path / "back" / "sub" / "main.py").read_text() == "print(1)"
    status = (tmp_path / "back" / "run").stat()
    assert (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())


def test_a_stopped_container_is_copied_from_and_to(wherry: Wherry, tmp_path: Path) -> None:
    wherry("create", "--network", "none", "--name", "still", "busybox", "cat", "/new")
    (tmp_path / "new").write_text("words\n")
    wherry("cp", str(tmp_path / "new"), "still:/")
    wherry("cp", "still:/new", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "words\n"
    assert wherry("start", "-a", "still").stdout == "words\n"
    wherry("cp", "still:new", str(tmp_path / "after"))
    assert (tmp_path / "after").read_text() == "words\n"


def test_tars_are_streamed_both_ways(wherry: Wherry, box: str, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as file:
        member = tarfile.TarInfo("streamed")
        member.size, member.uid = 5, 4321
        file.addfile(member, io.BytesIO(b"bytes"))
    wherry("cp", "-", f"{box}:/work/abs", stdin=packed.getvalue())
    assert wherry("exec", box, "stat", "-c", "%u %s", "/work/d/streamed").stdout == "4321 5\n"
    with open(tmp_path / "out.tar", "wb") as out, wherry.spawn("cp", f"{box}:/work/d", "-", stdout=out) as process:
        assert process.wait() == 0
    with tarfile.open(tmp_path / "out.tar") as file:
        assert sorted(file.getnames()) == ["d", "d/streamed", "d/x"]


def test_archive_mode_gives_files_to_the_containers_user(wherry: Wherry, tmp_path: Path) -> None:
    show = ["stat", "-c", "%u:%g", "/a", "/b"]
    wherry("create", "--network", "none", "--user", "1234:1235", "--name", "user", "busybox", *show)
    (tmp_path / "file").touch()
    wherry("cp", "-a", str(tmp_path / "file"), "user:/a")
    wherry("cp", str(tmp_path / "file"), "user:/b")
    assert wherry("start", "-a", "user").stdout == "1234:1235\n0:0\n"


def test_a_running_container_can_be_stopped_while_a_copy_waits(wherry: Wherry, box: str) -> None:
    with wherry.spawn("cp", "-", f"{box}:/work", stdin=subprocess.PIPE) as copying:
        assert copying.stdin
        copying.stdin.write(bytes(100))
        copying.stdin.flush()
        wherry("kill", box)
        copying.stdin.close()
        assert copying.wait() == 1


def test_archive_mode_knows_the_user_when_the_path_is_in_a_volume(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "file").touch()
    wherry(
        "create",
        "--network",
        "none",
        "--user",
        "bob",
        "--name",
        "named",
        "-v",
        f"{tmp_path}/shared:/data",
        "busybox",
    )
    wherry("cp", "-a", str(tmp_path / "file"), "named:/data")
    assert (tmp_path / "shared" / "file").stat().st_uid == 1000


def test_volumes_are_seen_running_or_not(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "kept").write_text("kept")
    (tmp_path / "file").write_text("new")
    volumes = ["-v", f"{tmp_path}/shared:/data", "-v", "/bin:/ro:ro"]
    wherry("create", "--network", "none", "--name", "vol", *volumes, "busybox", "sleep", "1000")
    wherry("cp", str(tmp_path / "file"), "vol:/data/stopped")
    wherry("cp", "vol:/data/kept", str(tmp_path / "out1"))
    assert "read-only" in wherry("cp", str(tmp_path / "file"), "vol:/ro/x", code=1).stderr
    wherry("start", "vol")
    wherry("cp", str(tmp_path / "file"), "vol:/data/running")
    assert "read-only" in wherry("cp", str(tmp_path / "file"), "vol:/ro/x", code=1).stderr
    assert sorted(os.listdir(tmp_path / "shared")) == ["kept", "running", "stopped"]
    assert (tmp_path / "out1").read_text() == "kept"


def test_a_read_only_container_takes_nothing(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    wherry("create", "--network", "none", "--read-only", "--name", "fixed", "busybox", "sleep", "1000")
    for _ in ("stopped", "running"):
        done = wherry("cp", str(tmp_path / "file"), "fixed:/etc/x", code=1)
        assert done.stderr == "wherry: container rootfs is marked read-only\n"
        wherry("start", "fixed")


@pytest.mark.parametrize(
    ("source", "dest", "message"),
    [
        ("{box}:/no", ".", "Could not find the file /no in container {box}"),
        ("file", "{box}:/no/deep", "Could not find the file /no in container {box}"),
        ("file", "{box}:/no/", "no such directory"),
        ("file", "{box}:/work/f/x", "is not a directory"),
        ("folder", "{box}:/work/f", "cannot copy directory"),
        ("nothing", "{box}:/", "nothing: no such file or directory"),
        ("{box}:/work/f", "/nowhere/x", 'invalid output path: directory "/nowhere" does not exist'),
        ("{box}:/work/f", "{box}:/x", "copying between containers is not supported"),
        ("file", "folder", "must specify at least one container source"),
        ("", "{box}:/", "source can not be empty"),
        ("{box}:/work/f", "", "destination can not be empty"),
        ("{box}:", ".", "the path is empty"),
        ("nobox:/x", ".", "No such container: nobox"),
    ],
)
def test_each_mistake_has_its_message(
    wherry: Wherry, box: str, tmp_path: Path, source: str, dest: str, message: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    words = [word.format(box=box) for word in (source, dest)]
    words = [str(tmp_path / word) if word in ("file", "folder", "nothing") else word for word in words]
    assert message.format(box=box) in wherry("cp", *words, code=1).stderr


def test_links_of_the_container_never_lead_to_this_machine(wherry: Wherry, box: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "file").write_text("new")
    wherry("exec", box, "ln", "-s", f"{tmp_path}/secret", "/work/absolute")
    wherry("exec", box, "ln", "-s", f"../../../../../../../..{tmp_path}", "/work/up")
    wherry("cp", "-L", f"{box}:/work/absolute", str(tmp_path / "got"), code=1)
    wherry("cp", f"{box}:/work/up/secret", str(tmp_path / "got"), code=1)
    wherry("cp", f"{box}:/proc/1/cwd/work/f", str(tmp_path / "got"), code=None)
    wherry("cp", str(tmp_path / "file"), f"{box}:/work/up/planted", code=1)
    assert sorted(os.listdir(tmp_path)) == ["file", "secret"]
