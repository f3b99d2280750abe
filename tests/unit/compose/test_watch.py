"""The watch with a project of the test's own: what is done to which service, in which order, whatever fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Condition, Thread
from typing import Any

import pytest

from wherry.cancel import Cancel
from wherry.compose.model_parts import Hook
from wherry.compose.watch import Replica, watch
from wherry.compose.watch_git import git_folders, is_git_busy
from wherry.compose.watch_plan import Filter, Put, Rule
from wherry.compose.watch_rules import Selection
from wherry.dockerfile.ignore import Matcher
from wherry.errors import BuildError, Conflict
from wherry.fs.tree_watch import Pace

QUICK = Pace(quiet_s=0.02, turn_s=0.02)


class Project:
    """An Actor that keeps a log; `wait_for` until a line is in it."""

    def __init__(self) -> None:
        self.replicas = {"web": [Replica("1", "demo-web-1")], "worker": [Replica("w", "demo-worker-1")]}
        self.log: list[str] = []
        self.bell = Condition()
        self.build_fails: str = ""
        self.builds_until: Callable[[], object] | None = None
        self.differs = 0

    def say(self, line: str) -> None:
        with self.bell:
            self.log.append(line)
            self.bell.notify_all()

    def wait_for(self, line: str) -> None:
        with self.bell:
            assert self.bell.wait_for(lambda: line in self.log, 20), f"{line!r} not in {self.log}"

    def running(self, service: str) -> Sequence[Replica]:
        return list(self.replicas[service])

    def sync(self, replica: Replica, puts: Sequence[Put], removes: Sequence[str], *, only_different: bool) -> int:
        if replica.name == "broken":
            raise Conflict("container broken has /app read-only")
        words = [f"-{path}" for path in removes] + [f"+{put.target}" for put in puts]
        self.say(f"{replica.id}{'?' if only_different else ''} {' '.join(words)}")
        return self.differs if only_different else len(words)

    def rebuild(self, service: str, cancel: Cancel) -> None:
        self.say(f"build {service}")
        if self.builds_until:
            self.builds_until()
        if self.build_fails:
            raise BuildError(self.build_fails)
        self.replicas[service] = [Replica(f"{one.id}n", one.name) for one in self.replicas[service]]

    def restart(self, service: str, cancel: Cancel) -> None:
        self.say(f"restart {service}")

    def exec(self, replica: Replica, hook: Hook) -> tuple[int, bytes]:
        self.say(f"exec {' '.join(hook.command or ())} in {replica.id}")
        return (1, b"no such thing\n") if hook.command == ["false"] else (0, b"")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path.resolve()


@pytest.fixture
def project() -> Project:
    return Project()


@pytest.fixture
def start(project: Project) -> Iterator[Callable[..., Cancel]]:
    started: list[tuple[Cancel, Thread]] = []

    def begin(*rules: Rule, sources: frozenset[str] = frozenset()) -> Cancel:
        cancel = Cancel()
        thread = Thread(target=watch, args=(Selection(rules, (), sources), project, project.say, cancel, QUICK))
        thread.start()
        started.append((cancel, thread))
        project.wait_for("Watch enabled")
        return cancel

    yield begin
    for cancel, thread in started:
        cancel.set()
        thread.join(20)
        assert not thread.is_alive()


def _rule(root: Path, action: str = "sync", **more: Any) -> Rule:
    service = more.pop("service", "web")
    ignore = Matcher(more.pop("ignore", ()))
    return Rule(service, action, Filter(str(root), ignore), "" if action in ("rebuild", "restart") else "/app", **more)


def test_an_edit_reaches_every_container(here: Path, project: Project, start: Callable[..., Cancel]) -> None:
    project.replicas["web"].append(Replica("2", "demo-web-2"))
    start(_rule(here))
    (here / "a").write_text("x")
    project.wait_for("2 +/app/a")
    assert project.log == [
        "Watch enabled",
        'Syncing service "web" after 1 changes were detected',
        "1 +/app/a",
        "2 +/app/a",
    ]


def test_one_container_that_cannot_be_written_does_not_stop_the_others(
    here: Path, project: Project, start: Callable[..., Cancel]
) -> None:
    project.replicas["web"] = [Replica("0", "broken"), Replica("1", "demo-web-1")]
    start(_rule(here))
    (here / "a").write_text("x")
    project.wait_for("1 +/app/a")
    assert 'service "web": container broken has /app read-only' in project.log
    (here / "b").write_text("x")
    project.wait_for("1 +/app/b")


def test_sync_then_restart_then_exec(here: Path, project: Project, start: Callable[..., Cancel]) -> None:
    start(_rule(here, "sync+restart"), _rule(here, "sync+exec", exec=Hook(command=["false"])))
    (here / "a").write_text("x")
    project.wait_for('service "web": `false` in demo-web-1 exited with status 1')
    assert project.log[2:] == [
        "1 +/app/a", "restart web", 'service "web" restarted', "exec false in 1", "demo-web-1: no such thing",
        'service "web": `false` in demo-web-1 exited with status 1',
    ]  # fmt: skip


def test_a_build_that_fails_leaves_the_old_container_and_the_watch(
    here: Path, project: Project, start: Callable[..., Cancel]
) -> None:
    project.build_fails = "RUN pip install: exit 1"
    start(_rule(here, "rebuild"))
    (here / "requirements.txt").write_text("nope")
    project.wait_for('service "web" goes on as it was until the next change')
    assert "Build failed. Error: RUN pip install: exit 1" in project.log
    project.build_fails = ""
    (here / "requirements.txt").write_text("better")
    project.wait_for('service "web" successfully built')
    assert project.replicas["web"] == [Replica("1n", "demo-web-1")]


def test_what_changes_during_a_build_is_one_batch_behind_it_and_others_go_on(
    here: Path, project: Project, start: Callable[..., Cancel]
) -> None:
    (here / "src").mkdir()

    def until() -> None:
        for name in ("a", "b"):
            (here / "src" / name).write_text("x")
            project.wait_for(f"w +/app/{name}")  # the worker has it while web is still being built

    project.builds_until = until
    start(_rule(here / "Dockerfile", "rebuild"), _rule(here / "src"), _rule(here / "src", service="worker"))
    (here / "Dockerfile").write_text("FROM x")
    project.wait_for("1n +/app/a +/app/b")
    built = project.log.index('service "web" successfully built')
    assert project.log.index("1n +/app/a +/app/b") > built
    assert 'Syncing service "web" after 2 changes were detected' in project.log


def test_a_container_made_meanwhile_gets_what_those_before_it_had(
    here: Path, project: Project, start: Callable[..., Cancel]
) -> None:
    start(_rule(here))
    (here / "a").write_text("x")
    project.wait_for("1 +/app/a")
    (here / "old").write_text("x")
    project.wait_for("1 +/app/old")
    os.unlink(here / "old")
    project.wait_for("1 -/app/old")
    project.differs = 1
    project.replicas["web"] = [Replica("2", "demo-web-1")]  # somebody's `up --force-recreate`
    project.wait_for("2? -/app/old +/app/a")
    project.wait_for('Syncing service "web": 1 paths of a new container were out of date')


def test_a_rebuilt_container_that_has_it_all_is_left_alone(
    here: Path, project: Project, start: Callable[..., Cancel]
) -> None:
    start(_rule(here, "rebuild"), _rule(here, "sync+restart"))
    (here / "a").write_text("x")
    project.wait_for("1n? +/app/a")
    (here / "b").write_text("x")
    project.wait_for("1nn? +/app/a +/app/b")
    assert not any(line.startswith("restart") for line in project.log)


def test_what_is_to_be_synced_first_is(here: Path, project: Project, start: Callable[..., Cancel]) -> None:
    (here / "d").mkdir()
    (here / "d" / "f").write_text("x")
    (here / "d" / "f.log").write_text("x")
    project.differs = 2
    start(_rule(here, "sync+restart", ignore=["**/*.log"], initial_sync=True))
    project.wait_for('service "web" restarted')
    assert project.log[1] == "1? +/app +/app/d +/app/d/f"


def test_a_service_that_does_not_run_is_said_and_found_later(
    here: Path, project: Project, start: Callable[..., Cancel]
) -> None:
    project.replicas["web"] = []
    start(_rule(here))
    (here / "a").write_text("x")
    project.wait_for('service "web" is not running: changes reach it once it is started')
    project.replicas["web"] = [Replica("1", "demo-web-1")]
    project.wait_for("1? +/app/a")


def test_a_container_that_was_stopped_gets_what_it_missed(
    here: Path, project: Project, start: Callable[..., Cancel]
) -> None:
    start(_rule(here))
    (here / "a").write_text("x")
    project.wait_for("1 +/app/a")
    stopped, project.replicas["web"] = project.replicas["web"], []
    (here / "b").write_text("x")
    project.wait_for('service "web" is not running: changes reach it once it is started')
    project.replicas["web"] = stopped
    project.wait_for("1? +/app/a +/app/b")


def test_that_the_compose_file_has_changed_is_said(here: Path, project: Project, start: Callable[..., Cancel]) -> None:
    (here / "src").mkdir()
    start(_rule(here / "src"), sources=frozenset({f"{here}/compose.yaml"}))
    (here / "compose.yaml").write_text("services: {}")
    project.wait_for("compose.yaml changed: start the watch again to use it")
    assert len(project.log) == 2


def test_git_is_busy_while_it_holds_its_lock(here: Path) -> None:
    (here / "sub" / "deep").mkdir(parents=True)
    (here / ".git" / "worktrees" / "x").mkdir(parents=True)
    (here / "sub" / ".git").write_text("gitdir: ../.git/worktrees/x\n")
    folders = git_folders([str(here / "sub" / "deep")])
    assert sorted(map(os.path.realpath, folders)) == [f"{here}/.git", f"{here}/.git/worktrees/x"]
    assert not is_git_busy(folders)
    (here / ".git" / "worktrees" / "x" / "index.lock").touch()
    assert is_git_busy(folders)
    assert not is_git_busy(folders, lambda: 1e12), "one that a killed git left"
