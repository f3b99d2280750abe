"""Mounts and volumes, as the container sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry

pytestmark = pytest.mark.requires("root", "runc", "busybox")
ALONE = ("--network", "none")


def run(wherry: Wherry, *args: str) -> str:
    return wherry("run", "--rm", *ALONE, *args).stdout


def volumes(wherry: Wherry) -> list[str]:
    return wherry("volume", "ls", "-q").stdout.split()


def test_a_named_volume_outlives_its_containers(wherry: Wherry) -> None:
    run(wherry, "-v", "data:/data", "busybox", "sh", "-c", "echo kept > /data/file")
    assert run(wherry, "-v", "data:/data:ro", "busybox", "sh", "-c", "cat /data/file; touch /data/x 2>&1 || true") == (
        "kept\ntouch: /data/x: Read-only file system\n"
    )
    assert volumes(wherry) == ["data"]
    wherry("volume", "rm", "data")


def test_an_anonymous_volume_goes_with_rm_and_with_rm_v(wherry: Wherry) -> None:
    run(wherry, "-v", "/anonymous", "busybox", "touch", "/anonymous/x")
    assert volumes(wherry) == []
    wherry("create", "--name", "keeper", "-v", "/anonymous", "busybox")
    assert len(volumes(wherry)) == 1
    wherry("rm", "-v", "keeper")
    assert volumes(wherry) == []


def test_a_folder_of_the_host(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from the host\n")
    script = "cat /host/in; echo from inside > /host/out"
    assert run(wherry, "-v", f"{tmp_path}:/host", "busybox", "sh", "-c", script) == "from the host\n"
    assert (tmp_path / "out").read_text() == "from inside\n"


def test_volumes_from_gives_the_others_mounts(wherry: Wherry) -> None:
    wherry("create", "--name", "owner", "-v", "shared:/shared", "busybox")
    run(wherry, "--volumes-from", "owner", "busybox", "touch", "/shared/seen")
    assert run(wherry, "-v", "shared:/there", "busybox", "ls", "/there") == "seen\n"
    (doc,) = json.loads(wherry("inspect", "owner").stdout)
    assert [(one["Type"], one["Name"], one["Destination"]) for one in doc["Mounts"]] == [
        ("volume", "shared", "/shared")
    ]
    wherry("rm", "owner")
    wherry("volume", "rm", "shared")


def test_a_tmpfs_is_empty_and_gone_afterwards(wherry: Wherry) -> None:
    assert "tmpfs on /scratch type tmpfs" in run(wherry, "--tmpfs", "/scratch:size=1m", "busybox", "mount")


def test_another_containers_network_and_pids(wherry: Wherry) -> None:
    wherry("run", "-d", "--name", "first", "busybox", "sh", "-c", "httpd -f -p 80 -h /etc")
    done = wherry("run", "--rm", "--network", "container:first", "--pid", "container:first", "busybox", "sh", "-c",
                  "wget -qO- 127.0.0.1/group | head -1; ps | grep -c httpd")  # fmt: skip
    assert done.stdout.splitlines()[0] == "root:x:0:"
    assert int(done.stdout.splitlines()[1]) >= 1
