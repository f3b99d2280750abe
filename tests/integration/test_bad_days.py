"""Days on which everything goes wrong at once: kills, full disks, crowds, a machine that was switched off.

Each seed of chance is new and printed: pytest shows it when the test fails.
"""

from __future__ import annotations

import glob
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.integration.container_lab import Wherry, add_busybox, eventually, remove_cgroup, traces
from wherry.errors import DiskFull
from wherry.oci.digest import DiffID
from wherry.runtime.options import RunOptions
from wherry.store.db import Database

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")
ALONE = ("--network", "none")
DOCKERFILE = """FROM busybox AS one
RUN mkdir /d && seq 1 200 > /d/one && sleep 0.05
FROM busybox
WORKDIR /app
COPY . .
RUN cat file* > all; ip link > /dev/null; sleep 0.05
COPY --from=one /d /d
RUN --network=none rm file1; sleep 0.05
"""


def chance() -> random.Random:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)


def family(pid: int) -> list[int]:
    """The process and all below it, eldest first."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *(one for child in children for one in family(int(child)))]


def context(folder: Path) -> Path:
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    for number in range(20):
        (folder / f"file{number}").write_text(str(number) * 2000)
    return folder


def work_left(wherry: Wherry) -> list[str]:
    """What of a build or a load lies in the root and nobody owns any more."""
    steps = Path(wherry.paths.run) / "steps"
    return [*os.listdir(wherry.paths.tmp), *(os.listdir(steps) if steps.exists() else [])]


def is_whole(wherry: Wherry, image: str) -> bool:
    """Its layers hash to their names."""

    def digest(diff_id: DiffID) -> str:
        found = sha256()
        engine.layers.write_tar(diff_id, found.update)
        return f"sha256:{found.hexdigest()}"

    with wherry.engine() as engine:
        return all(digest(one) == one for one in engine.image_store.resolve(image).layers)


def test_kill_9_of_any_process_of_a_build_leaves_nothing(wherry: Wherry, tmp_path: Path) -> None:
    here, dice = context(tmp_path / "context"), chance()
    expected = wherry("build", "-q", str(here)).stdout
    for round_ in range(50):
        (here / "file0").write_text(str(round_))  # work that no cache saves
        build = wherry.spawn("build", "--progress", "plain", str(here))
        time.sleep(dice.uniform(0.05, 0.7))
        with suppress(ProcessLookupError):
            os.kill(dice.choice(family(build.pid)), signal.SIGKILL)
        _, said = build.communicate(timeout=60)
        assert b"Traceback" not in said, said.decode()
    (here / "file0").write_text("0" * 2000)
    assert wherry("build", "-q", str(here)).stdout == expected
    assert wherry("build", "-q", "--no-cache", str(here)).stdout == expected
    assert is_whole(wherry, expected.strip())
    eventually(lambda: not traces(wherry.paths), f"no trace: {traces(wherry.paths)}")
    assert work_left(wherry) == []


def test_kill_9_of_any_process_of_a_run_in_a_crowd_leaves_nothing(wherry: Wherry) -> None:
    """Five at a time, published and with a volume each, one of their processes killed."""
    dice = chance()
    volumes = wherry("volume", "ls", "-q").stdout

    def one(number: int) -> None:
        moment, which = dice.uniform(0.03, 0.6), dice.random()
        run = wherry.spawn(
            "run", "--rm", "-p", "127.0.0.1::80", "-v", "/data", "busybox", "sh", "-c", "echo; sleep 0.1"
        )
        time.sleep(moment)
        whole = family(run.pid)
        with suppress(ProcessLookupError):
            os.kill(whole[int(which * len(whole))], signal.SIGKILL)
        said = run.communicate(timeout=60)[1]
        assert b"Traceback" not in said, f"{number}: {said.decode()}"

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(one, range(50)))
    eventually(lambda: not wherry("ps", "-aq").stdout, "all are gone")
    eventually(lambda: not traces(wherry.paths), f"no trace: {traces(wherry.paths)}")
    assert wherry("volume", "ls", "-q").stdout == volumes
    assert wherry("run", "--rm", "-p", "127.0.0.1::80", "busybox", "echo", "well").stdout == "well\n"


def test_prune_takes_nothing_from_those_at_work(make_root: Callable[[], Wherry], tmp_path: Path) -> None:
    wherry, here = make_root(), context(tmp_path / "context")
    wherry("create", *ALONE, "--name", "keeper", "busybox", "true")
    stop = False

    def prune() -> None:
        while not stop:
            wherry("system", "prune", "-f")

    def build(number: int) -> str:
        return wherry("build", "-q", "--no-cache", "-t", f"built{number}", str(here)).stdout

    def run(number: int) -> str:
        return wherry("run", "--rm", "busybox", "echo", str(number)).stdout

    with ThreadPoolExecutor(8) as pool:
        pruning = pool.submit(prune)
        builds = [pool.submit(build, number) for number in range(4)]
        runs = [pool.submit(run, number) for number in range(8)]
        assert [job.result() for job in runs] == [f"{number}\n" for number in range(8)]
        assert len({job.result() for job in builds}) == 1
        stop = True
        pruning.result()
    assert is_whole(wherry, "built0")
    assert wherry("run", "--rm", *ALONE, "built0", "cat", "/d/one").stdout.endswith("200\n")


def test_a_name_or_a_port_that_many_want_is_got_by_one(wherry: Wherry) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    publish = ("-p", f"127.0.0.1:{port}:80")
    with ThreadPoolExecutor(8) as pool:
        named = ("run", "-d", *ALONE, "--name", "only", "busybox", "sleep", "60")
        jobs = [pool.submit(wherry, *named, code=None) for _ in range(8)]
        done = [job.result() for job in jobs]
        assert sorted(one.returncode for one in done) == [0] + [125] * 7
        assert all('"/only" is already in use' in one.stderr for one in done if one.returncode)
        jobs = [pool.submit(wherry, "run", "-d", *publish, "busybox", "sleep", "60", code=None) for _ in range(8)]
        done = [job.result() for job in jobs]
    assert sorted(one.returncode for one in done) == [0] + [125] * 7
    assert all(str(port) in one.stderr for one in done if one.returncode)


def test_two_roots_share_neither_names_nor_volumes_but_the_ports(
    wherry: Wherry, make_root: Callable[[], Wherry]
) -> None:
    other = make_root()
    server = ("busybox", "sh", "-c", "while :; do echo hello | nc -l -p 80; done")
    wherry("run", "-d", "--name", "api", "-v", "data:/data", "-p", "127.0.0.1::80", *server)
    port = wherry("port", "api", "80").stdout.strip().rpartition(":")[2]
    done = other("run", "-d", "--name", "api", "-v", "data:/data", "-p", f"127.0.0.1:{port}:80", *server, code=125)
    assert port in done.stderr
    other("rm", "-f", "api")
    other("run", "-d", "--name", "api", "-v", "data:/data", "-p", "127.0.0.1::80", *server)
    assert other("ps", "-q").stdout != wherry("ps", "-q").stdout
    other("system", "prune", "-f")
    other("rm", "-f", "-v", "api")
    assert wherry("ps", "--format", "json").stdout.count("api") >= 1
    with socket.create_connection(("127.0.0.1", int(port)), timeout=5) as client:
        assert client.recv(100) == b"hello\n"
    eventually(lambda: not traces(other.paths), f"the other leaves nothing: {traces(other.paths)}")
    wherry("rm", "-f", "api")
    wherry("volume", "rm", "data")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Wherry]:
    """A root on a disk of 12 MB, with the image."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "wherry-test", str(disk)], check=True)
    there = Wherry(disk / "root")
    try:
        add_busybox(there)
        yield there
        there.remove_all()
    finally:
        eventually(lambda: subprocess.run(["umount", str(disk)], check=False).returncode == 0, "the disk is free")
        shutil.rmtree(there.paths.run, ignore_errors=True)


