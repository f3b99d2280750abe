"""kill -9, races and a full disk: the next command finds a store that it can use."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.store import archives
from wherry.engine import Engine
from wherry.host import Mount
from wherry.host.linux import LinuxHost
from wherry.settings import Paths, Settings

pytestmark = pytest.mark.requires("root")
SETTINGS = """
import sys
from wherry.engine import Engine
from wherry.host.linux import LinuxHost
from wherry.settings import Paths, Settings
root, archive = sys.argv[1:3]
engine = Engine(Settings(Paths(root, root + "-run"), {}, 0, "/", jobs=2), LinuxHost({}))
"""
CHURN = f"""{SETTINGS}
print("ready", flush=True)
while True:
    for image, names in engine.images.load(archive):
        engine.images.tag(image.id, "other:2")
        engine.images.remove("app:1")
        with engine.leases.hold("a build") as lease, engine.layers.workdir() as folder:
            import os
            os.mkdir(folder + "/fs")
            open(folder + "/fs/made", "w").close()
            from wherry.image.tar import pack
            diff_id, size = pack.diff_id(folder + "/fs")
            engine.layers.commit(folder, diff_id, size, lease)
        engine.images.remove(image.id, force=True)
"""
LOAD_AND_CHECK = f"""{SETTINGS}
sys.stdin.readline()
for _ in range(8):
    for image, names in engine.images.load(archive):
        with engine.leases.hold("check") as lease:
            lease.add_layer(*image.layers)
            if all(map(engine.layers.has, image.layers)):
                for diff_id in image.layers:
                    engine.layers.write_tar(diff_id, lambda chunk: None)
    engine.collector.collect()
print("done")
"""


def open_engine(root: Path) -> Engine:
    return Engine(Settings(Paths(str(root), f"{root}-run"), {}, 0, "/", jobs=2), LinuxHost({}))


@pytest.fixture
def archive(tmp_path: Path) -> str:
    big = archives.layer_tar(**{f"etc__file{i}": "text" * i for i in range(200)})
    return archives.tar(archives.layout(big, archives.layer_tar(app="x" * 300_000)), tmp_path / "in.tar")


def check(root: Path) -> None:
    """What the next command does: collect, list, and give out every layer."""
    with open_engine(root) as engine:
        engine.collector.collect()
        for image in engine.images.list():
            assert engine.images.config(image.id).diff_ids == image.layers
            for diff_id in image.layers:
                engine.layers.write_tar(diff_id, lambda _: None)
        kept = {diff_id for image in engine.images.list() for diff_id in image.layers}
        assert set(engine.layers.all()) == kept
        tmp = engine.settings.paths.tmp
        assert not os.path.isdir(tmp) or os.listdir(tmp) == []
        assert engine.db.read().execute("SELECT count(*) FROM lease").fetchone() == (0,)
        assert engine.db.read().execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_kill_9_at_any_moment_leaves_a_store_that_the_next_command_uses(tmp_path: Path, archive: str) -> None:
    root = tmp_path / "root"
    for seed in range(40):
        delay = random.Random(seed).uniform(0, 0.12)
        child = subprocess.Popen(
            [sys.executable, "-c", CHURN, str(root), archive], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert child.stdout
        assert child.stderr
        assert child.stdout.readline() == b"ready\n"
        time.sleep(delay)
        assert child.poll() is None, child.stderr.read().decode()
        child.kill()
        child.communicate()
        check(root)
    with open_engine(root) as engine:
        assert engine.images.load(archive)[0].names == ("app:1",)
    check(root)


def test_processes_that_load_collect_and_read_at_once_do_not_hurt_each_other(tmp_path: Path, archive: str) -> None:
    root = tmp_path / "root"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", LOAD_AND_CHECK, str(root), archive],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]  # fmt: skip
    for child in children:
        assert child.stdin
        child.stdin.write(b"go\n")
        child.stdin.flush()
    for child in children:
        out, err = child.communicate(timeout=120)
        assert (out, child.returncode) == (b"done\n", 0), err.decode()
    check(root)
    with open_engine(root) as engine:
        (image,) = engine.images.list()
        assert image.tags == ("app:1",)


def test_a_build_keeps_its_layers_while_another_process_collects(tmp_path: Path, archive: str) -> None:
    root = tmp_path / "root"
    code = f"""{SETTINGS}
print("ready", flush=True)
while True:
    engine.collector.collect()
"""
    collector = subprocess.Popen([sys.executable, "-c", code, str(root), archive], stdout=subprocess.PIPE)
    assert collector.stdout
    collector.stdout.readline()
    try:
        with open_engine(root) as engine:
            for number in range(60):
                with engine.leases.hold("build") as lease, engine.layers.workdir() as folder:
                    os.mkdir(f"{folder}/fs")
                    Path(folder, "fs", f"file{number % 3}").touch()
                    from wherry.image.tar import pack

                    diff_id, size = pack.diff_id(f"{folder}/fs")
                    lease.add_layer(diff_id)
                    engine.layers.commit(folder, diff_id, size, lease)
                    assert engine.layers.has(diff_id)
                    engine.layers.write_tar(diff_id, lambda _: None)
    finally:
        collector.send_signal(signal.SIGKILL)
        collector.communicate()
    check(root)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    host = LinuxHost({})
    host.mount(Mount("tmpfs", str(folder), "tmpfs", 0, "size=3m"))
    try:
        yield folder
    finally:
        host.unmount(str(folder))


@pytest.mark.parametrize("make_files", [archives.layout, archives.docker_archive], ids=["layout", "docker"])
def test_a_full_disk_in_the_middle_of_a_load_leaves_nothing_and_room_again(
    small: Path, tmp_path: Path, make_files: Callable[..., archives.Files]
) -> None:
    noise = random.Random(0).randbytes(5 << 20).decode("latin-1")
    big = archives.tar(make_files(archives.layer_tar(etc__a="a"), archives.layer_tar(noise=noise)), tmp_path / "big")
    little = archives.tar(make_files(archives.layer_tar(etc__a="a")), tmp_path / "little")
    root = small / "root"
    env = {**os.environ, "WHERRY_ROOT": str(root)}
    main = "from wherry.cli.main import entry; raise SystemExit(entry())"
    done = subprocess.run(
        [sys.executable, "-c", main, "load", "-i", big], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(root / "tmp") == []
    check(root)
    done = subprocess.run(
        [sys.executable, "-c", main, "load", "-i", little], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "Loaded image: app:1\n"
    check(root)


def test_a_damaged_database_is_told_of_and_the_images_are_found_again(tmp_path: Path, archive: str) -> None:
    root = tmp_path / "root"
    with open_engine(root) as engine:
        engine.images.load(archive)
    for suffix in ("-wal", "-shm"):
        Path(f"{root}/state.db{suffix}").unlink(missing_ok=True)
    Path(root, "state.db").write_bytes(b"garbage" * 1000)
    env = {**os.environ, "WHERRY_ROOT": str(root)}
    main = "from wherry.cli.main import entry; raise SystemExit(entry())"
    done = subprocess.run([sys.executable, "-c", main, "images"], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1].split()[:2] == ["app", "1"]
    assert "was damaged; it was set aside as" in done.stderr
    assert "1 images were found again" in done.stderr
    done = subprocess.run([sys.executable, "-c", main, "images"], env=env, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    check(root)
