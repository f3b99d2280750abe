"""The compose.yaml of a project: the application as a cloud would run it, and the databases that it surely needs."""

from __future__ import annotations

import json
from typing import NamedTuple

from wherry.scaffold.facts import Variable
from wherry.scaffold.plan import Plan

__all__ = ["compose"]

_POSTGRES = frozenset({"asyncpg", "psycopg", "psycopg2", "psycopg2-binary", "pg8000"})
_REDIS = frozenset({"redis", "rq", "arq", "aioredis"})
_POSTGRES_NAMES = ("DATABASE_URL", "POSTGRES_URL", "POSTGRES_DSN", "DATABASE_DSN", "PG_DSN", "DB_URL")
_REDIS_NAMES = ("REDIS_URL", "REDIS_DSN", "CELERY_BROKER_URL", "BROKER_URL", "CELERY_RESULT_BACKEND")


class _Helper(NamedTuple):
    """A service beside the application; `variable` is where the code looks for its address."""

    service: str
    variables: tuple[tuple[str, str], ...]
    lines: tuple[str, ...]


def compose(plan: Plan) -> str:
    """The whole text."""
    helpers = _helpers(plan)
    lines = [
        "# Written by `wherry init`, and yours from now on: change what you like.",
        "services:",
        f"  {plan.facts.name}:",
        "    build: .",
        *_ports(plan),
        *_environment(plan, helpers),
        *_depends(helpers),
        "    # As a cloud runs it: nothing but /tmp can be written to, and no privilege can be gained",
        "    read_only: true",
        "    tmpfs:",
        "      - /tmp",
        "    cap_drop:",
        "      - ALL",
        "    security_opt:",
        "      - no-new-privileges:true",
        f"    restart: {json.dumps('no') if plan.app.kind == 'job' else 'unless-stopped'}",
        *_gpu(plan),
    ]
    for helper in helpers:
        lines += ["", *helper.lines]
    if any(helper.service == "db" for helper in helpers):
        lines += ["", "volumes:", "  db-data:"]
    return "\n".join(lines) + "\n"


def _ports(plan: Plan) -> list[str]:
    if not plan.has_port:
        return []
    return ["    ports:", f'      - "{plan.start.port}:{plan.start.port}"']


def _environment(plan: Plan, helpers: list[_Helper]) -> list[str]:
    """What the helpers are reached by, and what the code can't do without: that comes from the shell or from .env."""
    pairs = [pair for helper in helpers for pair in helper.variables]
    known = {name for name, _ in pairs} | {"PORT"}
    for one in plan.facts.variables:
        if one.is_required and one.name not in known and one.name.isidentifier():
            known.add(one.name)
            pairs.append((one.name, f"${{{one.name}:?set it in the shell or in a file .env}}"))
    if not pairs:
        return []
    return ["    environment:", *(f"      {name}: {json.dumps(value)}" for name, value in pairs)]


def _depends(helpers: list[_Helper]) -> list[str]:
    if not helpers:
        return []
    lines = ["    depends_on:"]
    for helper in helpers:
        lines += [f"      {helper.service}:", "        condition: service_healthy"]
    return lines


def _gpu(plan: Plan) -> list[str]:
    if not plan.is_gpu:
        return []
    return [
        "    deploy:",
        "      resources:", "        reservations:", "          devices:", "            - driver: nvidia",
        "              count: all", "              capabilities: [gpu]",
    ]  # fmt: skip


def _helpers(plan: Plan) -> list[_Helper]:
    """Only what is certain: a client among the dependencies, and a variable of the code for the address."""
    names = {one.name for one in plan.facts.packages.dependencies if not one.group}
    found = []
    if (names & _POSTGRES) and (wanted := _read(plan, _POSTGRES_NAMES)) and plan.facts.name != "db":
        found.append(_postgres(wanted[0], names))
    is_celery = any("redis" in one.extras for one in plan.facts.packages.dependencies if one.name == "celery")
    if (names & _REDIS or is_celery) and (wanted := _read(plan, _REDIS_NAMES)) and plan.facts.name != "redis":
        found.append(_redis(wanted))
    return found


def _read(plan: Plan, names: tuple[str, ...]) -> list[Variable]:
    by_name = {one.name: one for one in plan.facts.variables}
    return [by_name[name] for name in names if name in by_name]


def _postgres(variable: Variable, names: set[str]) -> _Helper:
    scheme = (variable.default or "").partition("://")[0]
    if not scheme.startswith("postgres"):
        driver = "asyncpg" if "asyncpg" in names else "psycopg" if "psycopg" in names else "psycopg2"
        scheme = f"postgresql+{driver}" if names & {"sqlalchemy", "sqlmodel"} else "postgresql"
    asked_for = "${POSTGRES_PASSWORD:?set it in the shell or in a file .env}"
    return _Helper("db", ((variable.name, f"{scheme}://app:{asked_for}@db:5432/app"),), (
        "  db:",
        "    image: postgres:17",
        "    environment:",
        "      POSTGRES_USER: app",
        "      POSTGRES_DB: app",
        f"      POSTGRES_PASSWORD: {json.dumps(asked_for)}",
        "    volumes:",
        "      - db-data:/var/lib/postgresql/data",
        "    healthcheck:",
        '      test: ["CMD", "pg_isready", "--username=app", "--dbname=app"]',
        "      interval: 2s",
        "      retries: 30",
        "    restart: unless-stopped",
    ))  # fmt: skip


def _redis(variables: list[Variable]) -> _Helper:
    pairs = tuple((one.name, f"redis://redis:6379/{number}") for number, one in enumerate(variables))
    return _Helper("redis", pairs, (
        "  redis:",
        "    image: redis:8",
        "    healthcheck:",
        '      test: ["CMD", "redis-cli", "ping"]',
        "      interval: 2s",
        "      retries: 30",
        "    restart: unless-stopped",
    ))  # fmt: skip
