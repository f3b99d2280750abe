"""`wherry logs`, and the monitor's log on a bad disk."""

from __future__ import annotations

import json
import os
import select
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs_text import PROJECT, runnable
from tests.integration.container_lab import _ENV, Wherry, add_busybox, eventually
from wherry.runtime.logs import LogQuery, read
from wherry.runtime.monitor_log import JsonFile

pytestmark = pytest.mark.requires("root", "runc", "busybox")
ALONE = ("--network", "none")


def finished(wherry: Wherry, name: str, script: str, *options: str) -> str:
    id = wherry("run", "-d", *ALONE, "--name", name, *options, "busybox", "sh", "-c", script).stdout.strip()
    wherry("wait", name)
    return id


def test_each_stream_comes_back_where_it_was_written(wherry: Wherry) -> None:
    finished(wherry, "both", "echo out; echo err >&2; printf 'no end'")
    done = wherry("logs", "both")
    assert (done.stdout, done.stderr) == ("out\nno end", "err\n")


def test_tail_timestamps_since_and_until(wherry: Wherry) -> None:
    finished(wherry, "timed", "seq 1 5; sleep 1.1; seq 6 7")
    assert wherry("logs", "--tail", "3", "timed").stdout == "5\n6\n7\n"
    assert wherry("logs", "-n", "0", "timed").stdout == ""
    assert wherry("logs", "--tail", "all", "timed").stdout == "1\n2\n3\n4\n5\n6\n7\n"
    stamps = [line.split()[0] for line in wherry("logs", "-t", "timed").stdout.splitlines()]
    assert stamps == sorted(stamps)
    assert len(stamps[0]) == len("2026-01-01T00:00:00.000000000Z")
    assert wherry("logs", "--since", stamps[5], "timed").stdout == "6\n7\n"
    assert wherry("logs", "--until", stamps[4], "timed").stdout == "1\n2\n3\n4\n5\n"


def test_follow_ends_with_the_container_and_misses_nothing(wherry: Wherry) -> None:
    wherry(
        "run", "-d", *ALONE, "--name", "talker", "busybox", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.3; done"
    )
    assert wherry("logs", "-f", "talker").stdout == "1\n2\n3\n"


def test_logs_are_bounded_and_followed_over_rotation(wherry: Wherry) -> None:
    options = ("--log-opt", "max-size=20k", "--log-opt", "max-file=3")
    script = "sleep 0.5; i=0; while [ $i -lt 1500 ]; do i=$((i+1)); echo line $i; done"
    id = wherry("run", "-d", *ALONE, "--name", "chatty", *options, "busybox", "sh", "-c", script).stdout.strip()
    followed = wherry("logs", "-f", "chatty").stdout
    files = sorted((wherry.root / "containers" / id).glob("container.log*"))
    assert len(files) == 3
    assert all(file.stat().st_size <= 20_000 for file in files)
    kept = wherry("logs", "chatty").stdout.splitlines()
    assert kept == [f"line {i}" for i in range(1501 - len(kept), 1501)]
    assert followed.splitlines()[-len(kept) :] == kept
    assert wherry("logs", "--tail", "700", "chatty").stdout.splitlines() == kept[-700:]


def test_the_file_is_dockers_json(wherry: Wherry) -> None:
    id = finished(wherry, "plain", "printf 'a\"b\\tc\\377\\n'")
    (line,) = (wherry.root / "containers" / id / "container.log").read_text().splitlines()
    doc = json.loads(line)
    assert list(doc) == ["log", "stream", "time"]
    assert doc["log"] == 'a"b\tc\ufffd\n'


def test_driver_none_keeps_nothing_and_says_so(wherry: Wherry) -> None:
    finished(wherry, "silent", "echo x", "--log-driver", "none")
    assert "does not support reading" in wherry("logs", "silent", code=1).stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A root on a file system of 8 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True)
    yield folder  # type: ignore[misc]
    for _ in range(50):
        if subprocess.run(["umount", str(folder)], check=False).returncode == 0:
            return
        time.sleep(0.1)


def test_a_full_disk_drops_lines_and_never_stops_the_container(small_disk: Path) -> None:
    wherry = Wherry(small_disk)
    add_busybox(wherry)
    script = "seq 1 3000; while ! test -e /tmp/go; do sleep 0.05; done; echo again; sleep 0.2; echo last; exit 4"
    wherry("run", "-d", *ALONE, "--name", "writer", "--tmpfs", "/tmp", "busybox", "sh", "-c", "sleep 1; " + script)
    filler = small_disk / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], capture_output=True, check=False)
    assert shutil.disk_usage(small_disk).free == 0
    time.sleep(1.5)
    assert wherry.status("writer") == "running"
    filler.unlink()
    wherry("exec", "writer", "touch", "/tmp/go")
    assert wherry("wait", "writer").stdout == "4\n"
    done = wherry("logs", "writer")
    assert done.stdout.endswith("again\nlast\n")
    assert "lines were not logged: the disk was full" in done.stderr
    wherry.remove_all()
    wherry("rmi", "-f", "busybox")


