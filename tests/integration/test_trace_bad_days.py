"""A tracer that is killed, that hangs, that can't begin: the step ends, nothing is left, nobody trusts the trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.container_lab import eventually
from tests.integration.trace_lab import ENV, TraceLab
from wherry.cancel import Cancel
from wherry.errors import Cancelled
from wherry.host import Command
from wherry.host.linux import LinuxHost
from wherry.trace.session import Session, TraceLost, TraceUnavailable

pytestmark = pytest.mark.requires("root", "fuse")
SRC = Path(__file__).parents[2] / "src"


@pytest.fixture
def lab(tmp_path: Path) -> TraceLab:
    return TraceLab(tmp_path)


@pytest.fixture
def layer(lab: TraceLab) -> Path:
    def fill(folder: Path) -> None:
        (folder / "app").mkdir()
        (folder / "app" / "a").write_text("text\n")
        (folder / "app" / "big").write_bytes(os.urandom(1 << 22))

    return lab.layer("one", fill)


def servers() -> set[int]:
    return {pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if b"wherry.trace" in command_line(pid)}


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def children() -> set[int]:
    """This process's own servers: others may run beside us."""
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {int(pid) for pid in found} & servers()


@pytest.fixture(autouse=True)
def nothing_left(lab: TraceLab) -> Iterator[None]:
    """No process, no fd, no mount, no thread, no folder."""
    fds, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    yield
    assert not children()
    assert len(os.listdir("/proc/self/fd")) == fds
    assert threading.active_count() == threads
    assert str(lab.folder) not in Path("/proc/self/mounts").read_text()
    assert not list(lab.folder.glob("run*/work-trace"))


def test_a_server_that_is_killed_fails_the_step_and_the_trace(lab: TraceLab, layer: Path) -> None:
    with lab.session([layer]) as (session, _):
        gate = f"/proc/self/fd/{session.root_fd}/tmp/go"
        os.mkfifo(gate)
        step = lab.popen(session.root_fd, ["/bin/sh", "-c", "cat a; read -r x < /tmp/go; cat big && echo all"])
        with open(gate, "w") as go:
            (server,) = children()
            os.kill(server, signal.SIGKILL)
            eventually(lambda: not command_line(server), "the server is dead")
            go.write("\n")
        output = step.communicate(timeout=60)[0]
        assert step.returncode != 0
        assert output.startswith(b"text\n")
        assert not output.endswith(b"all\n")
        with pytest.raises(TraceLost):
            session.finish()


def test_a_server_that_hangs_is_killed_and_the_step_can_end(lab: TraceLab, layer: Path) -> None:
    with lab.session([layer], patience_s=0.3) as (session, _):
        (server,) = children()
        os.kill(server, signal.SIGSTOP)
        step = lab.popen(session.root_fd, ["/bin/sh", "-c", "cat a"])
        step.communicate(timeout=60)
        assert step.returncode != 0
        assert session.is_lost
        with pytest.raises(TraceLost, match="no answer"):
            session.finish()


def test_a_server_that_hangs_at_the_end_is_not_waited_for(lab: TraceLab, layer: Path) -> None:
    with lab.session([layer], patience_s=0.3) as (session, _):
        (server,) = children()
        os.kill(server, signal.SIGSTOP)
        with pytest.raises(TraceLost):
            session.finish()


def test_closing_needs_no_server_that_answers(lab: TraceLab, layer: Path) -> None:
    with lab.session([layer]) as (session, _):
        (server,) = children()
        os.kill(server, signal.SIGSTOP)
        session.close()
        session.close()


def test_a_process_that_a_step_left_behind_keeps_nothing_alive(lab: TraceLab, layer: Path) -> None:
    with lab.session([layer]) as (session, _):
        step = lab.popen(session.root_fd, ["/bin/sh", "-c", "cat a; exec sleep 1000"])
        eventually(lambda: command_line(step.pid).startswith(b"sleep\0"), "the step sleeps")
        seen = session.finish()
        assert b"app/a" in {look.path for look in seen.looks}
    assert not children()
    step.kill()
    step.communicate()


