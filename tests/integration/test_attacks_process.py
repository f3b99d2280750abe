"""What a process in a container holds: capabilities, groups, a working folder and a program of its own, no more."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry

pytestmark = pytest.mark.requires("root", "runc", "busybox")

_SETS = "grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status"


def sets(text: str) -> dict[str, int]:
    return {line.split(":")[0]: int(line.split()[1], 16) for line in text.splitlines() if line.startswith("Cap")}


@pytest.fixture
def box(wherry: Wherry) -> str:
    wherry("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
    return "box"


@pytest.mark.parametrize("flags", [[], ["--cap-add", "NET_ADMIN"], ["--privileged"], ["--cap-drop", "ALL"]])
@pytest.mark.parametrize("user", ["0", "1000"])
def test_no_capability_is_inheritable_or_ambient(wherry: Wherry, box: str, flags: list[str], user: str) -> None:
    """CVE-2022-27649, CVE-2022-24769: a file with inheritable capabilities would give them to anybody."""
    held = sets(wherry("run", "--rm", "--network", "none", "-u", user, *flags, "busybox", "sh", "-c", _SETS).stdout)
    assert (held["CapInh"], held["CapAmb"]) == (0, 0)
    assert held["CapEff"] == (held["CapBnd"] if user == "0" else 0)
    for more in ([], ["--privileged"]):
        held = sets(wherry("exec", "-u", user, *more, box, "sh", "-c", _SETS).stdout)
        assert (held["CapInh"], held["CapAmb"]) == (0, 0)
        assert held["CapEff"] == (held["CapBnd"] if user == "0" else 0)


def test_a_user_has_the_groups_of_the_image_and_those_that_were_added(wherry: Wherry, box: str) -> None:
    """CVE-2022-36109: without its own group in the list, a rule that denies a group could be walked around."""
    assert wherry("run", "--rm", "--network", "none", "-u", "bob", "busybox", "id", "-G").stdout.split() == [
        "1000",
        "10",
    ]
    added = wherry("run", "--rm", "--network", "none", "-u", "bob", "--group-add", "77", "busybox", "id", "-G").stdout
    assert sorted(added.split()) == ["10", "1000", "77"]
    assert set(wherry("exec", "-u", "bob", box, "id", "-G").stdout.split()) == {"1000", "10"}
    alone = wherry("run", "--rm", "--network", "none", "-u", "1234", "busybox", "grep", "Groups", "/proc/self/status")
    assert set(alone.stdout.split()[1:]) <= {"0"}


@pytest.mark.parametrize(
    "folder",
    ["/proc/self/fd/7", "/proc/self/fd/8/../../..", "/dev/fd/9", "/proc/1/cwd", "/proc/thread-self/root", "/lnk"],
)
def test_the_folder_of_an_exec_stays_inside(wherry: Wherry, box: str, folder: str) -> None:
    """CVE-2024-21626, also by a link that the container made."""
    wherry("exec", box, "sh", "-c", "ln -s /proc/self/fd/7 /lnk; ln -s /proc/self/fd /fds")
    secret = Path("/etc/hostname").read_text().strip()
    for place in (folder, "/fds/7", "/fds/3/../.."):
        seen = wherry("exec", "-w", place, box, "sh", "-c", "cat etc/hostname ../etc/hostname hostname", code=None)
        assert secret not in seen.stdout.split()


def test_a_relative_folder_of_an_exec_is_refused(wherry: Wherry, box: str) -> None:
    assert "Cwd must be an absolute path" in wherry("exec", "-w", "rel", box, "pwd", code=126).stderr


@pytest.mark.parametrize("user", ["4294967296", "2147483648", "-1", "99999999999999999999999", "0:4294967296"])
def test_no_id_wraps_around_to_root(wherry: Wherry, box: str, user: str) -> None:
    """CVE-2024-40635, by flags of run and exec."""
    for words, code in (
        (["run", "--rm", "--network", "none", "-u", user, "busybox"], 125),
        (["exec", "-u", user, box], 126),
    ):
        seen = wherry(*words, "id", code=code)
        assert "uid=" not in seen.stdout
        assert "uids and gids must be in range 0-2147483647" in seen.stderr


def test_an_annotation_has_a_name(wherry: Wherry) -> None:
    said = wherry("create", "--network", "none", "--annotation", "=x", "busybox", code=1).stderr
    assert "invalid Annotations: the empty string is not permitted as an annotation key" in said


def test_ps_tells_in_one_line_what_it_does_not_take(wherry: Wherry, box: str) -> None:
    said = wherry("top", box, "-o", "nosuch", code=1).stderr
    assert 'unknown user-defined format specifier "nosuch"' in said
    assert "Usage" not in said


def test_only_an_annotation_becomes_one(wherry: Wherry) -> None:
    """Runtimes obey some (run.oci.*, org.systemd.property.*); labels and variables must never reach them."""
    wherry(
        "create", "--name", "box", "--network", "none", "--label", "run.oci.keep_original_groups=1", "--label",
        "org.systemd.property.TimeoutStopUSec=uint64 1", "-e", "run.oci.handler=wasm", "--annotation", "a.b=c",
        "busybox", "true",
    )  # fmt: skip
    wherry("start", "-a", "box")
    (config,) = (wherry.root / "containers").glob("*/config.json")
    assert json.loads(config.read_text())["annotations"] == {"a.b": "c"}


def test_an_executable_of_the_container_never_is_the_runtime(wherry: Wherry, box: str) -> None:
    """CVE-2019-5736: /proc/self/exe of a process that enters is a copy of the runtime, which can't be written."""
    with wherry.engine() as engine:
        runtime = engine.containers.driver.runtime.path
    before = os.stat(runtime)
    script = "for i in 1 2 3 4 5; do for e in /proc/[0-9]*/exe; do (echo x > $e) 2>/dev/null; done; done"
    wherry("exec", "-d", box, "sh", "-c", script)
    for _ in range(3):
        wherry("exec", box, "/proc/self/exe", "--version", code=None)
    after = os.stat(runtime)
    assert (before.st_ino, before.st_size, before.st_mtime_ns) == (after.st_ino, after.st_size, after.st_mtime_ns)
