"""commit, diff and export of real containers, on bad days too. What docker says is in tests/compat/cases/tree.txt."""

from __future__ import annotations

import io
import os
import signal
import tarfile
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry, eventually

pytestmark = pytest.mark.requires("root", "busybox", "runc")
ALONE = ("--network", "none")


def names_in(tar: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as file:
        return file.getnames()


def exported(wherry: Wherry, name: str) -> list[str]:
    chunks = io.BytesIO()
    with wherry.engine() as engine:
        engine.containers.export(name, chunks.write)
    return names_in(chunks.getvalue())


def commit_of(wherry: Wherry, name: str, *flags: str) -> str:
    return wherry("commit", *flags, name).stdout.strip()


def test_a_killed_commit_leaves_the_container_running_and_no_image(wherry: Wherry) -> None:
    wherry(
        "run", "-d", *ALONE, "--name", "busy", "busybox", "sh", "-c", "head -c 200000000 /dev/zero > /big; sleep 100"
    )
    eventually(lambda: wherry("exec", "busy", "stat", "-c", "%s", "/big", code=None).stdout == "200000000\n", "written")
    before = wherry("images", "-qa").stdout
    committing = wherry.spawn("commit", "busy", "never:1")
    eventually(lambda: wherry.status("busy") == "paused", "it is paused while it is read")
    committing.send_signal(signal.SIGKILL)
    committing.communicate()
    eventually(lambda: wherry.status("busy") == "running", "it runs again, with nobody's help")
    assert wherry("images", "-qa").stdout == before
    assert commit_of(wherry, "busy", "-p=false").startswith("sha256:")
    assert not list(Path(wherry.paths.root, "tmp").iterdir()), "what the killed one staged is swept"


def test_a_file_that_no_layer_can_hold_is_named_and_the_container_goes_on(wherry: Wherry) -> None:
    wherry("run", "-d", *ALONE, "--name", "odd", "busybox", "sh", "-c", "touch /tmp/.wh.x; sleep 100")
    eventually(lambda: "/tmp/.wh.x" in wherry("diff", "odd").stdout, "the file is there")
    done = wherry("commit", "odd", code=1)
    assert "/tmp/.wh.x can't be kept in a layer" in done.stderr
    assert wherry.status("odd") == "running"


def test_links_in_the_place_of_folders_lead_nowhere(wherry: Wherry, tmp_path: Path) -> None:
    """What a start made is looked for below the container's root alone, whatever /etc and /dev became."""
    (tmp_path / "hosts").touch()
    script = f"mv /etc /was; ln -s {tmp_path} /etc; rm -rf /home; ln -s /root /home"
    wherry("run", *ALONE, "--name", "link", "busybox", "sh", "-c", script, code=None)
    wherry("start", "link", code=None)
    image = commit_of(wherry, "link")
    assert (tmp_path / "hosts").exists()
    assert "/was/passwd" in wherry("image", "diff", "busybox", image).stdout


def test_the_same_changes_make_the_same_layer(wherry: Wherry) -> None:
    """Two commits of one container differ in their history alone."""
    script = "mkdir -p /d/e; echo 1 > /d/f; ln /d/f /d/g; ln -s f /d/l; rm -r /home; mkdir /home; mkfifo /p"
    wherry("run", *ALONE, "--name", "twice", "busybox", "sh", "-c", script)
    layers = []
    for image in (commit_of(wherry, "twice"), commit_of(wherry, "twice", "-m", "other")):
        with wherry.engine() as engine:
            layers.append(engine.images.resolve(image).layers)
    assert layers[0] == layers[1]
    assert len(layers[0]) == 2
    listed = wherry(
        "run", "--rm", *ALONE, commit_of(wherry, "twice"), "sh", "-c", "ls /home; stat -c %h /d/f; cat /d/l"
    )
    assert listed.stdout == "2\n1\n"


def test_an_export_of_a_running_container_shows_its_own_files_only(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("host's")
    mounts = ("-v", f"{tmp_path}:/etc/here", "--tmpfs", "/run")
    wherry("run", "-d", *ALONE, *mounts, "--name", "own", "busybox", "sh", "-c", "touch /run/x /mine; sleep 100")
    eventually(lambda: "A /mine" in wherry("diff", "own").stdout, "it wrote")
    names = exported(wherry, "own")
    assert "mine" in names
    assert "etc/here" in names
    assert not [name for name in names if name.startswith(("etc/here/", "run/", "proc/", "sys/"))]


def test_an_export_survives_the_death_of_the_monitor(wherry: Wherry) -> None:
    wherry("run", "-d", *ALONE, "--name", "orphan", "busybox", "sh", "-c", "touch /mine; sleep 100")
    eventually(lambda: "A /mine" in wherry("diff", "orphan").stdout, "it wrote")
    os.kill(wherry.monitor_pid("orphan"), signal.SIGKILL)
    assert "mine" in exported(wherry, "orphan")


def test_export_writes_a_file_whole_or_not_at_all(wherry: Wherry, tmp_path: Path) -> None:
    wherry("create", *ALONE, "--name", "still", "busybox", "true")
    wherry("export", "-o", str(tmp_path / "x.tar"), "still")
    assert "bin/busybox" in names_in((tmp_path / "x.tar").read_bytes())
    assert "No such container: nobody" in wherry("export", "-o", str(tmp_path / "y.tar"), "nobody", code=1).stderr
    assert "cannot save to" in wherry("export", "-o", str(tmp_path / "no" / "z.tar"), "still", code=1).stderr
    assert [one.name for one in tmp_path.iterdir()] == ["x.tar"]
    shown = wherry.terminal("export", "still")
    shown.read_until("cowardly refusing to save to a terminal")
    assert shown.wait() == 1


def test_an_image_without_layers_can_be_committed(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text('FROM scratch\nCMD ["/x"]\n')
    wherry("build", "-t", "bare", str(tmp_path))
    wherry("create", *ALONE, "--name", "bare", "bare")
    (tmp_path / "x").write_text("x")
    wherry("cp", str(tmp_path / "x"), "bare:/x")
    assert wherry("diff", "bare").stdout == "A /x\n"
    image = commit_of(wherry, "bare")
    with wherry.engine() as engine:
        assert len(engine.images.resolve(image).layers) == 1


def test_names_of_files_steer_no_terminal(wherry: Wherry) -> None:
    wherry("run", *ALONE, "--name", "liar", "busybox", "sh", "-c", r'touch "$(printf "/x\033[31m\nB y")"')
    terminal = wherry.terminal("diff", "liar")
    assert terminal.wait() == 0
    assert terminal.seen.splitlines() == ["A /x\ufffd[31m\ufffdB y"]
    assert wherry("diff", "liar").stdout == "A /x\x1b[31m\nB y\n", "a pipe gets the names as they are, as docker's"
