"""What `wherry compose` shows of work on a project: lines, JSON, and a terminal's picture."""

from __future__ import annotations

import io
import json
import os

import pytest

from tests.screen import Screen
from wherry.cli.compose_live import Live, columns_of, cut
from wherry.cli.compose_progress import Json, Plain, Renderer, renderer
from wherry.cli.render import Output
from wherry.compose.progress import DONE, ERROR, WARNING, WORKING, Event


class Terminal:
    """A Live on a pipe, and what stands on the screen behind it. No terminal's size is known: 80 by 24."""

    def __init__(self, *, has_colour: bool = False) -> None:
        self.now = 100.0
        self.written: list[str] = []
        self._read, self._write = os.pipe()
        self.live = Live(self._write, self.written.append, has_colour=has_colour, clock=lambda: self.now)

    def draw(self, *, is_last: bool = False) -> None:
        self.live.draw(is_last=is_last)

    def text(self) -> str:
        os.close(self._write)
        with open(self._read, "rb") as file:
            return file.read().decode()

    def screen(self) -> list[str]:
        screen = Screen(80)
        screen.feed(self.text())
        return screen.text


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def test_a_finished_project_looks_like_docker_composes(terminal: Terminal) -> None:
    for id in ("Network demo_default", "Container demo-db-1"):
        terminal.live.event(Event(id, WORKING, "Creating"))
    terminal.draw()
    terminal.now += 0.3
    for id in ("Network demo_default", "Container demo-db-1"):
        terminal.live.event(Event(id, DONE, "Created"))
    terminal.draw(is_last=True)
    assert terminal.screen() == [
        "[+] Running 2/2",
        " ✔ Network demo_default  Created                                          0.3s",
        " ✔ Container demo-db-1   Created                                          0.3s",
    ]


def test_what_is_drawn_again_takes_the_place_of_what_was_drawn(terminal: Terminal) -> None:
    terminal.live.event(Event("a", WORKING, "Starting"))
    for _ in range(5):
        terminal.now += 0.1
        terminal.draw()
    assert len(terminal.screen()) == 2


def test_warnings_stay_above_the_picture(terminal: Terminal) -> None:
    terminal.live.event(Event("a", WORKING, "Starting"))
    terminal.draw()
    terminal.live.warn("the port is strange")
    terminal.draw()
    terminal.draw()
    screen = terminal.screen()
    assert screen[0] == "wherry: warning: the port is strange"
    assert len(screen) == 3


def test_a_pull_shows_its_bytes_and_a_build_its_step(terminal: Terminal) -> None:
    terminal.live.event(Event("db", WORKING, "Pulling"))
    transfer = terminal.live.transfer("db")
    transfer.start("abc", "Downloading", 1000)
    transfer.advance("abc", 250)
    terminal.live.event(Event("web", WORKING, "Building"))
    build = terminal.live.build("web")
    build.start("1", "[1/2] FROM base")
    build.cached("1")
    build.start("2", "[2/2] RUN make")
    terminal.draw()
    screen = terminal.screen()
    assert " db   Pulling   250B/1kB" in screen[1]
    assert " web  Building  (1/2) [web 2/2] RUN make" in screen[2]


def test_the_output_of_a_step_that_failed_stands_below(terminal: Terminal) -> None:
    terminal.live.event(Event("web", WORKING, "Building"))
    build = terminal.live.build("web")
    build.start("1", "[1/1] RUN make")
    build.output("1", b"no rule to make\n")
    build.failed("1", "exit code 2")
    terminal.live.event(Event("web", ERROR, "Error", "it failed"))
    terminal.draw(is_last=True)
    assert terminal.screen()[-4:] == ["------", " > [web 1/1] RUN make:", "no rule to make", "------"]


def test_a_project_larger_than_the_screen_shows_what_is_worked_on(terminal: Terminal) -> None:
    for number in range(60):
        terminal.live.event(Event(f"c{number}", DONE if number < 50 else WORKING, "Started"))
    terminal.draw()
    screen = terminal.screen()
    assert len(screen) <= 23
    assert " c59 " in "\n".join(screen)
    assert screen[-1].startswith(" ... and ")


def test_every_line_fits_whatever_the_names_are(terminal: Terminal) -> None:
    terminal.live.event(Event("Container " + "長" * 60, WORKING, "Starting", "x" * 300))
    terminal.live.event(Event("c\x1b[2J", ERROR, "Error", "y" * 300))
    terminal.draw()
    text = terminal.text()
    assert "\x1b[2J" not in text
    assert all(columns_of(line.removesuffix("\x1b[K")) < 80 for line in text.split("\r\n")[:-1])


