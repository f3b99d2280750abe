"""A Compose project in a folder of its own, over a real root."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from textwrap import dedent
from typing import Any

from tests.integration.container_lab import Terminal, Wherry

SLEEPS = 'init: true, command: ["sleep", "1000"]'
"""Keys of a service that runs until it is stopped, and stops at once."""


class Compose:
    """`wherry compose` in one folder. Close it: everything of its projects is removed."""

    def __init__(self, wherry: Wherry, folder: Path, name: str = "demo") -> None:
        self.wherry, self.folder, self.name = wherry, folder, name
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, text: str, file: str = "compose.yaml") -> None:
        """The file; the name of the project is put in front of the first one."""
        head = f"name: {self.name}\n" if file == "compose.yaml" else ""
        (self.folder / file).write_text(head + dedent(text))

    def words(self, *args: str) -> tuple[str, ...]:
        return ("compose", "--project-directory", str(self.folder), "-f", str(self.folder / "compose.yaml"), *args)

    def __call__(
        self, *args: str, code: int | None = 0, stdin: str = "", timeout_s: float = 90
    ) -> subprocess.CompletedProcess[str]:
        return self.wherry(*self.words(*args), code=code, stdin=stdin, timeout_s=timeout_s)

    def spawn(self, *args: str) -> subprocess.Popen[bytes]:
        return self.wherry.spawn(*self.words(*args))

    def terminal(self, *args: str) -> Terminal:
        return self.wherry.terminal(*self.words(*args))

    def containers(self) -> dict[str, Any]:
        """What `ps -a` says, by name without the project's."""
        lines = self("ps", "-a", "--format", "json").stdout.splitlines()
        rows = [json.loads(line) for line in lines]
        return {row["Name"].removeprefix(f"{self.name}-"): row for row in rows}

    def states(self) -> dict[str, str]:
        """ "running", "exited 3", "created", ... by the container's name."""
        return {
            name: row["State"] + (f" {row['ExitCode']}" if row["State"] == "exited" else "")
            for name, row in self.containers().items()
        }

    def ids(self) -> dict[str, str]:
        return {name: row["ID"] for name, row in self.containers().items()}

    def networks(self) -> list[str]:
        names = self.wherry("network", "ls", "--format", "{{.Name}}").stdout.split()
        return [name for name in names if name.startswith(f"{self.name}_")]

    def volumes(self) -> list[str]:
        names = self.wherry("volume", "ls", "-q").stdout.split()
        return [name for name in names if name.startswith(f"{self.name}_")]

    def clean(self) -> None:
        """By the engine's own verbs: what a broken `down` would leave must not be another test's."""
        mark = f"label=com.docker.compose.project={self.name}"
        if ids := self.wherry("ps", "-aq", "--filter", mark).stdout.split():
            self.wherry("rm", "-fv", *ids)
        if names := self.networks():
            self.wherry("network", "rm", *names)
        if names := self.volumes():
            self.wherry("volume", "rm", *names)
        # Anonymous ones outlive `down` without -v and `up -V`, and say nothing of their project
        self.wherry("volume", "prune", "-f")
