"""PostgreSQL on a volume: what it acknowledged is there after kill -9 of everything, and after an upgrade."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.container_lab import eventually
from tests.integration.lesson import MAIN, Lesson, is_alone
from wherry.engine import Engine
from wherry.host.linux import LinuxHost
from wherry.runtime import records
from wherry.settings import Paths, Settings

pytestmark = pytest.mark.requires("root", "runc", "nft", "mmdebstrap", "mirror")

DATA = "/var/lib/postgresql/data"
DOCKERFILE = f"""FROM {{postgres}}
ENV PGDATA={DATA} PGHOST=/tmp PGUSER=postgres
COPY start /usr/local/bin/start
VOLUME {DATA}
CMD ["start"]
"""
START = """#!/bin/sh
set -e
[ -s "$PGDATA/PG_VERSION" ] || initdb --auth=trust --username=postgres > /dev/null
exec postgres -c listen_addresses= -c unix_socket_directories=/tmp
"""
# Each number is printed once the server has said that it is safe
INSERTS = """i=$0; while :; do i=$((i+1)); psql -qAt -c "insert into t values ($i) returning i" || exit 1; done"""
ENOUGH = 12


class Database:
    """The container `db` on the volume `pgdata`, and every number that it said it keeps."""

    def __init__(self, lab: Lesson) -> None:
        self.lab, self.acknowledged = lab, list[int]()

    def query(self, text: str) -> str:
        return self.lab.must("exec", "db", "psql", "-qAt", "-c", text)

    def run(self, image: str) -> None:
        self.lab.must("run", "-d", "--name", "db", "--network", "none", "-v", f"pgdata:{DATA}", image)
        self.wait()

    def wait(self) -> None:
        def is_ready() -> bool:
            return self.lab.wherry("exec", "db", "pg_isready", "-q").returncode == 0

        eventually(is_ready, "the database answers", 60)

    def insert_until_killed(self) -> None:
        start = str(max(self.acknowledged, default=0) + 1000)
        command = [sys.executable, "-c", MAIN, "exec", "db", "sh", "-c", INSERTS, start]
        with subprocess.Popen(
            command, env=self.lab.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as client:
            assert client.stdout
            told = [int(client.stdout.readline()) for _ in range(ENOUGH)]
            self.kill_everything()
            # What was on its way out when the end came was acknowledged too
            told += [int(line) for line in client.stdout if line.endswith("\n")]
        self.acknowledged += told

    def kill_everything(self) -> None:
        """Its monitor first, so that nobody is left to see the container die, then all that runs in it."""
        settings = Settings(Paths.for_user(self.lab.env, 0, str(self.lab.root)), self.lab.env, 0, "/")
        with Engine(settings, LinuxHost(self.lab.env)) as engine:
            id = engine.containers.find("db").id
            monitor = records.read_monitor(engine.containers.bundle(id))
            assert monitor
            first = engine.containers.state(id).pid
        os.kill(monitor.pid, signal.SIGKILL)
        for _ in range(3):
            for pid in [first, *members(id)]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        eventually(lambda: not members(id), "all of the container is gone")

    def missing(self) -> list[int]:
        kept = {int(line) for line in self.query("select i from t").split()}
        return sorted(set(self.acknowledged) - kept)


def members(id: str) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                text = (folder / "cgroup").read_text()
            except OSError:
                continue
            if id in text:
                found.append(int(folder.name))
    return found


@pytest.fixture(scope="module")
def lab(lesson: Lesson, postgres: str) -> Iterator[Lesson]:
    context = lesson.context("pg", {"Dockerfile": DOCKERFILE.format(postgres=postgres), "start": START})
    (context / "start").chmod(0o755)
    lesson.must("build", "-t", "pg:1", str(context))
    upgrade = lesson.context("pg2", {"Dockerfile": "FROM pg:1\nENV RELEASE=2\n"})
    lesson.must("build", "-t", "pg:2", str(upgrade))
    yield lesson
    lesson.wherry("rm", "-f", "-v", "db", "copy")
    lesson.wherry("volume", "rm", "pgdata", "moved")
    assert is_alone(lesson.root)


def test_each_acknowledged_insert_outlives_kills_and_an_upgrade(lab: Lesson) -> None:
    database = Database(lab)
    database.run("pg:1")
    assert lab.must("exec", "db", "stat", "-c", "%U %a", DATA) == "postgres 700\n", "as the image has it"
    database.query("create table t (i int primary key)")
    for _ in range(3):
        database.insert_until_killed()
        lab.must("start", "db")
        database.wait()
        assert database.missing() == []
    assert len(database.acknowledged) >= 3 * ENOUGH
    # Killed once more, and the next container is another one, of another image
    database.insert_until_killed()
    lab.must("rm", "-f", "db")
    database.run("pg:2")
    assert lab.must("exec", "db", "printenv", "RELEASE") == "2\n"
    assert database.missing() == []
    lab.must("stop", "db")
    lab.must("rm", "-v", "db")
    assert "pgdata" in lab.must("volume", "ls", "-q").split(), "rm -v takes anonymous volumes only"
    _moved_to_another_volume(lab, database)


def _moved_to_another_volume(lab: Lesson, database: Database) -> None:
    lab.must("volume", "export", "-o", "pg.tar", "pgdata")
    lab.must("volume", "import", "moved", "pg.tar")
    lab.must("run", "-d", "--name", "db", "--network", "none", "-v", f"moved:{DATA}", "pg:2")
    database.wait()
    assert database.missing() == []
    lab.must("rm", "-f", "db")
