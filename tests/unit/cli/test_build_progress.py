from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from wherry.cli.build_progress import Live, Plain, choose
from wherry.cli.flags import FlagError
from wherry.cli.render import Output


def timeless(lines: list[str]) -> str:
    return re.sub(r"\b\d+\.\d+", "T", "\n".join(lines))


def test_plain_output_is_that_of_buildkit() -> None:
    said: list[str] = []
    with Plain(said.append) as plain:
        plain.start("definition", "[internal] load build definition from Dockerfile")
        plain.output("definition", b"transferring dockerfile: 88B done\n")
        plain.done("definition")
        plain.start("0", "[1/3] FROM busybox")
        plain.cached("0")
        plain.start("1", "[2/3] RUN make")
        plain.output("1", b"one\ntw")
        plain.output("1", b"o\nno end")
        plain.done("1")
    assert timeless(said) == (
        "#1 [internal] load build definition from Dockerfile\n#1 transferring dockerfile: 88B done\n#1 DONE Ts\n\n"
        "#2 [1/3] FROM busybox\n#2 CACHED\n\n"
        "#3 [2/3] RUN make\n#3 T one\n#3 T two\n#3 T no end\n#3 DONE Ts"
    )


def test_steps_side_by_side_say_which_is_speaking() -> None:
    said: list[str] = []
    with Plain(said.append) as plain:
        plain.start("1", "a")
        plain.start("2", "b")
        plain.output("1", b"x\n")
        plain.output("2", b"y\n")
        plain.done("1")
        plain.done("2")
    assert timeless(said) == (
        "#1 a\n#1 ...\n\n#2 b\n#2 ...\n\n#1 a\n#1 T x\n#1 ...\n\n#2 b\n"
        "#2 T y\n#2 ...\n\n#1 a\n#1 DONE Ts\n\n#2 b\n#2 DONE Ts"
    )


def test_a_failed_steps_last_lines_come_again_at_the_end() -> None:
    said: list[str] = []
    with Plain(said.append) as plain:
        plain.start("1", "RUN x")
        plain.output("1", b"why\n")
        plain.failed("1", "exit code: 1")
    assert timeless(said).endswith("#1 ERROR: exit code: 1\n------\n > RUN x:\nwhy\n------")


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"\x1b[31mred\x1b[0m\n", "red"),
        (b"10%\r20%\r100%\n", "100%"),
        (b"dos\r\n", "dos"),
        (b"\x1b]0;title\x07text\n", "text"),
        (b"bell\x07\n", "bell\ufffd"),
        (b"\xff\n", "\ufffd"),
    ],
)
def test_a_step_can_not_steer_the_terminal(data: bytes, shown: str) -> None:
    said: list[str] = []
    with Plain(said.append) as plain:
        plain.start("1", "x")
        plain.output("1", data)
    assert timeless(said) == f"#1 x\n#1 T {shown}"


class Screen:
    """Reads what a display writes."""

    def __init__(self) -> None:
        self._read, self.fd = os.pipe()
        os.set_blocking(self._read, False)

    def text(self) -> str:
        try:
            return os.read(self._read, 1 << 20).decode()
        except BlockingIOError:
            return ""

    def close(self) -> None:
        os.close(self._read)
        os.close(self.fd)


@pytest.fixture
def screen() -> Iterator[Screen]:
    screen = Screen()
    yield screen
    screen.close()


def test_the_live_display_shows_steps_times_and_last_lines(screen: Screen) -> None:
    live = Live(screen.fd)
    live.start("0", "[1/2] FROM busybox")
    live.cached("0")
    live.start("1", "[2/2] RUN make")
    live.output("1", b"".join(b"line %d\n" % n for n in range(20)))
    live._draw()
    text = timeless([screen.text()])
    assert "[+] Building Ts (1/2)" in text
    assert re.search(r"=> CACHED \[1/2\] FROM busybox +Ts", text)
    assert "=> => # line 19" in text
    assert "line 13" not in text


def test_the_live_display_draws_over_what_it_drew(screen: Screen) -> None:
    live = Live(screen.fd)
    live.start("1", "x")
    live._draw()
    screen.text()
    live._draw()
    assert screen.text().startswith("\x1b[2A\r\x1b[J")


def test_a_long_name_is_cut_to_the_window(screen: Screen) -> None:
    live = Live(screen.fd)
    live.start("1", "RUN " + "x" * 500)
    live._draw()
    assert max(map(len, screen.text().split("\r\n"))) <= 80


def test_the_live_display_ends_by_itself_and_leaves_the_cursor_below(screen: Screen) -> None:
    def interrupted() -> None:
        with Live(screen.fd) as live:
            live.start("1", "x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert screen.text().endswith("\r\n")


def test_auto_is_plain_without_a_terminal() -> None:
    class Piped(Output):
        def __init__(self) -> None:
            self.err_is_terminal = False

    assert isinstance(choose("auto", Piped(), {}), Plain)
    with pytest.raises(FlagError, match="needs a terminal"):
        choose("tty", Piped(), {})
    with pytest.raises(FlagError, match="auto, plain or tty"):
        choose("fancy", Piped(), {})