def test_colours_are_only_there_when_asked_for() -> None:
    plain, coloured = Terminal(), Terminal(has_colour=True)
    for one in (plain, coloured):
        one.live.event(Event("a", DONE, "Started"))
        one.draw(is_last=True)
    assert "\x1b[32m" in coloured.text()
    assert "\x1b[32m" not in plain.text()


@pytest.mark.parametrize(
    ("text", "columns", "want"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("長長", 3, "長…"), ("長長", 2, "…"), ("a", 0, "")],
)
def test_text_is_cut_at_columns_not_at_letters(text: str, columns: int, want: str) -> None:
    assert cut(text, columns) == want


def lines_of(kind: type[Renderer], *, is_dry: bool = False) -> tuple[Renderer, list[str]]:
    lines: list[str] = []
    return kind(lines.append, is_dry=is_dry), lines


def test_plain_lines_are_docker_composes() -> None:
    plain, lines = lines_of(Plain)
    plain.event(Event("Container demo-web-1", WORKING, "Starting"))
    plain.event(Event("Container demo-web-1", ERROR, "Error", "no such image"))
    plain.event(Event("db", WARNING, "Skipped - Image can be built"))
    assert lines == [
        " Container demo-web-1  Starting",
        " Container demo-web-1  Error no such image",
        " db  Skipped - Image can be built",
    ]


def test_a_dry_run_says_so_on_each_line() -> None:
    plain, lines = lines_of(Plain, is_dry=True)
    plain.event(Event("Container a", DONE, "Started"))
    assert lines == ["DRY-RUN MODE -  Container a  Started"]


def test_steps_of_two_builds_keep_their_service() -> None:
    plain, lines = lines_of(Plain)
    web, api = plain.build("web"), plain.build("api")
    web.start("1", "[1/2] FROM base")
    api.start("1", "[1/2] FROM base")
    web.done("1")
    api.cached("1")
    plain.close()
    assert [line for line in lines if "FROM" in line] == [
        "#1 [web 1/2] FROM base", "#2 [api 1/2] FROM base", "#1 [web 1/2] FROM base", "#2 [api 1/2] FROM base"
    ]  # fmt: skip
    assert any(line == "#2 CACHED" for line in lines)


def test_json_is_one_object_a_line() -> None:
    renderer_, lines = lines_of(Json)
    renderer_.event(Event("Container a", WORKING, "Starting", parent="p"))
    renderer_.warn("x\n\x1b[1m")
    transfer = renderer_.transfer("db")
    transfer.start("abc", "Downloading", 10)
    transfer.finish("abc", "Pull complete")
    assert [json.loads(line) for line in lines] == [
        {"id": "Container a", "parent_id": "p", "status": "Working", "text": "Starting"},
        {"level": "warning", "msg": "x\n\x1b[1m"},
        {"id": "abc", "parent_id": "db", "status": "Working", "text": "Downloading", "total": "10"},
        {"id": "abc", "parent_id": "db", "status": "Done", "text": "Pull complete"},
    ]


def test_quiet_shows_warnings_alone() -> None:
    quiet, lines = lines_of(Renderer)
    quiet.event(Event("a", DONE, "Started"))
    quiet.warn("careful")
    assert lines == ["wherry: warning: careful"]


def test_the_variable_puts_progress_on_standard_output() -> None:
    streams = io.StringIO(), io.StringIO()
    for env in ({}, {"COMPOSE_STATUS_STDOUT": "1"}):
        renderer(Output(*streams, env), "plain", "auto", env).event(Event("a", DONE, f"Started {len(env)}"))
    assert [one.getvalue() for one in streams] == [" a  Started 1\n", " a  Started 0\n"]


@pytest.mark.parametrize(
    ("mode", "ansi", "kind"),
    [("auto", "auto", Plain), ("plain", "always", Plain), ("json", "auto", Json), ("quiet", "auto", Renderer),
     ("tty", "auto", Live), ("auto", "always", Live)],
)  # fmt: skip
def test_a_pipe_gets_lines_unless_a_picture_is_asked_for(mode: str, ansi: str, kind: type[Renderer]) -> None:
    class Errors(io.StringIO):
        def fileno(self) -> int:
            return 2

    assert type(renderer(Output(io.StringIO(), Errors(), {}), mode, ansi, {})) is kind