def test_the_exit_code_is_kept_on_a_disk_that_is_full_to_the_end(small_disk: Path) -> None:
    wherry = Wherry(small_disk)
    add_busybox(wherry)
    wherry("run", "-d", *ALONE, "--name", "last", "busybox", "sh", "-c", "sleep 1; seq 1 100000; exit 4")
    filler = small_disk / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], capture_output=True, check=False)
    assert shutil.disk_usage(small_disk).free == 0
    assert wherry("wait", "last").stdout == "4\n"
    assert "Exited (4)" in wherry("ps", "-a").stdout
    filler.unlink()
    wherry.remove_all()


def test_a_slow_reader_holds_only_itself_up(wherry: Wherry, make_root: Callable[[], Wherry]) -> None:
    """`attach | less`: the container goes on, and the log is whole."""
    wherry("run", "-d", *ALONE, "--name", "flood", "busybox", "sh", "-c", "sleep 0.7; seq 1 1000000; sleep 100")
    reader = wherry.spawn("attach", "flood")
    eventually(
        lambda: wherry("logs", "--tail", "1", "flood").stdout == "1000000\n", "the container was not held up", 60
    )
    reader.kill()
    reader.communicate()


class SmallLoop:
    """As the monitor's, by hand."""

    def __init__(self) -> None:
        self.calls: dict[int, Callable[[int], None]] = {}

    def watch(self, fd: int, events: int, call: Callable[[int], None]) -> None:
        self.calls[fd] = call

    def forget(self, fd: int) -> None:
        self.calls.pop(fd, None)

    def turn(self) -> None:
        for fd in select.select(list(self.calls), [], [], 60)[0]:
            self.calls[fd](1)


def compressing(folder: Path, loop: SmallLoop | None, max_files: int = 4) -> tuple[JsonFile, str]:
    path, source = str(folder / "container.log"), Path(__file__).parents[2] / "src"
    code = f"import sys; sys.path.append({str(source)!r}); from wherry.runtime.monitor_log_squeeze import main; main()"
    squeezer = [sys.executable, "-I", "-S", "-c", code]
    plan = {"path": path, "max_bytes": 2000, "max_files": max_files, "squeezer": squeezer, "attrs": {}}
    return JsonFile(plan, loop), path  # type: ignore[arg-type]


def test_older_files_are_compressed_one_by_one_and_read_all_the_same(tmp_path: Path) -> None:
    loop = SmallLoop()
    log, path = compressing(tmp_path, loop)
    for number in range(60):
        log.add("stdout", b"line %d\n" % number)
    while loop.calls:
        loop.turn()
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["container.log", "container.log.1.gz", "container.log.2.gz"]
    expected = [b"line %d\n" % number for number in range(60)]
    assert [data for _, data in read(path, LogQuery(), lambda: False)] == expected
    assert [data for _, data in read(path, LogQuery(tail=50), lambda: False)] == expected[-50:]
    for number in range(60, 120):
        log.add("stdout", b"line %d\n" % number)
    log.flush()
    names = sorted(file.name for file in tmp_path.iterdir())
    assert len(names) == 4
    assert not [name for name in names if "squeeze" in name]
    kept = [data for _, data in read(path, LogQuery(), lambda: False)]
    assert kept == [b"line %d\n" % number for number in range(120 - len(kept), 120)]
    assert len(kept) > 60


def test_compressed_files_of_a_container_are_read_followed_and_removed(wherry: Wherry) -> None:
    options = ("--log-opt", "max-size=20k", "--log-opt", "max-file=4", "--log-opt", "compress=true")
    script = "sleep 0.5; i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; done; sleep 1"
    id = wherry("run", "-d", *ALONE, "--name", "squeezed", *options, "busybox", "sh", "-c", script).stdout.strip()
    followed = wherry("logs", "-f", "squeezed").stdout.splitlines()
    assert followed[-1] == "line 3000"
    assert (wherry.root / "containers" / id / "container.log.1.gz").exists()
    kept = wherry("logs", "squeezed").stdout.splitlines()
    assert kept == [f"line {i}" for i in range(3001 - len(kept), 3001)]
    assert len(kept) > 700
    assert wherry("logs", "--tail", "600", "squeezed").stdout.splitlines() == kept[-600:]
    wherry("rm", "squeezed")
    assert not (wherry.root / "containers" / id).exists()