def fill(there: Wherry) -> Path:
    filler = there.root.parent / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], capture_output=True, check=False)
    assert shutil.disk_usage(there.root).free == 0
    return filler


def test_a_full_disk_is_said_and_what_is_there_can_still_be_removed(small: Wherry, tmp_path: Path) -> None:
    small("run", "-d", *ALONE, "--name", "runs", "busybox", "sleep", "100")
    small("create", *ALONE, "--name", "waits", "busybox", "true")
    small("volume", "create", "vol")
    here = context(tmp_path / "context")
    filler = fill(small)
    for argv, code in (
        (["run", "--rm", *ALONE, "busybox", "true"], 125), (["run", "-d", "busybox", "true"], 125),
        (["create", "busybox"], 1), (["start", "waits"], 1), (["build", "-q", str(here)], 1),
        (["tag", "busybox", "more"], 1), (["save", "-o", str(small.root.parent / "all.tar"), "busybox"], 1),
    ):  # fmt: skip
        said = small(*argv, code=code).stderr
        assert "o space left on" in said, argv
        assert "hint: " in said
        assert "Traceback" not in said
    assert "Up " in small("ps").stdout
    assert small("exec", "runs", "echo", "in").stdout == "in\n"
    small("stop", "-t", "0", "runs")
    assert "Exited (137)" in small("ps", "-a").stdout
    small("rm", "runs")
    small("rm", "waits")
    small("volume", "rm", "vol")
    assert not small("ps", "-aq").stdout
    eventually(lambda: not traces(small.paths), f"no trace: {traces(small.paths)}")
    assert work_left(small) == []
    assert sorted(os.listdir(small.root.parent)) == ["filler", "root"]
    filler.unlink()
    assert small("run", "--rm", "busybox", "echo", "room").stdout == "room\n"


def test_a_disk_that_fills_up_while_a_container_writes_is_the_containers_affair(small: Wherry) -> None:
    done = small("run", "--rm", *ALONE, "busybox", "dd", "if=/dev/zero", "of=/big", "bs=64k", code=1)
    assert "No space left on device" in done.stderr
    eventually(lambda: not traces(small.paths), f"no trace: {traces(small.paths)}")
    assert shutil.disk_usage(small.root).free > 4 << 20


