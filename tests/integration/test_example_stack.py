"""examples/stack: an answered prediction is a stored one, whatever happens to the database meanwhile."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.integration.container_lab import eventually
from tests.integration.example_lab import ExampleProject
from tests.integration.lesson import Lesson, is_alone

pytestmark = pytest.mark.requires("root", "runc", "nft", "mmdebstrap", "mirror", "pypi")

SETOSA = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
CLIENTS = 4
ENOUGH = 40


@pytest.fixture(scope="module")
def stack(lesson: Lesson, postgres: str) -> Iterator[ExampleProject]:
    project = ExampleProject(lesson, "stack", "API_PORT")
    try:
        project.must("up", "--wait")
        yield project
    finally:
        project.compose("down", "--volumes", "--timeout", "5")
    assert project.states() == {}
    assert "stack" not in lesson.must("volume", "ls", "-q") + lesson.must("network", "ls", "--format", "{{.Name}}")
    assert is_alone(lesson.root)


class Clients:
    """Threads that ask for predictions, each flower another one, and keep what they were told."""

    def __init__(self, project: ExampleProject) -> None:
        self.project, self.answered, self.others = project, dict[int, float](), list[int]()
        self._number, self._lock, self._over = 0, threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self) -> None:
        while not self._over.is_set():
            with self._lock:
                self._number += 1
                petal = round(1 + self._number / 10_000, 4)
            status, answer = self.project.ask("/predict", SETOSA | {"petal_length": petal})
            with self._lock:
                if status == 200:
                    self.answered[answer["id"]] = petal
                else:
                    self.others.append(status)

    def more(self) -> None:
        """Wait for as many answers again."""
        goal = len(self.answered) + ENOUGH
        eventually(lambda: len(self.answered) >= goal, f"{goal} answers; other codes: {self.others}", 60)


def stored(project: ExampleProject) -> dict[int, float]:
    """What the table says, asked without the API."""
    query = "SELECT json_object_agg(id, measurements->'petal_length') FROM prediction"
    text = project.must("exec", "-T", "db", "psql", "-U", "iris", "-qAt", "-c", query)
    return {int(id): petal for id, petal in json.loads(text).items()}


def test_the_migration_is_over_before_the_api_starts_and_the_password_is_in_no_environment(
    stack: ExampleProject,
) -> None:
    assert stack.states() == {"api": "running", "db": "running", "migrate": "exited"}
    assert "migrated: 0001_predictions.sql" in stack.must("logs", "migrate")
    assert stack.ask("/healthz") == (200, {"status": "ok", "accuracy": 1.0})
    password = (stack.folder / "db_password.txt").read_text().strip()
    ids = stack.lesson.must("ps", "-aq").split()
    assert password not in stack.lesson.must("inspect", *ids)
    assert stack.must("exec", "-T", "api", "cat", "/run/secrets/db_password").strip() == password


def test_a_prediction_is_listed_the_newest_first(stack: ExampleProject) -> None:
    _, first = stack.ask("/predict", SETOSA)
    _, second = stack.ask("/predict", SETOSA | {"petal_length": 6.0, "petal_width": 2.4})
    assert (first["species"], second["species"]) == ("setosa", "virginica")
    _, listed = stack.ask("/predictions?limit=2")
    assert [one["id"] for one in listed] == [second["id"], first["id"]]
    assert listed[1]["measurements"] == SETOSA
    assert stack.ask("/predict", {"petal_length": -1})[0] == 422


def test_every_answered_prediction_is_stored_though_the_database_is_killed_under_load(stack: ExampleProject) -> None:
    with Clients(stack) as clients:
        clients.more()
        kill_server(stack)  # restart: unless-stopped brings it back
        clients.more()
        stack.must("kill", "-s", "KILL", "db")  # who is killed by name stays down, until `up`
        assert stack.states()["db"] == "exited"
        stack.must("up", "--wait")
        clients.more()
    kept = stored(stack)
    missing = {id: petal for id, petal in clients.answered.items() if kept.get(id) != petal}
    assert missing == {}
    assert set(clients.others) <= {503}, "what could not be stored was refused as such"


def kill_server(stack: ExampleProject) -> None:
    """As the kernel does when memory is short: the server, not the container."""
    pid = stack.lesson.must("inspect", "-f", "{{.State.Pid}}", "stack-db-1").strip()
    os.kill(int(pid), signal.SIGKILL)
    starts: Callable[[], str] = lambda: stack.lesson.must("inspect", "-f", "{{.RestartCount}}", "stack-db-1")  # noqa: E731
    eventually(lambda: starts().strip() != "0", "the database is started again", 30)


def test_the_data_outlives_its_containers_and_a_second_up_changes_nothing(stack: ExampleProject) -> None:
    before = stored(stack)
    stack.must("down")
    assert stack.states() == {}
    stack.must("up", "--wait")
    assert stored(stack) == before
    ids = stack.must("ps", "-q")
    stack.must("up", "--wait")
    assert stack.must("ps", "-q") == ids
