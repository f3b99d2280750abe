"""Volumes and bind mounts through the command line: what a container sees, and what outlives it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")
ALONE = ("run", "--rm", "--network", "none")


def sh(wherry: Wherry, script: str, *options: str, code: int = 0) -> str:
    return wherry(*ALONE, *options, "busybox", "sh", "-c", script, code=code).stdout


def names(wherry: Wherry) -> list[str]:
    return wherry("volume", "ls", "-q").stdout.split()


def test_a_named_volume_outlives_its_containers(wherry: Wherry) -> None:
    sh(wherry, "echo kept > /data/a", "-v", "keep:/data")
    assert sh(wherry, "cat /data/a", "-v", "keep:/data") == "kept\n"
    sh(wherry, "echo no > /data/a", "-v", "keep:/data:ro", code=1)
    assert sh(wherry, "cat /data/a", "--mount", "type=volume,src=keep,dst=/data") == "kept\n"
    assert wherry("volume", "rm", "keep").stdout == "keep\n"
    assert "keep" not in names(wherry)


def test_a_new_volume_gets_the_images_content_with_owner_and_mode(wherry: Wherry) -> None:
    assert "wheel" in sh(wherry, "cat /etc/group", "-v", "etc:/etc")
    assert "wheel" in sh(wherry, "cat /other/group", "-v", "etc:/other")
    assert sh(wherry, "ls /home", "-v", "full:/home") == "bob\n"
    assert sh(wherry, "ls /home", "-v", "bare:/home:nocopy") == ""
    assert sh(wherry, "stat -c %a /tmp", "-v", "sticky:/tmp") == "1777\n"
    wherry("volume", "rm", "etc", "full", "bare", "sticky")


def test_anonymous_volumes_go_with_rm_and_named_ones_stay(wherry: Wherry) -> None:
    before = names(wherry)
    sh(wherry, "touch /anon/a", "-v", "/anon", "-v", "stays:/data")
    assert names(wherry) == sorted([*before, "stays"])
    wherry("create", "--name", "holder", "-v", "/anon", "-v", "stays:/data", "busybox")
    assert len(names(wherry)) == len(before) + 2
    wherry("rm", "holder")
    assert len(names(wherry)) == len(before) + 2, "rm without -v keeps it"
    assert "Deleted Volumes:" in wherry("volume", "prune", "-f").stdout
    assert names(wherry) == sorted([*before, "stays"])
    wherry("volume", "rm", "stays")


def test_a_volume_in_use_says_by_whom(wherry: Wherry) -> None:
    id = wherry("create", "--name", "user", "-v", "busy:/data", "busybox").stdout.strip()
    done = wherry("volume", "rm", "busy", code=1)
    assert f"remove busy: volume is in use - [{id}]" in done.stderr
    wherry("rm", "user")
    wherry("volume", "rm", "busy")


def test_a_host_folder_is_seen_both_ways_and_read_only_holds(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("host")
    assert sh(wherry, "cat /x/in; echo container > /x/out", "-v", f"{tmp_path}:/x") == "host"
    assert (tmp_path / "out").read_text() == "container\n"
    sh(wherry, "touch /x/never", "-v", f"{tmp_path}:/x:ro", code=1)
    sh(wherry, "touch /x/made", "-v", f"{tmp_path}/new/folder:/x")
    assert (tmp_path / "new" / "folder" / "made").exists()
    done = wherry(*ALONE, "--mount", f"type=bind,src={tmp_path}/nope,dst=/x", "busybox", "true", code=125)
    assert f"bind source path does not exist: {tmp_path}/nope" in done.stderr
    assert not (tmp_path / "nope").exists()


def test_options_of_the_local_driver_make_binds_and_memory(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("bound")
    wherry("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", f"device={tmp_path}", "bound")
    wherry("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m", "ram")
    assert sh(wherry, "cat /b/a; grep -c ' /r tmpfs .*size=1024k' /proc/mounts", "-v", "bound:/b", "-v", "ram:/r") == (
        "bound1\n"
    )
    wherry("volume", "rm", "bound", "ram")
    assert (tmp_path / "a").read_text() == "bound"


def test_a_restart_keeps_the_anonymous_volume(wherry: Wherry) -> None:
    wherry("run", "--network", "none", "--name", "twice", "-v", "/data", "busybox", "sh", "-c", "echo x >> /data/log")
    wherry("start", "-a", "twice")
    source = json.loads(wherry("inspect", "twice").stdout)[0]["Mounts"][0]["Source"]
    assert Path(source, "log").read_text() == "x\nx\n"
    wherry("rm", "-v", "twice")
    assert not os.path.exists(source)


def test_the_output_is_dockers(wherry: Wherry) -> None:
    assert wherry("volume", "create", "--label", "a=b", "shown").stdout == "shown\n"
    assert wherry("volume", "ls", "-f", "label=a=b").stdout == "DRIVER    VOLUME NAME\nlocal     shown\n"
    found = json.loads(wherry("volume", "inspect", "shown").stdout)[0]
    assert found["Mountpoint"] == f"{wherry.paths.volumes}/shown/_data"
    assert (found["Driver"], found["Labels"], found["Options"], found["Scope"]) == ("local", {"a": "b"}, None, "local")
    assert "did you mean shown?" in wherry("volume", "inspect", "show", code=1).stderr
    assert "invalid characters" in wherry("volume", "create", "a/b", code=1).stderr
    assert wherry("volume", "rm", "shown").stdout == "shown\n"