class FullOnceItRuns(Database):
    """The state database of a disk that a container fills up the moment it starts."""

    def write(self) -> Any:
        if glob.glob(f"{os.path.dirname(self.path)}/containers/*/run.json"):
            raise DiskFull("No space left on device: writing state.db")
        return super().write()


def test_a_disk_that_is_full_at_once_loses_no_container(small: Wherry) -> None:
    options = RunOptions(name="greedy", command=("sleep", "1000"), network="none")
    with small.engine() as engine:
        engine.db = FullOnceItRuns(small.paths.database)
        id, code = engine.containers.run("busybox", options)
    assert code is None
    assert id in small("ps", "-q", "--no-trunc").stdout
    assert small("exec", "greedy", "echo", "in").stdout == "in\n"
    small("rm", "-f", "greedy")
    assert not small("ps", "-aq").stdout


def test_a_container_that_filled_the_disk_can_be_listed_and_removed(small: Wherry) -> None:
    script = "dd if=/dev/zero of=/big bs=64k; sleep 100"
    small("run", "-d", *ALONE, "--name", "greedy", "busybox", "sh", "-c", script)
    eventually(lambda: shutil.disk_usage(small.root).free == 0, "it is full")
    os.kill(small.monitor_pid("greedy"), signal.SIGKILL)
    os.kill(small.pid("greedy"), signal.SIGKILL)
    assert "greedy" in small("ps", "-a").stdout
    small("rm", "-f", "greedy")
    assert not small("ps", "-aq").stdout
    eventually(lambda: not traces(small.paths), f"no trace: {traces(small.paths)}")
    assert small("run", "--rm", *ALONE, "busybox", "echo", "room").stdout == "room\n"


def test_a_disk_that_fills_up_during_an_import_is_given_back(small: Wherry, tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(tmp_path / "big.tar", "w") as tar:
        (tmp_path / "big").write_bytes(random.Random(1).randbytes(20 << 20))
        tar.add(tmp_path / "big", "big")
    free = shutil.disk_usage(small.root).free
    said = small("import", str(tmp_path / "big.tar"), "big", code=1).stderr
    assert "o space left on" in said
    assert work_left(small) == []
    assert shutil.disk_usage(small.root).free > free - (1 << 20)
    assert "big" not in small("images").stdout


OTHER_BOOT = """
mount --make-rprivate /
printf '%s\\n' aaaaaaaa-0000-4000-8000-000000000000 > "$1"
mount --bind "$1" /proc/sys/kernel/random/boot_id
shift
exec "$@"
"""


def test_after_the_machine_was_switched_off_everything_is_seen_as_it_is(wherry: Wherry, tmp_path: Path) -> None:
    """The processes, links, rules and /run are gone, the boot has another name; what is on the disk stands."""

    def later(*argv: str) -> subprocess.CompletedProcess[str]:
        shell = ["unshare", "-m", "sh", "-c", OTHER_BOOT, "sh", str(tmp_path / "boot"), *wherry.argv(*argv)]
        done = subprocess.run(shell, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done

    echo = "echo up; while :; do echo hello | nc -l -p 80; done"
    wherry("run", "-d", "--name", "served", "-v", "kept:/kept", "-p", "127.0.0.1::80", "busybox", "sh", "-c", echo)
    wherry("run", "-d", *ALONE, "--name", "always", "--restart", "always", "busybox", "sleep", "100")
    wherry("run", "-d", *ALONE, "--rm", "--name", "brief", "busybox", "sleep", "100")
    wherry("exec", "served", "sh", "-c", "echo data > /kept/file; echo mine > /file")
    eventually(lambda: wherry("logs", "served").stdout == "up\n", "it serves")
    for name in ("served", "always", "brief"):
        pid, monitor = wherry.pid(name), wherry.monitor_pid(name)
        os.kill(monitor, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda pid=pid: not Path(f"/proc/{pid}/exe").exists(), "it is gone")
    for trace in traces(wherry.paths):
        kind, _, name = trace.partition(" ")
        if kind == "link":
            subprocess.run(["ip", "link", "del", name], capture_output=True, check=False)
        elif kind == "cgroup":
            remove_cgroup(name)
        elif kind == "nft":
            subprocess.run(["nft", "delete", *name.split()], check=True)
    shutil.rmtree(wherry.paths.run)
    listed = later("ps", "-a").stdout
    assert listed.count("Exited (255)") == 2
    assert "brief" not in listed, "--rm holds over a reboot"
    (doc,) = json.loads(later("inspect", "served").stdout)
    assert "machine was restarted" in doc["State"]["Error"]
    assert later("logs", "served").stdout == "up\n"
    later("start", "served", "always")
    assert later("exec", "served", "cat", "/kept/file", "/file").stdout == "data\nmine\n"
    port = later("port", "served", "80").stdout.strip().rpartition(":")[2]

    def answer() -> bytes:
        with suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), timeout=2) as client:
            return client.recv(100)
        return b""

    eventually(lambda: answer() == b"hello\n", "its port answers again")
    later("rm", "-f", "served", "always")
    later("volume", "rm", "kept")
    eventually(lambda: not traces(wherry.paths), f"no trace: {traces(wherry.paths)}")
