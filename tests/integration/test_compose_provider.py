"""Providers: real programs that make a service."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from wherry.cancel import Cancel
from wherry.compose.model import Project, Service
from wherry.compose.model_parts import Provider
from wherry.compose.progress import Event, Quiet
from wherry.compose.provider import run_provider
from wherry.engine import Engine
from wherry.errors import Cancelled, InputError, InvalidSpec, WherryError
from wherry.host.linux import LinuxHost
from wherry.settings import Paths, Settings


class Log(Quiet):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, str, str]] = []

    def event(self, event: Event) -> None:
        self.events.append((event.state, event.text, event.detail))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    env = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "HOME": str(tmp_path)}
    settings = Settings(Paths.for_user(env, os.geteuid(), str(tmp_path / "root")), env, os.geteuid(), str(tmp_path))
    with Engine(settings, LinuxHost(env)) as made:
        yield made


Run = Callable[..., tuple[dict[str, str], Log]]


@pytest.fixture
def run(engine: Engine, tmp_path: Path) -> Run:
    def go(script: str, command: str = "up", cancel: Cancel | None = None) -> tuple[dict[str, str], Log]:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "cloud"
        program.write_text(f"#!/bin/sh\n[ $2 = metadata ] && exit 1\n{script}\n")
        program.chmod(0o755)
        service = Service(name="db", provider=Provider(type="cloud", options={"size": ["1", "2 3"]}))
        env = dict(engine.settings.env) | {"FROM_DOTENV": "yes"}
        project = Project(name="demo", working_dir=str(tmp_path), services={"db": service}, environment=env)
        log = Log()
        return dict(run_provider(engine, project, service, command, log, cancel or Cancel(60))), log

    return go


def test_what_it_sets_comes_back_and_what_it_says_is_shown(run: Run) -> None:
    variables, log = run(
        'echo "{\\"type\\":\\"info\\",\\"message\\":\\"$*\\"}"\n'
        'echo \'{"type":"debug","message":"hidden"}\'\n'
        'echo "{\\"type\\":\\"setenv\\",\\"message\\":\\"URL=$FROM_DOTENV=1\\"}"\n'
        'printf \'{"type":"setenv","message":"LAST=line without its end"}\''
    )
    assert variables == {"URL": "yes=1", "LAST": "line without its end"}
    assert log.events == [
        ("working", "Creating", ""),
        ("working", "compose --project-name=demo up --size=1 --size=2 3 db", ""),
        ("done", "Created", ""),
    ]


def test_down_has_its_own_words(run: Run) -> None:
    assert [text for _, text, _ in run(":", "down")[1].events] == ["Removing", "Removed"]


def test_its_error_is_ours_and_it_is_ended(run: Run, tmp_path: Path) -> None:
    with pytest.raises(WherryError, match="quota exceeded"):
        run(f'echo $$ > {tmp_path}/pid; echo \'{{"type":"error","message":"quota exceeded"}}\'; exec sleep 1000')
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_its_exit_code_counts(run: Run) -> None:
    with pytest.raises(WherryError, match="failed to create service provider: exit status 3"):
        run("exit 3")


def test_what_is_no_message_is_refused(run: Run) -> None:
    with pytest.raises(InvalidSpec, match="'plain words' is no JSON"):
        run("echo plain words; exec sleep 1000")


def test_a_line_without_end_is_refused(run: Run) -> None:
    with pytest.raises(InvalidSpec, match="a line of more than 1 MB"):
        run("exec cat /dev/zero")


def test_a_cancelled_one_is_ended(run: Run, tmp_path: Path) -> None:
    cancel, pid = Cancel(), tmp_path / "pid"

    def stop() -> None:
        deadline = time.monotonic() + 20
        while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        cancel.set()

    thread = Thread(target=stop)
    thread.start()
    with pytest.raises(Cancelled):
        run(f"echo $$ > {pid}; exec sleep 1000", cancel=cancel)
    thread.join()
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


def test_a_program_that_is_not_there_is_said(engine: Engine) -> None:
    for kind, words in (("nope", "no such program"), ("compose", "not a valid provider type")):
        service = Service(name="db", provider=Provider(type=kind))
        project = Project(name="demo", working_dir="/", services={"db": service})
        with pytest.raises(InputError, match=words):
            run_provider(engine, project, service, "up", Quiet(), Cancel(20))