def test_driver_local_keeps_every_byte(wherry: Wherry) -> None:
    finished(wherry, "bytes", "printf 'a\\377\\0b\\r\\n\\033[1m'; printf e >&2", "--log-driver", "local")
    done = subprocess.run(wherry.argv("logs", "bytes"), capture_output=True, check=True, env=_ENV)
    assert (done.stdout, done.stderr) == (b"a\xff\0b\r\n\x1b[1m", b"e")
    assert wherry("logs", "--tail", "2", "bytes").stdout.startswith("\x1b[1m")


def test_logs_are_followed_over_restarts_by_policy(wherry: Wherry) -> None:
    # Differs from docker: there it ends with the first run
    script = "echo run; sleep 0.2; exit 1"
    wherry("run", "-d", *ALONE, "--name", "again", "--restart", "on-failure:2", "busybox", "sh", "-c", script)
    assert wherry("logs", "-f", "again").stdout == "run\n" * 3


def test_following_ends_when_the_container_is_removed(wherry: Wherry) -> None:
    wherry("run", "-d", *ALONE, "--name", "gone", "busybox", "sh", "-c", "echo begun; sleep 100")
    follower = wherry.spawn("logs", "-f", "gone")
    assert follower.stdout
    assert follower.stdout.readline() in ("begun\n", b"begun\n")
    wherry("rm", "-f", "gone")
    follower.communicate(timeout=20)
    assert follower.returncode == 0


def test_a_killed_monitor_loses_nothing_that_was_written(wherry: Wherry) -> None:
    script = "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo line $i; sleep 0.01; done"
    wherry("run", "-d", *ALONE, "--name", "orphan", "busybox", "sh", "-c", script)
    eventually(lambda: "line 20" in wherry("logs", "orphan").stdout, "it writes", 20)
    os.kill(wherry.monitor_pid("orphan"), signal.SIGKILL)
    wherry("ps")
    wherry("wait", "orphan")
    assert wherry("logs", "orphan").stdout.splitlines() == [f"line {i}" for i in range(1, 201)]


def receiver() -> socket.socket:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(20)
    return server


def test_driver_syslog_reaches_a_server_of_the_host_and_keeps_a_copy(wherry: Wherry) -> None:
    with receiver() as server:
        where = f"syslog-address=udp://127.0.0.1:{server.getsockname()[1]}"
        options = ("--log-driver", "syslog", "--log-opt", where, "--log-opt", "tag={{.Name}}",
                   "--log-opt", "syslog-format=rfc3164")  # fmt: skip
        # In a network of its own: it is the host's server all the same
        finished(wherry, "sender", "echo out; echo err >&2", *options)
        got = sorted(server.recv(1 << 16).decode() for _ in range(2))
    assert got[0].startswith("<27>")
    assert got[0].endswith(": err\n")
    assert " sender[" in got[1]
    assert got[1].endswith(": out\n")
    done = wherry("logs", "sender")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")
    assert json.loads(wherry("inspect", "sender").stdout)[0]["LogPath"] == ""


def test_a_syslog_server_that_does_not_read_holds_the_container_up_and_no_stop(wherry: Wherry) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        where = f"syslog-address=tcp://127.0.0.1:{server.getsockname()[1]}"
        wherry("run", "-d", *ALONE, "--name", "stuck", "--log-driver", "syslog", "--log-opt", where, "busybox", "sh",
               "-c", "yes | head -c 30000000; echo done > /end; sleep 100")  # fmt: skip
        connection = server.accept()[0]
        # What waits in memory is 1 MiB, and what is under way to the server
        eventually(lambda: len(wherry("logs", "stuck").stdout) >= 1 << 19, "it writes", 60)
        size = -1
        while size != (size := len(wherry("logs", "stuck").stdout)):
            time.sleep(0.5)
        # It waits: neither the monitor nor the server's memory took it all
        assert size < 30_000_000
        status = Path(f"/proc/{wherry.monitor_pid('stuck')}/status").read_text()
        assert int(status.partition("VmRSS:")[2].split()[0]) < 24 * 1024
        wherry("stop", "-t", "1", "stuck")
        assert wherry.status("stuck") == "exited"
        assert json.loads(wherry("inspect", "stuck").stdout)[0]["State"]["LogLinesDropped"] > 0
        connection.close()


