"""In which order containers that are there stop, start and restart, with their files and by labels alone."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.compose import labels
from wherry.compose.lifecycle import kill_plan, pause_plan
from wherry.compose.lifecycle_plan import Subject, remove_plan, restart_plan, start_plan, stop_plan
from wherry.compose.model import Project, Service
from wherry.compose.model_parts import Dependency, Hook
from wherry.compose.observe import Observed, ObservedContainer
from wherry.errors import NotFound, WherryError


def _container(
    service: str, status: str = "running", number: int = 1, depends: str = "", **keys: Any
) -> ObservedContainer:
    marks = {labels.DEPENDS_ON: depends, labels.NUMBER: str(number)}
    name = f"demo-{service}-{number}"
    return ObservedContainer(f"id-{name}", name, service, number, status=status, labels=marks, **keys)


def _subject(
    *containers: ObservedContainer, services: tuple[str, ...] = (), project: Project | None = None
) -> Subject:  # fmt: skip
    return Subject(Observed("demo", containers), project, services)


def _lines(plan: Any) -> list[str]:
    return [str(line) for line in plan.text().splitlines()]


DB = _container("db")
WEB = _container("web", depends="db:service_healthy:true")
JOB = _container("job", "exited", depends="db:service_started:false")


def test_dependents_stop_first_and_what_does_not_run_is_left_out() -> None:
    assert _lines(stop_plan(_subject(DB, WEB, JOB), 3)) == [
        "1  stop container demo-web-1: it is asked for",
        "2  stop container demo-db-1: it is asked for (after 1)",
    ]


def test_only_those_asked_for_stop() -> None:
    assert _lines(stop_plan(_subject(DB, WEB, services=("db",)), None)) == [
        "1  stop container demo-db-1: it is asked for"
    ]


def test_start_brings_what_is_depended_on_and_waits_for_it() -> None:
    db, web = _container("db", "exited"), _container("web", "exited", depends="db:service_healthy:false")
    assert _lines(start_plan(_subject(db, web, services=("web",)))) == [
        "1  start container demo-db-1: it is exited",
        "2  wait for service db to be healthy: others depend on it (after 1)",
        "3  start container demo-web-1: it is exited (after 2)",
    ]


def test_a_service_of_the_file_without_a_container_can_not_be_started() -> None:
    project = Project(name="demo", working_dir="/", services={"web": Service(name="web", image="x")})
    with pytest.raises(WherryError, match='service "web" has no container to start'):
        start_plan(_subject(project=project))


def test_a_service_that_wants_no_container_needs_none() -> None:
    project = Project(name="demo", working_dir="/", services={"web": Service(name="web", image="x", scale=0)})
    assert start_plan(_subject(project=project)).is_empty


def test_a_restart_takes_dependents_along_that_want_it_and_they_come_behind() -> None:
    assert _lines(restart_plan(_subject(DB, WEB, JOB, services=("db",)), None)) == [
        "1  stop container demo-db-1: it is asked for",
        "2  start container demo-db-1: it is asked for (after 1)",
        "3  stop container demo-web-1: it restarts with what it depends on (after 2)",
        "4  start container demo-web-1: it restarts with what it depends on (after 3)",
    ]
    assert len(restart_plan(_subject(DB, WEB, services=("db",)), None, dependents=False).steps) == 2


def test_a_restart_of_all_waits_for_no_more_than_it_must() -> None:
    steps = restart_plan(_subject(DB, WEB, JOB), None).steps
    begin = [str(step.operation) for step in steps if not step.needs]
    assert begin == ["stop container demo-db-1", "stop container demo-job-1"]


def test_hooks_stand_around_start_and_stop() -> None:
    hook = Hook(command=["true"])
    service = Service(name="web", image="x", post_start=[hook], pre_stop=[hook, hook])
    project = Project(name="demo", working_dir="/", services={"web": service})
    assert [str(step.operation) for step in restart_plan(_subject(_container("web"), project=project), None).steps] == [
        "run pre_stop hook 1 in container demo-web-1",
        "run pre_stop hook 2 in container demo-web-1",
        "stop container demo-web-1",
        "start container demo-web-1",
        "run post_start hook 1 in container demo-web-1",
    ]


def test_rm_takes_what_has_ended_or_stops_first() -> None:
    assert _lines(remove_plan(_subject(DB, JOB), stop=False, volumes=True)) == [
        "1  remove container demo-job-1: it is asked for"
    ]
    assert [str(step.operation) for step in remove_plan(_subject(DB), stop=True, volumes=False).steps] == [
        "stop container demo-db-1", "remove container demo-db-1",
    ]  # fmt: skip


def test_kill_and_pause_are_for_what_runs() -> None:
    one_off = _container("db", one_off=True, number=2)
    orphan = _container("gone")
    project = Project(name="demo", working_dir="/", services={"db": Service(name="db", image="x")})
    subject = _subject(DB, one_off, orphan, JOB, project=project)
    assert [str(step.operation) for step in kill_plan("TERM")(subject).steps] == [
        "kill container demo-db-1 with TERM",
        "kill container demo-db-2 with TERM",
    ]
    everyone = kill_plan("TERM", orphans=True)(subject)
    assert str(everyone.steps[2].operation) == "kill container demo-gone-1 with TERM"
    assert _lines(pause_plan(subject)) == ["1  pause container demo-db-1: it is asked for"]


def test_an_unknown_service_is_an_error_with_the_nearest() -> None:
    with pytest.raises(NotFound, match="no such service: wbe") as found:
        _subject(DB, WEB, services=("wbe",))
    assert found.value.hint == "did you mean web?"


def test_with_files_their_edges_count_and_not_those_of_labels() -> None:
    services = {
        "db": Service(name="db", image="x"),
        "web": Service(name="web", image="x", depends_on={"db": Dependency(condition="service_started")}),
    }
    project = Project(name="demo", working_dir="/", services=services)
    web, db = _container("web"), _container("db", depends="web:service_started:false")
    assert _lines(stop_plan(_subject(web, db, project=project), None))[0].startswith("1  stop container demo-web-1")
