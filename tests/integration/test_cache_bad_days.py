"""The build cache on a bad day: coarse clocks, a damaged or old database, lost layers, a full disk."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.build_lab import Lab

pytestmark = pytest.mark.requires("root", "runc", "busybox")
TEXT = "FROM busybox\nCOPY f /f\nRUN cat /f /f > /g\nRUN echo more > /more\n"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.close()


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", *options, str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def content(lab: Lab, context: Path) -> str:
    """/g of the image, with the cache as it is."""
    return (Path(lab.layers(lab.build(context))[2]) / "g").read_text()


def cached(lab: Lab, context: Path, *argv: str) -> int:
    done = lab.wherry("build", "--progress", "plain", *argv, str(context))
    assert done.returncode == 0, done.stderr
    return done.stderr.count(" CACHED\n")


@pytest.mark.requires("mkfs.ext4")
def test_a_context_whose_times_have_whole_seconds(lab: Lab) -> None:
    """ext2 with small inodes: what is written within one second has one and the same stamp."""
    image = lab.folder / "ext2.img"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    path = lab.env["PATH"]
    subprocess.run(["mkfs.ext2", "-q", "-I", "128", str(image)], check=True, env={"PATH": path}, capture_output=True)
    with mounted(lab.folder / "coarse", "-o", "loop", str(image)) as folder:
        (folder / "Dockerfile").write_text(TEXT)
        for number in range(3):
            (folder / "f").write_text(f"{number}\n")
            assert (folder / "f").stat().st_mtime_ns % 10**9 == 0
            assert content(lab, folder) == f"{number}\n{number}\n"
        assert cached(lab, folder) == 4


def test_a_context_on_a_tmpfs(lab: Lab) -> None:
    with mounted(lab.folder / "memory", "-t", "tmpfs", "wherry-test") as folder:
        (folder / "Dockerfile").write_text(TEXT)
        for number in range(4):
            (folder / "f").write_text(f"{number}\n")
            os.utime(folder / "f", (1, 1))
            assert content(lab, folder) == f"{number}\n{number}\n"
        assert cached(lab, folder) == 4


def test_another_file_system_where_one_was_before(lab: Lab) -> None:
    """Two tmpfs, one after the other: the same device, inodes, sizes and mtimes."""
    for text in ("one\n", "two\n"):
        with mounted(lab.folder / "memory", "-t", "tmpfs", "wherry-test") as folder:
            (folder / "Dockerfile").write_text(TEXT)
            (folder / "f").write_text(text)
            for name in ("f", "Dockerfile"):
                os.utime(folder / name, (1, 1))
            assert content(lab, folder) == text * 2


def test_a_rewrite_that_keeps_size_and_mtime(lab: Lab) -> None:
    context = lab.context("c", {"Dockerfile": TEXT, "f": "0\n"})
    for number in range(8):
        (context / "f").write_text(f"{number}\n")
        os.utime(context / "f", (1, 1))
        assert content(lab, context) == f"{number}\n{number}\n"


def test_a_damaged_database_is_set_aside_said_and_made_anew(lab: Lab) -> None:
    context = lab.context("c", {"Dockerfile": TEXT, "f": "f\n"})
    image = lab.build(context, "-t", "app")
    lab.engine.close()
    for suffix in ("-wal", "-shm"):
        (lab.root / f"state.db{suffix}").unlink(missing_ok=True)
    path = lab.root / "state.db"
    path.write_bytes(b"not a database at all" * 400)
    done = lab.wherry("build", "--progress", "plain", "-t", "app", str(context))
    assert done.returncode == 0, done.stderr
    assert "the state database was damaged; it was set aside as" in done.stderr
    assert (lab.root / "state.db.damaged-1").exists()
    assert f"writing image {image}" in done.stderr
    # The base image was found again, the steps were not: they ran, and are known now
    assert cached(lab, context) == 4
    assert lab.leftovers() == {}


def test_a_database_that_breaks_in_its_middle_is_set_aside_too(lab: Lab) -> None:
    context = lab.context("c", {"Dockerfile": TEXT, "f": "f\n"})
    image = lab.build(context)
    lab.engine.db.read().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    lab.engine.close()
    path = lab.root / "state.db"
    data = bytearray(path.read_bytes())
    data[100:4096] = os.urandom(3996)
    path.write_bytes(data)
    assert lab.build(context) == image
    assert lab.leftovers() == {}


def test_a_database_of_an_older_wherry_is_taken_over_with_its_cache(lab: Lab) -> None:
    """One that has only the tables of the first build cache, and another number of its schema."""
    context = lab.context("c", {"Dockerfile": TEXT, "f": "f\n"})
    image = lab.build(context, "--no-traced-cache")
    lab.engine.db.read().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    lab.engine.close()
    first = {"step", "step_layer", "file_hash"}
    connection = sqlite3.connect(lab.root / "state.db")
    kept = set()
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if name not in first and name.startswith(("trace", "step_", "cache", "build", "path", "observ")):
            connection.execute(f"DROP TABLE {name}")
        else:
            kept.add(name)
    assert first <= kept
    connection.execute("PRAGMA user_version = 17")
    connection.commit()
    connection.close()
    assert cached(lab, context, "--no-traced-cache") == 4
    assert lab.build(context) == image
    assert lab.leftovers() == {}


def test_a_database_of_a_newer_wherry_with_more_in_it_is_used(lab: Lab) -> None:
    context = lab.context("c", {"Dockerfile": TEXT, "f": "f\n"})
    lab.build(context)
    with lab.engine.db.write() as connection:
        connection.execute("CREATE TABLE of_tomorrow (what TEXT)")
        connection.execute("ALTER TABLE step ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'")
        connection.execute("PRAGMA user_version = 99")
    assert cached(lab, context) == 4
    (context / "f").write_text("other\n")
    assert content(lab, context) == "other\nother\n"


def test_a_layer_that_somebody_removed_is_made_again(lab: Lab) -> None:
    context = lab.context("c", {"Dockerfile": TEXT, "f": "f\n"})
    image = lab.build(context)
    for number in (2, 3):
        shutil.rmtree(Path(lab.layers(image)[number]).parent)
    assert lab.build(context) == image
    assert (Path(lab.layers(image)[2]) / "g").read_text() == "f\nf\n"


def test_builds_at_once_that_write_the_same_keys(lab: Lab) -> None:
    """Each leaves its rows whole: whoever comes later hits, and gets layers that are there."""
    contexts = [lab.context(f"c{number}", {"Dockerfile": TEXT, "f": "f\n"}) for number in range(4)]
    code = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
    for _ in range(3):
        running = [
            subprocess.Popen(
                [sys.executable, "-c", code, "--root", str(lab.root), "build", "-q", "--no-cache", str(context)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=lab.env, cwd=lab.folder, text=True,
            )
            for context in contexts
        ]  # fmt: skip
        said = [one.communicate() for one in running]
        assert [one.returncode for one in running] == [0] * 4, said
        assert len({out for out, _ in said}) == 1
        assert cached(lab, contexts[0]) == 4
    assert lab.leftovers() == {}


def test_a_disk_that_is_full_to_the_brim_and_has_room_again(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=24m", "wherry-test") as folder:
        lab = Lab(folder)
        try:
            context = lab.context("c", {"Dockerfile": TEXT, "f": "f\n"})
            image = lab.build(context)
            with (folder / "filler").open("wb", buffering=0) as filler:
                try:
                    while True:
                        filler.write(bytes(1 << 16))
                except OSError:
                    pass
            (context / "Dockerfile").write_text(TEXT + "RUN head -c 100000 /dev/zero > /zeros\n")
            done = lab.wherry("build", str(context))
            assert done.returncode == 1
            assert "pace left" in done.stderr or "disk is full" in done.stderr
            assert "Traceback" not in done.stderr
            (folder / "filler").unlink()
            assert lab.build(context) != image
            (context / "Dockerfile").write_text(TEXT)
            assert lab.build(context) == image
            assert cached(lab, context) == 4
            assert lab.leftovers() == {}
        finally:
            lab.close()
