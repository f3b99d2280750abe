"""Files appear whole or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from wherry.errors import Locked
from wherry.fs.atomic import replace_file
from wherry.fs.lock import locked


def test_the_new_bytes_replace_the_old(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    replace_file(str(target), b"new", 0o640)
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["file"]


def test_a_failure_leaves_the_old_bytes_and_no_temporary_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.mkdir()
    (target / "child").touch()
    with pytest.raises(OSError):
        replace_file(str(target), b"new")
    assert sorted(os.listdir(tmp_path)) == ["file"]
    assert (target / "child").exists()


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("safe")
    (tmp_path / f".file.{os.getpid()}.{threading.get_native_id()}.tmp").symlink_to(victim)
    with pytest.raises(OSError):
        replace_file(str(tmp_path / "file"), b"new")
    assert victim.read_text() == "safe"


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with locked(path), pytest.raises(Locked, match="the store is in use"), locked(path, timeout_s=0, what="the store"):
        pass
    with locked(path, timeout_s=0):
        pass


def test_shared_locks_go_together_and_keep_writers_out(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with (
        locked(path, shared=True),
        locked(path, shared=True, timeout_s=0),
        pytest.raises(Locked),
        locked(path, timeout_s=0.02),
    ):
        pass


def test_threads_that_write_one_file_do_not_meet(tmp_path: Path) -> None:
    """Several containers that start side by side keep the same record of the runtime."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: replace_file(str(tmp_path / "file"), b"%d" % n, durable=False), range(400)))
    assert os.listdir(tmp_path) == ["file"]
