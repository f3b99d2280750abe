"""Build steps by the real runtime: what they give, and that they leave nothing, however they end."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.spec_lab import PLAIN, PREFIX, Lab
from wherry.cancel import Cancel
from wherry.errors import Cancelled, CommandNotFound, NotExecutable, RuntimeFailure
from wherry.runtime.options import RunOptions
from wherry.runtime.step import run_step, sweep_dead_steps

pytestmark = pytest.mark.requires("root", "runc", "busybox")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    one = Lab(tmp_path)
    yield one
    assert one.leftovers() == []


def until(met: Callable[[], object], timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not met():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def children_of(pid: int, word: str) -> list[int]:
    """Processes whose parent is `pid` and whose command line holds `word`."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                parent = int(Path(entry.path, "stat").read_text().rpartition(")")[2].split()[1])
                line = Path(entry.path, "cmdline").read_bytes()
            except OSError:
                continue
            if parent == pid and word.encode() in line:
                found.append(int(entry.name))
    return found


def test_a_step_gives_its_status_and_both_streams_in_order(lab: Lab) -> None:
    done = lab.shell("echo a; echo b >&2; echo c; exit 7")
    assert (done.status, done.output) == (7, "a\nb\nc\n")


SEAL = "nsexec[1]: could not ensure we are a cloned binary: Device or resource busy"


def unsealed(folder: Path, runtime: str, times: int, message: str = SEAL) -> str:
    """A runtime whose first `times` runs end as runc's do when the kernel does not let it seal its copy."""
    program = folder / "unsealed-runc"
    program.write_text(f"""#!/bin/sh
case " $* " in *" run "*|*" exec "*)
    echo x >> {folder}/runs
    if [ "$(wc -l < {folder}/runs)" -le {times} ]; then
        while [ "$1" != --log ]; do shift; done
        echo '{{"level":"fatal","msg":"{message}"}}' >> "$2"
        exit 1
    fi;;
esac
exec {runtime} "$@"
""")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(("times", "message", "runs"), [(2, SEAL, 3), (9, SEAL, 3), (9, "something else", 1)])
def test_a_runtime_that_could_not_seal_its_copy_is_asked_again_but_not_for_ever(
    lab: Lab, tmp_path: Path, times: int, message: str, runs: int
) -> None:
    lab.runtime = unsealed(tmp_path, lab.runtime, times, message)
    if times < runs:
        assert lab.shell("echo here").output == "here\n"
    else:
        with pytest.raises(RuntimeFailure):
            lab.shell("echo here")
    assert len((tmp_path / "runs").read_text().split()) == runs


def test_a_step_that_a_signal_ended_gives_128_and_the_signal(lab: Lab) -> None:
    # Not by the first process itself: the kernel spares it in its own namespace
    assert lab.shell("sh -c 'kill -9 $$'; exit $?").status == 137


def test_a_step_whose_first_process_is_killed_from_outside_gives_137(lab: Lab) -> None:
    def kill(_: bytes) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:  # "go" comes before the shell has become the sleep
            found = [pid for child in children_of(os.getpid(), "step_child") for pid in children_of(child, "sleep")]
            for pid in found:
                os.kill(pid, signal.SIGKILL)
            if found:
                return
            time.sleep(0.01)

    assert lab.run(RunOptions(command=("sh", "-c", "echo go; exec sleep 100")), on_output=kill).status == 137


def test_a_program_that_is_not_there_or_not_executable_is_told_apart(lab: Lab) -> None:
    with pytest.raises(CommandNotFound, match='exec: "nope": executable file not found in '):
        lab.run(RunOptions(command=("nope",)))
    with pytest.raises(NotExecutable, match='exec: "/etc/passwd": permission denied'):
        lab.run(RunOptions(command=("/etc/passwd",)))


def test_the_background_of_a_step_ends_with_it(lab: Lab) -> None:
    before = time.monotonic()
    assert lab.shell("sleep 100 & echo done").output == "done\n"
    assert time.monotonic() - before < 50


def test_a_great_deal_of_output_arrives_whole(lab: Lab) -> None:
    done = lab.shell("i=0; while [ $i -lt 20 ]; do head -c 100000 /dev/zero; i=$((i+1)); done")
    assert len(done.output) == 2_000_000


def test_a_step_has_a_network_of_its_own(lab: Lab) -> None:
    done = lab.shell("ls /sys/class/net; cat /sys/class/net/lo/flags /proc/sys/net/ipv4/ip_unprivileged_port_start")
    # IFF_UP and IFF_LOOPBACK
    assert done.lines == ["lo", "0x9", "0"]


def test_the_caller_may_plumb_the_network_before_the_step_starts(lab: Lab) -> None:
    seen: list[str] = []
    own = os.readlink("/proc/self/ns/net")
    lab.run(
        RunOptions(command=("true",), network="bridge"),
        on_netns=lambda pid: seen.append(os.readlink(f"/proc/{pid}/ns/net")),
    )
    assert len(seen) == 1
    assert seen[0] != own


def test_a_step_may_use_the_hosts_network(lab: Lab) -> None:
    done = lab.run(RunOptions(command=("cat", "/proc/net/dev"), network="host"))
    assert done.output.count(":") == Path("/proc/net/dev").read_text().count(":")


