"""`wherry logs`, and the monitor's log on a bad disk."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry, add_busybox, eventually

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
