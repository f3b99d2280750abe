"""The compose.yaml of hand-made facts, read back by wherry's own loader of YAML."""

from __future__ import annotations

from typing import Any

import yaml

from tests.unit.scaffold.hand_made import APP, PACKAGES, facts
from wherry.scaffold.compose import compose
from wherry.scaffold.facts import Dependency, Facts, Variable, Where
from wherry.scaffold.plan import Wishes, plan


def document(found: Facts, wishes: Wishes | None = None) -> Any:
    return yaml.safe_load(compose(plan(found, wishes or Wishes())))


def needing(*names: str) -> Facts:
    found = tuple(Dependency(one, "", "", (), "", "index", "", "", Where("requirements.txt")) for one in names)
    return facts(packages=PACKAGES._replace(dependencies=found))


def variable(name: str, default: str | None = None) -> Variable:
    return Variable(name, default, default is None, False, Where("main.py", 1))


def test_the_application_runs_as_a_cloud_would_run_it() -> None:
    service = document(facts())["services"]["shop"]
    assert service["build"] == "."
    assert service["ports"] == ["8000:8000"]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert "deploy" not in service
    assert "environment" not in service


def test_a_gpu_is_reserved_when_asked_for() -> None:
    devices = document(facts(), Wishes(gpu=True))["services"]["shop"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]


def test_a_database_comes_only_with_a_client_and_a_variable_for_it() -> None:
    assert set(document(needing("psycopg"))["services"]) == {"shop"}
    assert set(document(facts()._replace(variables=(variable("DATABASE_URL"),)))["services"]) == {"shop"}
    found = document(needing("sqlalchemy", "asyncpg")._replace(variables=(variable("DATABASE_URL"),)))
    url = found["services"]["shop"]["environment"]["DATABASE_URL"]
    assert url.startswith("postgresql+asyncpg://app:${POSTGRES_PASSWORD:?")
    assert found["services"]["shop"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert found["volumes"] == {"db-data": None}


def test_the_codes_own_default_says_which_driver() -> None:
    found = needing("sqlalchemy", "psycopg2")._replace(
        variables=(variable("DATABASE_URL", "postgresql://localhost/x"),)
    )
    assert document(found)["services"]["shop"]["environment"]["DATABASE_URL"].startswith("postgresql://app:")


def test_redis_comes_for_each_variable_with_a_database_of_its_own() -> None:
    found = needing("redis")._replace(variables=(variable("REDIS_URL"), variable("CELERY_BROKER_URL", "redis://x")))
    env = document(found)["services"]["shop"]["environment"]
    assert env == {"REDIS_URL": "redis://redis:6379/0", "CELERY_BROKER_URL": "redis://redis:6379/1"}


def test_what_must_be_set_is_asked_for_and_what_has_a_default_is_not() -> None:
    found = facts()._replace(variables=(variable("API_TOKEN"), variable("MODE", "fast")))
    env = document(found)["services"]["shop"]["environment"]
    assert env == {"API_TOKEN": "${API_TOKEN:?set it in the shell or in a file .env}"}


def test_a_job_ends_and_is_not_started_again() -> None:
    job = APP._replace(kind="job", framework="", file="train.py", server=None, port=None)
    service = document(facts(job))["services"]["shop"]
    assert service["restart"] == "no"
    assert "ports" not in service
