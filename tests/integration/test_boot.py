"""After a reboot what must run runs: one is played by taking away all that a machine loses, and another boot id."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry, eventually, remove_cgroup, traces

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")
ALONE = ("--network", "none")
SLEEP = ("busybox", "sleep", "1000")
OTHER_BOOT = """
mount --make-rprivate /
printf '%s\\n' aaaaaaaa-0000-4000-8000-000000000000 > "$1"
mount --bind "$1" /proc/sys/kernel/random/boot_id
shift
exec "$@"
"""
Later = Callable[..., subprocess.CompletedProcess[str]]


def is_gone(pid: int) -> Callable[[], bool]:
    return lambda: not Path(f"/proc/{pid}/exe").exists()


def switch_off(wherry: Wherry, *names: str) -> None:
    """All processes at once, and what else lives in the kernel or in /run."""
    for name in names:
        pid, monitor = wherry.pid(name), wherry.monitor_pid(name)
        os.kill(monitor, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        eventually(is_gone(pid), "it is gone")
    for trace in traces(wherry.paths):
        kind, _, name = trace.partition(" ")
        if kind == "link":
            subprocess.run(["ip", "link", "del", name], capture_output=True, check=False)
        elif kind == "cgroup":
            remove_cgroup(name)
        elif kind == "nft":
            subprocess.run(["nft", "delete", *name.split()], check=True)
    shutil.rmtree(wherry.paths.run)


@pytest.fixture
def later(wherry: Wherry, tmp_path: Path) -> Later:
    """The command line after the reboot."""

    def run(*argv: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        shell = ["unshare", "-m", "sh", "-c", OTHER_BOOT, "sh", str(tmp_path / "boot"), *wherry.argv(*argv)]
        done = subprocess.run(shell, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == code, done.stderr
        return done

    return run


def test_after_a_boot_runs_what_must(wherry: Wherry, later: Later) -> None:
    for name, policy in (("kept", "unless-stopped"), ("always", "always"), ("failing", "on-failure"), ("once", "no"),
                         ("by-hand", "unless-stopped"), ("always-by-hand", "always")):  # fmt: skip
        wherry("run", "-d", *ALONE, "--name", name, "--restart", policy, *SLEEP)
    wherry("create", *ALONE, "--name", "new", "--restart", "always", *SLEEP)
    wherry("stop", "-t", "0", "by-hand", "always-by-hand")
    wherry("run", "-d", "--name", "web", "--restart", "always", "-p", "127.0.0.1::80", *SLEEP)
    wherry("run", "-d", "--name", "beside", "--restart", "always", "--network", "container:web", *SLEEP)
    switch_off(wherry, "kept", "always", "failing", "once", "beside", "web")
    started = later("boot", "run", "--jobs", "3").stdout.split()
    assert sorted(started) == ["always", "always-by-hand", "beside", "failing", "kept", "web"]
    assert started[-1] == "beside", "who lives in another's network comes after it"
    running = later("ps").stdout
    for name in started:
        assert name in running
    assert later("boot", "run").stdout == "", "once is enough"
    later("stop", "-t", "0", "always")
    assert later("boot", "run").stdout == "", "what was stopped since the boot stays so"
    later("rm", "-f", *started, "once", "by-hand", "new")
    eventually(lambda: not traces(wherry.paths), f"no trace: {traces(wherry.paths)}")


def test_one_that_can_not_start_holds_up_nobody(wherry: Wherry, later: Later) -> None:
    for name in ("first", "second"):
        wherry("run", "-d", *ALONE, "--name", name, "--restart", "always", "-v", f"{wherry.root}/{name}:/x", *SLEEP)
    switch_off(wherry, "first", "second")
    (wherry.root / "first").rmdir()
    (wherry.root / "first").symlink_to("/nowhere/at/all")
    done = later("boot", "run", code=1)
    assert done.stdout == "second\n"
    assert "cannot start first" in done.stderr
    (wherry.root / "first").unlink()
    assert later("boot", "run").stdout == "first\n", "the next run tries it again"
    later("rm", "-f", "first", "second")
    eventually(lambda: not traces(wherry.paths), f"no trace: {traces(wherry.paths)}")


def test_a_stop_for_the_shutdown_is_nobody_s_wish(wherry: Wherry) -> None:
    for name, policy in (("kept", "unless-stopped"), ("always", "always"), ("once", "no")):
        wherry("run", "-d", *ALONE, "--name", name, "--restart", policy, "--stop-timeout", "0", *SLEEP)
    wherry("run", "-d", *ALONE, "--name", "by-hand", "--restart", "unless-stopped", *SLEEP)
    wherry("stop", "-t", "0", "by-hand")
    assert sorted(wherry("boot", "stop").stdout.split()) == ["always", "kept", "once"]
    assert wherry("ps", "-q").stdout == "", "nothing restarts it"
    assert wherry("boot", "stop").stdout == ""
    assert sorted(wherry("boot", "run").stdout.split()) == ["always", "kept"], "in the same boot as well"
    wherry("stop", "-t", "0", "kept")
    assert wherry("boot", "run").stdout == ""
    wherry("rm", "-f", "kept", "always", "once", "by-hand")


def test_status_tells_what_the_next_boot_would_start(wherry: Wherry) -> None:
    wherry("run", "-d", *ALONE, "--name", "kept", "--restart", "unless-stopped", *SLEEP)
    wherry("run", "-d", *ALONE, "--name", "by-hand", "--restart", "on-failure:3", *SLEEP)
    wherry("stop", "-t", "0", "by-hand")
    said = wherry("boot", "status", "--init", "cron").stdout
    first, _, table = said.partition("\n")
    assert "is not there" in first
    rows = {line.split()[0]: line.split()[1:3] for line in table.splitlines() if line}
    assert rows["kept"] == ["unless-stopped", "start"]
    assert rows["by-hand"] == ["on-failure:3", "leave"]
    wherry("rm", "-f", "kept", "by-hand")


def test_a_printed_unit_is_one_for_systemd(wherry: Wherry, tmp_path: Path) -> None:
    text = wherry("boot", "--print", "--init", "systemd").stdout
    assert f"--root {wherry.root} boot run" in text
    if shutil.which("systemd-analyze"):
        (tmp_path / "wherry.service").write_text(text)
        subprocess.run(["systemd-analyze", "verify", str(tmp_path / "wherry.service")], check=True)


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [(("--init", "upstart"), 125, '"--init" flag'), (("run", "--jobs", "0"), 125, '"--jobs" flag'),
     (("run", "--jobs", "x"), 125, "invalid argument"), (("walk",), 1, "none of run, status")],
)  # fmt: skip
def test_a_wrong_word_is_named(wherry: Wherry, argv: tuple[str, ...], code: int, said: str) -> None:
    assert said in wherry("boot", *argv, code=code).stderr
