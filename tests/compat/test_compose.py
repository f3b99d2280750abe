"""docker-compose and `wherry compose` through the same commands: exit codes, what becomes of which resource, errors."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.compat.sides import Side, Wherry

pytestmark = pytest.mark.requires(
    "root", "docker", "dockerd", "docker-compose", "runc", "nft", "ip", "busybox"
)  # fmt: skip

_UP = 'init: true, command: ["sleep", "1000"]'
CHAIN = f"""
name: demo
services:
  db: {{image: busybox, {_UP}, volumes: ["data:/data"], healthcheck: {{test: "true", interval: 300ms}}}}
  job: {{image: busybox, command: ["true"], depends_on: {{db: {{condition: service_healthy}}}}}}
  web:
    image: busybox
    init: true
    command: ["sleep", "1000"]
    labels: {{tier: front}}
    networks: {{default: {{aliases: [api]}}, back: {{}}}}
    depends_on: {{job: {{condition: service_completed_successfully}}}}
networks: {{back: {{internal: true}}}}
volumes: {{data: {{}}}}
"""
BAD = f"""
name: demo
services:
  sick: {{image: busybox, {_UP}, profiles: [sick], healthcheck: {{test: "false", interval: 200ms, retries: 2}}}}
  waits: {{image: busybox, {_UP}, profiles: [sick], depends_on: {{sick: {{condition: service_healthy}}}}}}
  fails: {{image: busybox, command: [sh, -c, "exit 3"], profiles: [fails]}}
  behind:
    {{image: busybox, {_UP}, profiles: [fails], depends_on: {{fails: {{condition: service_completed_successfully}}}}}}
  option: {{image: busybox, command: [sh, -c, "exit 4"], profiles: [option]}}
  goes_on:
    image: busybox
    init: true
    command: ["sleep", "1000"]
    profiles: [option]
    depends_on: {{option: {{condition: service_completed_successfully, required: false}}}}
  plain: {{image: busybox, {_UP}, profiles: [plain]}}
"""
CASES: dict[str, tuple[str, list[str]]] = {
    "a life": (
        CHAIN,
        [
            "up -d", "up -d", "stop", "start", "restart", "pause", "pause web", "unpause", "unpause web", "kill",
            "kill", "start web", "stop -t 0 web", "rm -f", "up -d web", "down", "down", "up -d --wait", "down -v",
        ],
    ),
    "scale": (
        CHAIN,
        [
            "up -d --scale web=3", "up -d", "scale web=2", "scale web", "scale nope=2", "up -d --force-recreate web",
            "up -d --no-recreate", "up --no-start", "create", "down -v --remove-orphans",
        ],
    ),
    "failures": (
        BAD,
        [
            "--profile sick up -d", "--profile sick up -d --wait sick", "--profile sick down",
            "--profile fails up -d", "--profile fails start behind", "--profile fails down",
            "--profile option up -d", "--profile option down", "up -d", "up -d nope", "--profile plain start",
            "--profile plain up --build --no-build -d", "--profile plain up --force-recreate --no-recreate -d",
            "--profile plain up -d --pull sometimes", "--profile plain up -d --exit-code-from plain",
            "--profile plain down --rmi some", "--profile plain up -d --nope", "--profile plain wait plain",
            "--profile plain stop nope", "--profile plain up -d plain", "--profile plain rm -f",
            "--profile plain down",
        ],
    ),
    "ends": (
        BAD,
        [
            "--profile fails up fails", "--profile fails up --abort-on-container-exit fails",
            "--profile fails up --exit-code-from fails fails", "--profile fails down",
        ],
    ),
}  # fmt: skip


# docker-compose waits for what is healthy already, and ends a wait that failed without a word
_SAME = {"Healthy": "Running", "Waiting": "Error"}


class Step:
    """What one command did: its exit code, the last word about each resource, and the first line that is none."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.words: dict[str, str] = {}
        self.error = ""
        for line in text.splitlines():
            event = re.fullmatch(r" (\S+ \"?[\w.-]+\"?|\w+)  (.*)", line.rstrip())
            if event:
                self.words[event[1].replace('"', "")] = _SAME.get(event[2], event[2])
            elif not self.error and not line.startswith(("hint:", "  ", "Attaching", "time=")) and " | " not in line:
                self.error = line.removeprefix("wherry: ").removeprefix("Error response from daemon: ")


def _run(side: Side, file: str, commands: list[str]) -> list[Step]:
    folder = side.folder / "work" / "demo"
    folder.mkdir(exist_ok=True)
    (folder / "compose.yaml").write_text(file)
    found = []
    for command in commands:
        done = side.run(f"docker-compose --ansi never --progress plain {command}", folder)
        found.append(Step(done.returncode, done.stderr.decode()))
    return found


@pytest.fixture
def both(sides: tuple[Side, Side]) -> tuple[Side, Side]:
    for side in sides:
        if isinstance(side, Wherry):
            shim = side.folder / "bin" / "docker-compose"
            shim.write_text('#!/bin/sh\nexec docker compose "$@"\n')
            shim.chmod(0o755)
    return sides


@pytest.mark.parametrize("name", CASES)
def test_the_same_commands_do_the_same(both: tuple[Side, Side], name: str) -> None:
    file, commands = CASES[name]
    theirs, ours = (_run(side, file, commands) for side in both)
    for command, their, our in zip(commands, theirs, ours, strict=True):
        where = f"{command}: {their.words} {their.error!r}, and {our.words} {our.error!r}"
        assert our.code == their.code, where
        for resource, word in our.words.items():
            # docker-compose names some more: that it "stops" what does not run, and "creates" what is there
            assert word == their.words.get(resource, word), where
        if their.code and their.code != 16:
            assert _plain(our.error) == _plain(their.error), where


def _plain(error: str) -> str:
    return re.sub(r"[0-9a-f]{64}", "ID", error).partition(": not found")[0]


def _state(side: Side) -> list[dict[str, Any]]:
    folder = side.folder / "work"
    lines = side.run("docker ps -aq --no-trunc | xargs -r docker inspect --format '{{json .}}'", folder).stdout
    found = []
    for line in lines.decode().splitlines():
        doc = json.loads(line)
        marks = {key: text for key, text in doc["Config"]["Labels"].items() if key.startswith("com.docker.compose.")}
        for own in ("version", "image", "config-hash", "project.working_dir", "project.config_files"):
            marks.pop(f"com.docker.compose.{own}", None)
        networks = {key: sorted(_aliases(one, doc["Id"])) for key, one in doc["NetworkSettings"]["Networks"].items()}
        found.append({"name": doc["Name"], "state": doc["State"]["Status"], "labels": marks, "networks": networks})
    return sorted(found, key=lambda one: str(one["name"]))


def _aliases(endpoint: dict[str, Any], id: str) -> set[str]:
    return set(endpoint["Aliases"] or ()) - {id[:12]}


def test_what_up_makes_has_the_same_names_labels_and_networks(both: tuple[Side, Side]) -> None:
    theirs: list[dict[str, Any]] = []
    ours: list[dict[str, Any]] = []
    for side, found in zip(both, (theirs, ours), strict=True):
        _run(side, CHAIN, ["up -d"])
        found += _state(side)
        found += [{"networks": sorted(side.run("docker network ls --format '{{.Name}}'", side.folder).stdout.split())}]
        found += [{"volumes": sorted(side.run("docker volume ls -q", side.folder).stdout.split())}]
        _run(side, CHAIN, ["down -v"])
    assert ours == theirs
