"""The Dockerfile of hand-made facts: what each package manager, kind of application and wish changes."""

from __future__ import annotations

import pytest

from tests.unit.scaffold.hand_made import APP, LOCK, PACKAGES, facts
from wherry.dockerfile import parse
from wherry.errors import InputError
from wherry.scaffold.dockerfile import dockerfile
from wherry.scaffold.facts import App, Facts, Manager, Route, Server, SystemPackage, Where
from wherry.scaffold.plan import Wishes, plan


def text(found: Facts, wishes: Wishes | None = None) -> str:
    return dockerfile(plan(found, wishes or Wishes()))


@pytest.mark.parametrize("manager", ["pip", "uv", "poetry", "pdm", "pipenv", "conda", "none"])
@pytest.mark.parametrize("is_package", [False, True])
@pytest.mark.parametrize("local", [(), ("lib",)])
def test_every_manager_gives_a_dockerfile_that_parses(
    manager: Manager, is_package: bool, local: tuple[str, ...]
) -> None:
    packages = PACKAGES._replace(manager=manager, is_package=is_package, lock=LOCK, local_paths=local)
    if manager != "pip":
        packages = packages._replace(requirement_files=())
    server = APP.server and APP.server._replace(is_declared=False)
    written = text(facts(APP._replace(server=server), packages))
    parsed = parse(written.encode())
    assert len(parsed.stages) == (2 if manager == "conda" else 3)
    assert "USER 10001:10001\n" in written
    assert '\nCMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "8000"' in written


@pytest.mark.parametrize(
    ("app", "signal"),
    [
        (APP, "SIGTERM"),
        (APP._replace(kind="wsgi", server=Server("gunicorn", "gunicorn", True)), "SIGTERM"),
        (APP._replace(kind="wsgi", server=Server("waitress", "waitress", True)), "SIGINT"),
        (APP._replace(kind="script", framework="tornado", server=None), "SIGINT"),
        (APP._replace(kind="script", framework="aiohttp", server=None), "SIGTERM"),
        (APP._replace(kind="script", framework="tornado", server=None, handles_term=True), "SIGTERM"),
        (APP._replace(kind="job", framework="", server=None, port=None), "SIGINT"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.kind}-{value.framework}",
)
def test_what_hears_no_sigterm_as_process_1_is_stopped_by_sigint(app: App, signal: str) -> None:
    written = text(facts(app))
    assert f"\nSTOPSIGNAL {signal}\n" in written
    assert f"is process 1, and gets {signal} itself" in written


def test_the_lock_is_respected_and_the_project_comes_after_its_dependencies() -> None:
    written = text(facts(packages=PACKAGES._replace(manager="uv", lock=LOCK, is_package=True, requirement_files=())))
    assert "uv sync --locked --no-dev --no-install-project" in written
    first, second = written.index("--no-install-project"), written.index("uv sync --locked --no-dev\n")
    assert first < written.index("COPY . .") < second


def test_hashes_of_requirements_are_demanded() -> None:
    lock = LOCK._replace(file="requirements.txt")
    assert "--require-hashes" in text(facts(packages=PACKAGES._replace(lock=lock)))
    assert "--require-hashes" not in text(facts())


def test_a_server_that_is_missing_is_added_and_said() -> None:
    found = facts(APP._replace(server=Server("uvicorn", "uvicorn", False)))
    assert "install uvicorn==" in text(found)
    assert "server-added" in [one.code for one in plan(found, Wishes()).notices]
    assert "install uvicorn" not in text(facts())


def test_system_packages_stand_in_the_stage_that_needs_them() -> None:
    needs = (SystemPackage("gcc", "build", "mysqlclient", ""), SystemPackage("libgomp1", "run", "lightgbm", ""))
    build, runtime = text(facts()._replace(system_packages=needs)).split("AS runtime")
    assert "gcc" in build
    assert "libgomp1" not in build
    assert "libgomp1" in runtime
    assert "gcc" not in runtime
    assert "# libgomp1: lightgbm needs it." in runtime


def test_the_health_route_is_asked_and_without_one_the_port() -> None:
    route = Route("/healthz", ("GET",), Where("main.py", 9))
    assert "c.request('GET', '/healthz')" in text(facts(APP._replace(health=route)))
    assert "socket.create_connection(('127.0.0.1', 8000), 2)" in text(facts())
    hostile = route._replace(path="/x'); import os; ('")
    assert "import os" not in text(facts(APP._replace(health=hostile)))


def test_what_listens_on_no_port_has_no_check_and_takes_no_port() -> None:
    worker = APP._replace(kind="worker", framework="", file="work.py", server=None, port=None)
    written = text(facts(worker))
    assert "HEALTHCHECK NONE" in written
    assert "EXPOSE" not in written
    assert '\nCMD ["python", "work.py"]\n' in written
    with pytest.raises(InputError, match="listens on no port"):
        plan(facts(worker), Wishes(port=9000))


def test_wishes_change_port_python_digest_and_gpu() -> None:
    wishes = Wishes(port=9000, python="3.11", gpu=True, digest=f"sha256:{'a' * 64}")
    written = text(facts(), wishes)
    assert f"FROM python:3.11-slim-trixie@sha256:{'a' * 64} AS base" in written
    assert "EXPOSE 9000" in written
    assert "NVIDIA_VISIBLE_DEVICES=all" in written


def test_a_wsgi_factory_is_called_by_gunicorn() -> None:
    app = APP._replace(
        kind="wsgi", is_factory=True, import_string="shop:make", server=Server("gunicorn", "gunicorn", True)
    )
    assert text(facts(app)).rstrip().endswith('"shop:make()"]')


def test_another_app_is_chosen_by_name_and_a_slip_is_told() -> None:
    other = APP._replace(file="admin.py", import_string="admin:app")
    both = facts()._replace(others=(other,))
    assert '"admin:app"' in text(both, Wishes(app="admin:app"))
    with pytest.raises(InputError) as caught:
        plan(both, Wishes(app="admim:app"))
    assert caught.value.hint == "did you mean admin:app?"


def test_without_anything_to_start_the_error_says_what_is_looked_for() -> None:
    with pytest.raises(InputError, match="nothing to start"):
        plan(facts(None), Wishes())