def test_a_builder_that_is_killed_takes_the_server_with_it(lab: TraceLab, layer: Path) -> None:
    before = servers()
    overlay = lab.overlay([layer])
    program = (
        f"import sys, time; sys.path.insert(0, {str(SRC)!r})\n"
        "from wherry.trace.session import Session\nfrom wherry.host import Overlay\n"
        "from wherry.host.linux import LinuxHost\nfrom wherry.cancel import Cancel\n"
        f"session = Session.start(LinuxHost({ENV!r}), Overlay(*{tuple(overlay)!r}), [1], Cancel())\n"
        "print('started', flush=True)\ntime.sleep(1000)\n"
    )
    builder = subprocess.Popen([sys.executable, "-I", "-c", program], stdout=subprocess.PIPE)
    assert builder.stdout
    assert builder.stdout.readline() == b"started\n"
    assert servers() - before
    builder.kill()
    builder.communicate()
    eventually(lambda: not servers() - before, "the server is gone")
    os.rmdir(f"{overlay.work}-trace")


def without_fuse(lab: TraceLab, layer: Path, prepare: str) -> str:
    """What start says in a mount namespace of its own that `prepare` (shell) has changed."""
    overlay = lab.overlay([layer])
    program = (
        f"import sys; sys.path.insert(0, {str(SRC)!r})\n"
        "from wherry.trace.session import Session, TraceUnavailable\nfrom wherry.host import Overlay\n"
        "from wherry.host.linux import LinuxHost\nfrom wherry.cancel import Cancel\n"
        f"host, overlay = LinuxHost({ENV!r}), Overlay(*{tuple(overlay)!r})\n"
        "try:\n    Session.start(host, overlay, [1], Cancel())\n"
        "except TraceUnavailable as fault:\n    print(fault.reason)\n    host.overlay(overlay)\n"
    )
    script = f'{prepare}; exec {sys.executable} -I -c "$0"'
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "/bin/sh", "-c", script, program],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_a_machine_without_fuse_says_so_and_mounts_without(lab: TraceLab, layer: Path) -> None:
    empty = "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mkdir /dev/shm"
    assert without_fuse(lab, layer, empty) == "/dev/fuse: No such file or directory\n"


def test_a_fuse_that_may_not_be_opened_is_said(lab: TraceLab, layer: Path) -> None:
    """As in a container: the node is there, and what is behind it is not."""
    dead = "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mknod /dev/fuse c 10 250 && mkdir /dev/shm"
    assert without_fuse(lab, layer, dead).startswith("/dev/fuse: ")


def test_a_layer_that_is_gone_is_no_reason_to_hang(lab: TraceLab, layer: Path) -> None:
    overlay = lab.overlay([lab.folder / "gone"])
    with pytest.raises(TraceUnavailable):
        Session.start(lab.host, overlay, [1], Cancel())


def test_an_overlay_that_can_not_be_mounted_is_told_apart(lab: TraceLab, layer: Path) -> None:
    overlay = lab.overlay([layer])
    os.rmdir(overlay.work)
    with pytest.raises(TraceUnavailable, match="overlay"):
        Session.start(lab.host, overlay, [1], Cancel())


class Dead(LinuxHost):
    """Starts another program than it was told to."""

    def spawn(
        self, command: Command, *, stdin: int = -1, stdout: int = -1, stderr: int = -1, session: bool = False
    ) -> int:
        return super().spawn(Command(["/bin/sleep", "1000" if session else "0"]), session=session)


def test_a_server_that_never_speaks_can_be_cancelled(lab: TraceLab, layer: Path) -> None:
    cancel = Cancel(timeout_s=0.2)
    with pytest.raises((Cancelled, TraceUnavailable)):
        Session.start(Dead(ENV), lab.overlay([layer]), [1], cancel)


def test_many_sessions_at_once_do_not_hear_each_other(lab: TraceLab) -> None:
    layers = [lab.layer(f"n{number}", lambda at, number=number: named(at, number)) for number in range(6)]  # type: ignore[misc]
    found: dict[int, set[bytes]] = {}

    def work(number: int) -> None:
        with lab.session([layers[number]]) as (session, _):
            fd = os.open(f"app/own{number}", os.O_RDONLY, dir_fd=session.root_fd)
            os.read(fd, 10)
            os.close(fd)
            found[number] = {look.path for look in session.finish().looks if b"own" in look.path}

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(layers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: {b"app/own%d" % number} for number in range(len(layers))}


