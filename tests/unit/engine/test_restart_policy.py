"""`update --restart`: the row has the new policy, and so has the monitor of a run that goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.engine import Engine, containers_rows
from wherry.engine.containers_restart import set_policy
from wherry.engine.containers_rows import ContainerRow
from wherry.errors import Conflict
from wherry.fs.private import private_folder
from wherry.host.fake import FakeHost
from wherry.runtime import records
from wherry.runtime.options import RestartPolicy
from wherry.settings import Paths, Settings


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    paths = Paths(str(tmp_path / "root"), str(tmp_path / "run"))
    with Engine(Settings(paths, {}, 0, "/"), FakeHost()) as found:
        yield found


def add(engine: Engine, *, remove: bool = False) -> ContainerRow:
    row = ContainerRow(
        "c" * 64, "web", "sha256:1", "a", time.time_ns(), "ready", "", (), {}, (), remove, '{"tty":true}'
    )
    with engine.db.write() as write:
        write.execute("INSERT INTO container VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", (*row[:7], "[]", "{}", "[]", *row[10:]))
    private_folder(engine.containers.bundle(row.id))
    return row


def test_the_row_and_the_running_monitor_have_the_new_policy(engine: Engine) -> None:
    set_policy(engine, add(engine), RestartPolicy("on-failure", 3))
    options = containers_rows.find(engine.db, "web").options()
    assert (options.restart, options.tty) == (RestartPolicy("on-failure", 3), True)
    assert records.read(engine.containers.bundle("c" * 64), "restart.json") == {"name": "on-failure", "max": 3}


def test_a_container_with_rm_takes_no_policy(engine: Engine) -> None:
    row = add(engine, remove=True)
    set_policy(engine, row, RestartPolicy())
    with pytest.raises(Conflict, match="AutoRemove is enabled"):
        set_policy(engine, row, RestartPolicy("always"))
