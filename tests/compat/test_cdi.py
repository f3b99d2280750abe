"""CDI specs through docker and wherry: the same files, the same view from inside."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.compat.sides import Docker, Side, Wherry
from tests.integration.container_lab import busybox_tar

pytestmark = pytest.mark.requires("root", "runc", "busybox", "docker", "dockerd")

LOOK = (
    "env | grep -v -e HOSTNAME -e SHLVL -e PWD | sort; "
    "ls -ln /dev/x* 2>/dev/null | awk '{print $1, $3, $4, $5, $6, $NF}'; "
    "awk '$2 ~ \"^/mnt\" {print $2, $3, $4}' /proc/mounts | sed s/,relatime.*//; id -G"
)
YAML = """
cdiVersion: 0.7.0
kind: vendor.com/yaml
annotations: {a: b}
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - {path: /dev/xzero, hostPath: /dev/zero, fileMode: 0640, gid: 7, permissions: r}
    - {path: /dev/xnumbers, type: c, major: 1, minor: 7, uid: 5}
    env: [NUMBER=0, PATH=/bin:/usr/bin]
- name: one
  containerEdits:
    env: [NUMBER=1, ONLY=one]
- name: two
  containerEdits:
    additionalGids: [0, 44, 45, 44]
containerEdits:
  env: [COMMON=yes]
  mounts:
  - {hostPath: FOLDER/file, containerPath: /mnt/deep/file, options: [ro, nosuid, nodev, bind]}
  - {hostPath: tmpfs, containerPath: /mnt, type: tmpfs, options: [size=64k, mode=755]}
"""


def spec(kind: str, name: str, *env: str) -> str:
    doc: dict[str, Any] = {"cdiVersion": "0.5.0", "kind": kind}
    return json.dumps({**doc, "devices": [{"name": name, "containerEdits": {"env": list(env)}}]})


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    folder = tmp_path_factory.mktemp("cdi")
    low, high = folder / "low", folder / "high"
    for one in (low, high):
        one.mkdir()
    (folder / "file").write_text("x")
    (low / "vendor.yaml").write_text(YAML.replace("FOLDER", str(folder)))
    (low / "rank.json").write_text(spec("vendor.com/rank", "0", "FROM=low"))
    (high / "rank.json").write_text(spec("vendor.com/rank", "0", "FROM=high"))
    for name in ("a", "b"):
        (low / f"{name}.json").write_text(spec("vendor.com/twice", "0", f"FROM={name}"))
    (low / "broken.json").write_text(spec("vendor.com/broken", "0", "NO VALUE"))
    hook = {"hooks": [{"hookName": "createRuntime", "path": "/bin/false"}]}
    failing = spec("vendor.com/hook", "0", "A=1").replace('"env"', f'{json.dumps(hook)[1:-1]}, "env"')
    (low / "hook.json").write_text(failing)
    (folder / "daemon.json").write_text(json.dumps({"features": {"cdi": True}, "cdi-spec-dirs": [str(low), str(high)]}))
    (folder / "base.tar").write_bytes(busybox_tar())
    docker = Docker(folder / "d", str(folder / "daemon.json"))
    try:
        wherry = Wherry(folder / "w")
        wherry.env["WHERRY_CDI_SPEC_DIRS"] = f"{low}:{high}"
        try:
            for side in (docker, wherry):
                side.must(f"docker import -c 'ENV PATH=/bin' {folder}/base.tar busybox")
            yield docker, wherry
        finally:
            wherry.close()
    finally:
        docker.close()


def seen(side: Side, words: str) -> tuple[int, str, str]:
    """Exit code, stdout, and the message without who says it."""
    done = side.run(f"docker run --rm --network none {words}", side.folder / "work")
    said = re.sub(r"\A(docker|wherry): (Error response from daemon: )?", "", done.stderr.decode())
    return done.returncode, done.stdout.decode(), said.partition("\n")[0].removesuffix(".")


@pytest.mark.parametrize(
    "flags",
    [
        "--device vendor.com/yaml=0",
        "--device vendor.com/yaml=one --device vendor.com/yaml=0 --device vendor.com/yaml=one",
        "--device vendor.com/yaml=0 -e NUMBER=mine -e COMMON= -e OTHER=1",
        "--device vendor.com/yaml=one --user bob",
        "--device vendor.com/yaml=0 --user 1000:10 --group-add 77",
        "--device vendor.com/yaml=0 --device /dev/null:/dev/xzero",
        "--device vendor.com/yaml=0 --privileged",
        "--device vendor.com/rank=0",
        "--device vendor.com/rank=0 --device vendor.com/yaml=one",
    ],
)
def test_a_container_looks_the_same_from_inside(both: tuple[Side, Side], flags: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        docker, wherry = pool.map(lambda side: seen(side, f"{flags} busybox sh -c {shlex.quote(LOOK)}"), both)
    assert docker[0] == 0, docker
    assert wherry[:2] == docker[:2]


def test_groups_of_a_spec_are_the_containers_and_docker_forgets_them(both: tuple[Side, Side]) -> None:
    docker, wherry = (seen(side, "--device vendor.com/yaml=two --user bob busybox id -G") for side in both)
    assert (docker[1], wherry[1]) == ("1000 10\n", "1000 10 44 45\n")


def test_a_mount_of_a_spec_is_seen_below_one_of_the_users(both: tuple[Side, Side]) -> None:
    words = "--device vendor.com/yaml=one --tmpfs /mnt/deep busybox cat /mnt/deep/file"
    docker, wherry = (seen(side, words) for side in both)
    assert (docker[0], wherry[:2]) == (1, (0, "x"))


@pytest.mark.parametrize(
    "flags",
    [
        "--device vendor.com/yaml=nope",
        "--device no.such/kind=0 --device vendor.com/yaml=0 --device vendor.com/yaml=9",
        "--device vendor.com/twice=0",
        "--device vendor.com/broken=0",
        "--device vendor.com/yaml=0:rwm",
        "--device vendor.com/yaml=",
        "--device vendor.com/=0",
    ],
)
def test_a_device_that_can_not_be_had_is_told_in_the_same_words(both: tuple[Side, Side], flags: str) -> None:
    docker, wherry = (seen(side, f"{flags} busybox true") for side in both)
    assert docker[0] == 125, docker
    assert wherry == docker


def test_a_hook_that_fails_ends_run_alike(both: tuple[Side, Side]) -> None:
    docker, wherry = (seen(side, "--device vendor.com/hook=0 busybox true") for side in both)
    assert docker[0] == wherry[0] != 0
    assert all("hook" in said for _, _, said in (docker, wherry))
