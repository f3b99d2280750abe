"""`wherry exec`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry, eventually

pytestmark = pytest.mark.requires("root", "runc", "busybox")


@pytest.fixture
def box(wherry: Wherry) -> str:
    """A running container named "box"."""
    wherry("run", "-d", "--network", "none", "--name", "box", "-e", "OWN=1", "-w", "/tmp", "busybox", "sleep", "1000")
    return "box"


def test_streams_and_exit_code(wherry: Wherry, box: str) -> None:
    done = wherry("exec", box, "sh", "-c", "echo out; echo err >&2; exit 5", code=5)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")
    assert wherry("exec", "-i", box, "cat", stdin="typed").stdout == "typed"
    assert wherry("exec", box, "cat", stdin="not for it").stdout == ""


def test_much_output_is_whole(wherry: Wherry, box: str) -> None:
    assert wherry("exec", box, "seq", "100000").stdout == "".join(f"{i}\n" for i in range(1, 100001))


@pytest.mark.parametrize(("command", "code"), [("no-such", 127), ("/etc/passwd", 126)])
def test_what_cannot_start_has_dockers_code(wherry: Wherry, box: str, command: str, code: int) -> None:
    wherry("exec", box, command, code=code)


def test_environment_user_and_folder(wherry: Wherry, box: str, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("FROM_FILE=2\n")
    done = wherry("exec", "-e", "MORE=3", "--env-file", str(file), "-u", "bob", "-w", "/etc", box, "sh", "-c",
                  "echo $OWN $FROM_FILE $MORE; id -un; pwd; echo $HOME; id -G")  # fmt: skip
    assert done.stdout.splitlines() == ["1 2 3", "bob", "/etc", "/home/bob", "1000 10"]
    assert wherry("exec", box, "pwd").stdout == "/tmp\n"
    assert "unable to find user ghost" in wherry("exec", "-u", "ghost", box, "true", code=126).stderr


def test_privileged_has_all_capabilities(wherry: Wherry, box: str) -> None:
    script = "grep CapEff /proc/self/status"
    plain = wherry("exec", box, "sh", "-c", script).stdout.split()[1]
    more = wherry("exec", "--privileged", box, "sh", "-c", script).stdout.split()[1]
    assert int(plain, 16) < int(more, 16)


def test_d_runs_in_the_background_and_leaves_nothing(wherry: Wherry, box: str) -> None:
    assert wherry("exec", "-d", box, "sh", "-c", "sleep 0.5; touch /done; seq 100000").stdout == ""
    eventually(lambda: wherry("exec", box, "test", "-e", "/done", code=None).returncode == 0, "it ran")
    run = Path(wherry.paths.run) / "c"
    eventually(lambda: [one.name for one in run.glob("*/*")] == ["attach"], "its folder is gone")


def test_it_goes_on_when_the_command_line_is_killed(wherry: Wherry, box: str) -> None:
    process = wherry.spawn("exec", box, "sh", "-c", "echo up; sleep 0.5; seq 10000; touch /finished")
    assert process.stdout
    process.stdout.readline()
    process.kill()
    process.communicate()
    eventually(lambda: wherry("exec", box, "test", "-e", "/finished", code=None).returncode == 0, "no SIGPIPE ends it")


def test_the_end_of_the_container_ends_it(wherry: Wherry, box: str) -> None:
    process = wherry.spawn("exec", box, "sh", "-c", "echo up; sleep 100")
    assert process.stdout
    process.stdout.readline()
    wherry("kill", box)
    process.communicate(timeout=20)
    assert process.returncode == 137


def test_a_container_that_does_not_run_is_refused(wherry: Wherry) -> None:
    id = wherry("create", "busybox").stdout.strip()
    assert f"container {id} is not running" in wherry("exec", id, "true", code=1).stderr


@pytest.mark.parametrize("folder", [f"/proc/self/fd/{number}" for number in (3, 7, 8, 9)])
def test_a_working_folder_never_leads_out_by_an_open_fd(wherry: Wherry, box: str, folder: str) -> None:
    """CVE-2024-21626, in exec and in run."""
    host = os.listdir("/")
    for args in (["exec", "-w", folder, box], ["run", "--rm", "--network", "none", "-w", folder, "busybox"]):
        done = wherry(*args, "ls", "../../..", code=None)
        assert done.returncode != 0 or set(done.stdout.split()) != set(host)
    wherry("exec", box, "ln", "-s", folder, "/escape")
    assert wherry("exec", "-w", "/escape", box, "cat", "../../../etc/hostname-of-host", code=None).returncode != 0
    wherry("exec", box, "rm", "/escape")
