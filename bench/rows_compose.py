"""Projects of several services: up, nothing to do, down, and what is asked of a file or of what runs."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from bench.engines import Engine
from bench.rows import Pair, Row, Setup, alternate

__all__ = ["ROWS"]

SERVICES = 10
LARGE = 100
# Obeys at once, and costs nothing while it waits
_WAITS = """["sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait"]"""


def _project(setup: Setup) -> Path:
    """Ten services on one network, each with a variable of its own; half of them wait for another one's start."""
    path = setup.folder / "compose-ten" / "compose.yaml"
    path.parent.mkdir(exist_ok=True)
    lines = ["name: bench", "services:"]
    for number in range(SERVICES):
        lines += [f"  s{number}:", f"    image: {setup.base}", f"    command: {_WAITS}",
                  f"    environment: {{NUMBER: '{number}'}}"]  # fmt: skip
        if number % 2:
            lines.append(f"    depends_on: [s{number - 1}]")
    path.write_text("\n".join(lines) + "\n")
    return path


def _large(setup: Setup) -> Path:
    """What is written in real files: anchors, variables, ports, volumes, health checks, conditions."""
    path = setup.folder / "compose-large" / "compose.yaml"
    path.parent.mkdir(exist_ok=True)
    lines = [
        "name: large", "x-common: &common", "  restart: unless-stopped",
        "  logging: {driver: json-file, options: {max-size: 10m}}", "services:",
    ]  # fmt: skip
    for number in range(LARGE):
        lines += [
            f"  service{number}:", "    <<: *common",
            f"    image: registry.example/team/service{number}:${{TAG:-1.{number}}}",
            f'    command: ["serve", "--port", "{9000 + number}"]', "    environment:", f"      NUMBER: '{number}'",
            "      LEVEL: ${LEVEL:-info}", f"    ports: ['{9000 + number}:{9000 + number}']",
            f"    volumes: [data{number}:/data, ./config/{number}.toml:/etc/service.toml:ro]",
            "    networks: [front, back]",
            "    healthcheck: {test: [CMD, check], interval: 10s, timeout: 3s, retries: 5}",
        ]  # fmt: skip
        if number:
            lines.append(f"    depends_on: {{service{number // 2}: {{condition: service_healthy}}}}")
    lines += ["networks: {front: {}, back: {}}", "volumes:", *(f"  data{number}: {{}}" for number in range(LARGE))]
    path.write_text("\n".join(lines) + "\n")
    return path


def up(setup: Setup) -> Pair:
    file = ("-f", str(_project(setup)))

    def one(engine: Engine, _: int) -> float:
        took = engine.compose(*file, "up", "-d")
        engine.compose(*file, "down")
        return took

    return alternate(setup, 5, one)


def down(setup: Setup) -> Pair:
    file = ("-f", str(_project(setup)))

    def one(engine: Engine, _: int) -> float:
        engine.compose(*file, "up", "-d")
        return engine.compose(*file, "down")

    return alternate(setup, 5, one)


def _of_what_runs(setup: Setup, *argv: str) -> Pair:
    file = ("-f", str(_project(setup)))
    for engine in setup.engines:
        engine.compose(*file, "up", "-d")
    try:
        return alternate(setup, 9, lambda engine, _: engine.compose(*file, *argv))
    finally:
        for engine in setup.engines:
            engine.compose(*file, "down")


def nothing_to_do(setup: Setup) -> Pair:
    return _of_what_runs(setup, "up", "-d")


def listing(setup: Setup) -> Pair:
    return _of_what_runs(setup, "ps")


def config(setup: Setup) -> Pair:
    file = ("-f", str(_large(setup)))
    return alternate(setup, 9, lambda engine, _: engine.compose(*file, "config"))


_WATCHED = """\
name: watched
services:
  app:
    build: .
    command: ["python", "-u", "look.py"]
    volumes: ["./seen:/seen"]
    develop:
      watch:
        - {action: sync, path: ./code, target: /app/code}
"""
_LOOK = """\
import os, time
before = None
while True:
    try:
        with open("/app/code/main.py") as file:
            text = file.read().strip()
    except FileNotFoundError:  # docker's sync removes the file, then writes it
        text = ""
    if text and text != before:
        with open("/seen/new", "w") as file:
            file.write(text)
        os.replace("/seen/new", "/seen/text")
        before = text
    time.sleep(0.005)
"""
EDITS = 7


def watched(setup: Setup) -> Pair:
    """From the end of an edit to the moment at which the program in the container has read it."""
    return Pair(_edits(setup, setup.wherry), _edits(setup, setup.docker), "s within")


def _edits(setup: Setup, engine: Engine) -> list[float]:
    folder = setup.folder / f"watch-{engine.name}"
    for name in ("code", "seen"):
        (folder / name).mkdir(parents=True)
    (folder / "code" / "main.py").write_text("first\n")
    (folder / "look.py").write_text(_LOOK)
    (folder / "Dockerfile").write_text(f"FROM {setup.base}\nWORKDIR /app\nCOPY . /app\n")
    (folder / ".dockerignore").write_text("seen\n")
    (folder / "compose.yaml").write_text(_WATCHED)
    file = ("-f", str(folder / "compose.yaml"))
    engine.compose(*file, "up", "-d", "--build")
    log = (folder / "watch.log").open("wb")
    watcher = subprocess.Popen([*engine.compose_command, *file, "watch", "--no-up"], env=engine.env, stdout=log,
                               stderr=log, stdin=subprocess.DEVNULL)  # fmt: skip
    try:
        # Again and again until the watch is there to see one
        for attempt in range(30):
            if _seen_after(folder, f"attempt {attempt}", 2.0) is not None:
                break
        found = [_seen_after(folder, f"edit {number}", 20.0) for number in range(EDITS)]
    finally:
        watcher.terminate()
        watcher.wait(30)
        log.close()
        engine.compose(*file, "down")
    if None in found:
        raise RuntimeError(f"{engine.name}: an edit did not arrive:\n{(folder / 'watch.log').read_text()[-2000:]}")
    return [took for took in found if took is not None]


def _seen_after(folder: Path, text: str, patience_s: float) -> float | None:
    time.sleep(0.5)  # each edit is one of its own, not the end of the one before
    (folder / "code" / "main.py").write_text(f"{text}\n")
    began, seen = time.monotonic(), folder / "seen" / "text"
    while (took := time.monotonic() - began) < patience_s:
        if seen.exists() and seen.read_text() == text:
            return took
        time.sleep(0.001)
    return None


ROWS = (
    Row("up", "compose up -d of 10 services", up, 0.50),
    Row("upnoop", "... with nothing to do", nothing_to_do, 0.50),
    Row("down", "compose down of 10 services", down, 0.60),
    Row("config", "compose config of 100 services", config, 1.00),
    Row("cps", "compose ps of 10 services", listing, 1.00),
    Row("watch", "compose watch: edit to running in the container", watched, 0.50),
)