def test_a_failing_plumber_ends_the_step(lab: Lab) -> None:
    def fail(pid: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lab.run(RunOptions(command=("sleep", "100"), network="bridge"), on_netns=fail)


def test_a_step_that_is_cancelled_ends_at_once(lab: Lab) -> None:
    cancel = Cancel()
    with pytest.raises(Cancelled):
        lab.run(RunOptions(command=("sh", "-c", "echo go; sleep 100")), cancel=cancel, on_output=lambda _: cancel.set())


def test_a_step_that_is_cancelled_while_it_starts_leaves_nothing(lab: Lab) -> None:
    for delay in (0.0, 0.02, 0.05, 0.08):
        cancel = Cancel()
        timer = threading.Timer(delay, cancel.set)
        timer.start()
        with pytest.raises(Cancelled):
            lab.run(RunOptions(command=("sleep", "100")), cancel=cancel)
        timer.join()
        assert lab.leftovers() == []


def test_a_failing_reader_ends_the_step(lab: Lab) -> None:
    def fail(data: bytes) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        lab.run(RunOptions(command=("sh", "-c", "echo x; sleep 100")), on_output=fail)


def test_a_killed_child_takes_the_step_with_it(lab: Lab) -> None:
    def kill(_: bytes) -> None:
        for pid in children_of(os.getpid(), "step_child"):
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(RuntimeFailure, match="the process that runs the build step was killed"):
        lab.run(RunOptions(command=("sh", "-c", "echo go; sleep 100")), on_output=kill)


DRIVER = """
import os, sys
from pathlib import Path
from tests.integration.spec_lab import Lab
lab = Lab(Path(sys.argv[1]))
from wherry.runtime.options import RunOptions
started = Path(sys.argv[1], "started")
lab.run(RunOptions(command=("sh", "-c", "echo go; sleep 1000")), on_output=lambda _: started.touch())
"""


def start_a_wherry(lab: Lab) -> int:
    repo = Path(__file__).parents[2]
    folder = lab.folder / "other"
    folder.mkdir()
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{repo}/src:{repo}"}
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", DRIVER, str(folder)], env)
    until((folder / "started").exists)
    return pid


def test_a_step_dies_with_the_wherry_that_waits_for_it(lab: Lab) -> None:
    pid = start_a_wherry(lab)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    until(lambda: lab.leftovers() == [] and os.listdir(lab.folder / "other/runtime") == [])


def test_when_all_were_killed_the_next_wherry_sweeps(lab: Lab) -> None:
    pid = start_a_wherry(lab)
    other = str(lab.folder / "other/runtime")
    assert sweep_dead_steps(lab.host, lab.runtime, other, PREFIX) == []
    (child,) = children_of(pid, "step_child")
    os.kill(pid, signal.SIGSTOP)
    os.kill(child, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert len(os.listdir(other)) == 1
    assert len(sweep_dead_steps(lab.host, lab.runtime, other, PREFIX)) == 1
    until(lambda: lab.leftovers() == [] and os.listdir(other) == [])


def test_several_steps_run_side_by_side(lab: Lab) -> None:
    outputs: list[str] = []
    threads = [threading.Thread(target=lambda n=n: outputs.append(lab.shell(f"echo {n}").output)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outputs) == [f"{n}\n" for n in range(6)]


def test_a_step_holds_none_of_our_file_descriptors(lab: Lab) -> None:
    """CVE-2024-21626."""
    assert lab.shell("ls /proc/self/fd").lines[:3] == ["0", "1", "2"]
    assert len(lab.shell("ls /proc/self/fd").lines) == 4


def test_the_runtime_holds_none_of_them_either(lab: Lab) -> None:
    spy = lab.folder / "spy"
    spy.write_text("#!/bin/sh\nls -l /proc/self/fd\nexit 1\n")
    spy.chmod(0o755)
    seen: list[bytes] = []
    other = os.open(lab.folder, os.O_RDONLY)
    os.set_inheritable(other, True)
    with lab.rootfs() as rootfs_fd:
        request = lab.request(rootfs_fd, RunOptions(command=("true",)), PLAIN)._replace(runtime=str(spy))
        with pytest.raises(RuntimeFailure):
            run_step(lab.host, request, Cancel(), seen.append)
    os.close(other)
    shown = b"".join(seen).decode()
    assert "/dev/null" in shown
    assert "socket:" not in shown
    assert f"-> {lab.folder}\n" not in shown


def test_nothing_of_our_environment_reaches_a_step(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    assert "SECRET" not in lab.shell("env; cat /proc/1/environ").output


def test_a_listener_gets_the_steps_system_calls(lab: Lab) -> None:
    """What the traced cache will stand on: `listenerPath` of the seccomp profile reaches the runtime."""
    path = str(lab.folder / "listener.sock")
    received: list[bytes] = []

    def listen(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            data, fds, _, _ = socket.recv_fds(connection, 1 << 16, 4)
            received.append(data)
            for fd in fds:
                # Nobody answers any more: the call fails as if the kernel had none such
                os.close(fd)

    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": path,
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}],
    }
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        server.settimeout(30)
        thread = threading.Thread(target=listen, args=(server,))
        thread.start()
        done = lab.shell("mkdir /x && echo made", seccomp=json.dumps(profile))
        thread.join()
    assert b"seccompFd" in received[0]
    assert "Function not implemented" in done.output
