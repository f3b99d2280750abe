"""The example projects as a user has them after a clone, on this machine's base images."""

from __future__ import annotations

import json
import shutil
import socket
import urllib.error
import urllib.request
from subprocess import CompletedProcess
from typing import Any

from tests.integration.lesson import PROJECT, Lesson

__all__ = ["ExampleProject", "postgres_image"]

DEBIAN = "debian:trixie-slim"
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ExampleProject:
    """A copy of `examples/NAME`; `port` is free, and what compose.yaml publishes."""

    def __init__(self, lesson: Lesson, name: str, port_variable: str) -> None:
        self.lesson, self.folder = lesson, lesson.folder / f"example-{name}"
        shutil.copytree(PROJECT / "examples" / name, self.folder)
        for path in self.folder.rglob("Dockerfile"):
            path.write_text(path.read_text().replace("FROM python:3.10", f"FROM {lesson.base}"))
        with socket.socket() as probe:
            probe.bind(("", 0))
            self.port = probe.getsockname()[1]
        self.env = {port_variable: str(self.port)}

    def compose(self, *argv: str, **env: str) -> CompletedProcess[str]:
        return self.lesson.wherry("compose", *argv, cwd=self.folder, **self.env | env)

    def must(self, *argv: str, **env: str) -> str:
        done = self.compose(*argv, **env)
        assert done.returncode == 0, f"wherry compose {' '.join(argv)}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def ask(self, path: str, data: object = None, timeout_s: float = 30) -> tuple[int, Any]:
        """Status and JSON of an answer. Raises: OSError when there is none."""
        body = json.dumps(data).encode() if data is not None else None
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", body, {"content-type": "application/json"}
        )
        try:
            with _OPENER.open(request, timeout=timeout_s) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as fault:
            return fault.code, json.loads(fault.read() or b"null")

    def states(self) -> dict[str, str]:
        """Service to state, of all containers of the project."""
        lines = self.lesson.must(
            "ps", "-a", "--filter", f"label=com.docker.compose.project={self.folder.name.removeprefix('example-')}",
            "--format", '{{.Label "com.docker.compose.service"}} {{.State}}',
        ).splitlines()  # fmt: skip
        return dict(line.split(" ", 1) for line in lines)


def postgres_image(lesson: Lesson) -> str:
    """The database's image of examples/stack, built once for all tests that want PostgreSQL."""
    lesson.must("bootstrap", DEBIAN)
    lesson.must("build", "-t", "stack-db", str(PROJECT / "examples" / "stack" / "db"))
    return "stack-db"