def named(folder: Path, number: int) -> None:
    (folder / "app").mkdir()
    (folder / "app" / f"own{number}").write_text("own")


def test_sessions_one_after_the_other_leave_no_fd(lab: TraceLab, layer: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with lab.session([layer]) as (session, _overlay):
            session.finish()
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_step_that_asks_for_a_great_many_names_is_known_by_its_layers(lab: TraceLab, layer: Path) -> None:
    """More than any set may hold; the server's memory stays what it was."""
    ask = "import os\nfor n in range(100_100): os.path.exists(f'/app/none{n}')"
    with lab.session([layer]) as (session, _):
        (server,) = children()
        step = lab.popen(session.root_fd, ["/usr/bin/python3", "-SEc", ask])
        step.communicate(timeout=300)
        assert step.returncode == 0
        peak_kb = int(Path(f"/proc/{server}/status").read_text().partition("VmHWM:")[2].split()[0])
        assert session.finish().is_whole
    assert peak_kb < 64 << 10


def test_a_step_that_goes_deeper_than_a_path_can_tell_is_known_by_its_layers(lab: TraceLab) -> None:
    def deep(folder: Path) -> None:
        at = os.open(folder, os.O_RDONLY)
        for _ in range(40):
            os.mkdir("d" * 200, dir_fd=at)
            inner = os.open("d" * 200, os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = inner
        with open(os.open("end", os.O_CREAT | os.O_WRONLY, dir_fd=at), "w") as file:
            file.write("deep down\n")
        os.close(at)

    layer = lab.layer("deep", lambda at: (at / "app").mkdir())
    deep(layer / "app")
    down = f"import os\nfor n in range(40): os.chdir('{'d' * 200}')\n"
    go = f"{down}print(open('end').read(), os.listdir())\nopen('end', 'a').write('more')\nprint(open('end').read())"
    argv = ("/usr/bin/python3", "-SEc", go)
    traced, untraced = lab.traced([layer], *argv), lab.untraced([layer], *argv)
    assert traced.output == untraced.output == b"deep down\n ['end']\ndeep down\nmore\n"
    assert traced.seen
    assert traced.seen.is_whole


def test_many_processes_and_open_files_at_once(lab: TraceLab) -> None:
    def fill(folder: Path) -> None:
        (folder / "app").mkdir()
        for number in range(1500):
            (folder / "app" / f"f{number}").write_text(f"{number}\n")

    layer = lab.layer("many", fill)
    hold = (
        "import os, resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (4000, 4000))\n"
        "held = [open(f'/app/f{n}') for n in range(1500)]\n"
        "pids = []\n"
        "for part in range(40):\n"
        "    if not (pid := os.fork()):\n"
        "        assert all(int(open(f'/app/f{n}').read()) == n for n in range(part, 1500, 40))\n"
        "        os._exit(0)\n"
        "    pids.append(pid)\n"
        "assert not any(os.waitpid(pid, 0)[1] for pid in pids)\n"
        "print(sum(int(one.read()) for one in held))"
    )
    done = lab.traced([layer], "/usr/bin/python3", "-SEc", hold)
    assert done.output == b"1124250\n"
    assert done.kinds("app/f7/") == {"app/f7": "NC"}


def test_a_folder_of_ten_thousand_names_is_listed_whole(lab: TraceLab) -> None:
    def fill(folder: Path) -> None:
        (folder / "app").mkdir()
        for number in range(10_000):
            (folder / "app" / f"a-name-of-some-length-{number}").touch()

    layer = lab.layer("wide", fill)
    done = lab.traced(
        [layer], "/bin/sh", "-c", "ls | wc -l; ls | tail -1; python3 -SEc 'import os; print(len(os.listdir()))'"
    )
    assert done.output == b"10000\na-name-of-some-length-9999\n10000\n"
    assert done.kinds("app/") == {"app": "NL"}