def test_a_container_is_adopted_though_its_syslog_server_is_away(wherry: Wherry) -> None:
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    where = f"syslog-address=tcp://127.0.0.1:{server.getsockname()[1]}"
    wherry("run", "-d", *ALONE, "--name", "away", "--log-driver", "syslog", "--log-opt", where, "busybox", "sh", "-c",
           "echo before; while ! test -e /go; do sleep 0.05; done; echo after; exit 3")  # fmt: skip
    eventually(lambda: wherry("logs", "away").stdout == "before\n", "it writes", 20)
    server.close()
    os.kill(wherry.monitor_pid("away"), signal.SIGKILL)
    wherry("exec", "away", "touch", "/go")
    assert wherry("wait", "away").stdout in ("3\n", "255\n")
    assert wherry("logs", "away").stdout == "before\nafter\n"
    assert "lines were not sent to syslog" in wherry("logs", "away").stderr


def test_driver_journald_writes_to_the_journals_socket(wherry: Wherry, tmp_path: Path) -> None:
    """A journal of the test's own, in a mount namespace that only this wherry sees."""
    played = tmp_path / "played.py"
    played.write_text(
        "import socket, sys\n"
        "server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "server.bind('/run/systemd/journal/socket')\n"
        "print('ready', flush=True)\n"
        "server.settimeout(30)\n"
        "for _ in range(2):\n"
        "    sys.stdout.buffer.write(server.recv(1 << 16) + b'--\\n')\n"
    )
    line = shlex.join(
        wherry.argv("run", "--rm", *ALONE, "--name", "journaled", "--log-driver", "journald", "--label", "app=x",
                    "--log-opt", "labels=app", "busybox", "sh", "-c", "echo out; echo err >&2")
    )  # fmt: skip
    place = Path("/run/systemd")
    was_there = place.exists()
    place.mkdir(exist_ok=True)
    script = (
        "mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/journal && "
        f"{sys.executable} {played} > {tmp_path}/got & "
        f"for i in $(seq 100); do grep -q ready {tmp_path}/got 2>/dev/null && break; sleep 0.1; done; {line}; wait"
    )
    subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "bash", "-c", script],
        check=True, env=_ENV, capture_output=True, timeout=60,
    )  # fmt: skip
    if not was_there:
        place.rmdir()
    messages = (tmp_path / "got").read_text().partition("ready\n")[2].split("--\n")[:2]
    fields = [dict(row.split("=", 1) for row in message.splitlines()) for message in messages]
    assert sorted((one["MESSAGE"], one["PRIORITY"]) for one in fields) == [("err", "3"), ("out", "6")]
    assert {one["CONTAINER_NAME"] for one in fields} == {"journaled"}
    assert {one["APP"] for one in fields} == {"x"}
    assert len(fields[0]["CONTAINER_ID_FULL"]) == 64


def test_non_blocking_logs_are_written_all_the_same(wherry: Wherry) -> None:
    finished(wherry, "ringed", "seq 1 500", "--log-opt", "mode=non-blocking", "--log-opt", "max-buffer-size=1m")
    assert wherry("logs", "ringed").stdout.splitlines() == [str(i) for i in range(1, 501)]


def test_a_clock_that_jumps_a_day_breaks_neither_logs_nor_rotation(wherry: Wherry) -> None:
    """The file's own time plays the clock: the next run finds a log that seems to come from tomorrow."""
    id = finished(wherry, "jumper", "seq 1 5", "--log-opt", "max-size=2k", "--log-opt", "max-file=3")
    path = wherry.root / "containers" / id / "container.log"
    tomorrow = time.time() + 86400
    os.utime(path, (tomorrow, tomorrow))
    wherry("start", "jumper")
    wherry("wait", "jumper")
    assert path.stat().st_mode & stat.S_ISVTX
    assert wherry("logs", "--since", "1h", "jumper").stdout.split() == [str(i) for i in (*range(1, 6), *range(1, 6))]
    for _ in range(6):
        wherry("start", "jumper")
        wherry("wait", "jumper")
    kept = wherry("logs", "jumper").stdout.split()
    assert kept[-5:] == ["1", "2", "3", "4", "5"]
    assert not path.stat().st_mode & stat.S_ISVTX


def test_the_guides_commands_work(wherry: Wherry, tmp_path: Path) -> None:
    (tmp_path / "wherry").write_text("#!/bin/sh\nexec " + shlex.join(wherry.argv()) + ' "$@"\n')
    (tmp_path / "wherry").chmod(0o755)
    (block,) = runnable(PROJECT / "docs" / "logs.md")
    env = {**_ENV, "PATH": f"{tmp_path}:{_ENV['PATH']}"}
    done = subprocess.run(
        ["bash", "-euc", block.replace("IMAGE", "busybox")],
        env=env, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "app=shop,tag=web hello\n" in done.stdout
    assert "compact\n" in done.stdout
