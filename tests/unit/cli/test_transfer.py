"""What pull and push show, on a terminal of a given width and in a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.screen import Screen
from wherry.cli.render import Output
from wherry.cli.transfer import Live, Plain, Quiet, choose, fit, shown_size


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Recorded(Live):
    """A terminal hands on what it gets when it pleases: this one at once."""

    written = ""

    def _put(self, text: str) -> None:
        self.written += text


class Terminal:
    """A pseudo-terminal, and a display that is drawn when the test says so."""

    def __init__(self, columns: int, rows: int) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(columns, rows)
        self.screen = Screen(columns)
        self.clock = Clock()
        self.live = Recorded(self.slave, clock=self.clock)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def drawn(self, *, is_last: bool = False) -> list[str]:
        self.live.draw(is_last=is_last)
        self.screen.feed(self.live.written)
        self.live.written = ""
        return self.screen.text


@contextmanager
def terminal(columns: int = 100, rows: int = 24) -> Iterator[Terminal]:
    made = Terminal(columns, rows)
    try:
        yield made
    finally:
        os.close(made.master)
        os.close(made.slave)


def test_a_layer_has_a_bar_with_bytes_speed_and_time_left() -> None:
    with terminal(120) as term:
        term.live.note("3.10: Pulling from library/python")
        term.live.start("aaaaaaaaaaaa", "Downloading", 40_000_000)
        term.live.start("bbbbbbbbbbbb", "Waiting", 0)
        term.live.advance("aaaaaaaaaaaa", 0)
        term.drawn()
        term.clock.now += 2
        term.live.advance("aaaaaaaaaaaa", 10_000_000)
        assert term.drawn() == [
            "3.10: Pulling from library/python",
            f"aaaaaaaaaaaa: Downloading [{'>'.rjust(13, '='):50}]    10MB/40MB     5MB/s     6s",
            "bbbbbbbbbbbb: Waiting",
        ]
        term.live.finish("aaaaaaaaaaaa", "Pull complete")
        term.live.finish("bbbbbbbbbbbb", "Already exists")
        assert term.drawn(is_last=True) == [
            "3.10: Pulling from library/python",
            "aaaaaaaaaaaa: Pull complete",
            "bbbbbbbbbbbb: Already exists",
        ]


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (100, "aaaaaaaaaaaa: Downloading [==========>                              ]    10MB/40MB     5MB/s     6s"),
        (80, "aaaaaaaaaaaa: Downloading [=====>               ]    10MB/40MB     5MB/s     6s"),
        (62, "aaaaaaaaaaaa: Downloading    10MB/40MB     5MB/s     6s"),
        (45, "aaaaaaaaaaaa: Downloading    10MB/40MB"),
        (20, "aaaaaaaaaaaa:   25%"),
    ],
)
def test_a_narrow_terminal_loses_the_bar_then_the_speed(columns: int, shown: str) -> None:
    assert fit("aaaaaaaaaaaa", "Downloading", (10_000_000, 40_000_000, 5e6), columns) == shown


@given(
    st.integers(1, 300), st.integers(0, 10**13), st.integers(1, 10**13), st.floats(0, 1e12),
    st.sampled_from(["x", "y" * 90]),
)  # fmt: skip
def test_a_line_never_fills_the_terminals_width(columns: int, done: int, total: int, speed: float, what: str) -> None:
    assert len(fit("a" * 12, what, (min(done, total), total, speed), columns)) <= max(0, columns - 1)


def test_more_layers_than_rows_are_folded_with_those_under_way_on_top() -> None:
    with terminal(60, 5) as term:
        for number in range(10):
            term.live.start(f"layer{number}", "Waiting", 0)
        for number in range(3):
            term.live.finish(f"layer{number}", "Pull complete")
        term.live.start("layer8", "Downloading", 100)
        assert term.drawn() == [
            "layer3: Waiting",
            "layer4: Waiting",
            "layer8: Downloading      0B/100B",
            "... and 3 complete and 4 waiting",
        ]
        assert len(term.drawn(is_last=True)) == 10


def test_a_window_that_became_narrower_leaves_no_rubbish() -> None:
    with terminal(100) as term:
        term.live.start("aaaaaaaaaaaa", "Downloading", 1000)
        term.drawn()
        term.resize(40, 24)
        # What a terminal does to a line that no longer fits
        row = term.screen.rows[0]
        term.screen.columns = 40
        term.screen.rows = [row[:40], row[40:80], row[80:], ""] if len(row) > 80 else [row[:40], row[40:], ""]
        term.screen.at = len(term.screen.rows) - 1
        assert len(term.drawn()) == 1


def test_a_note_stands_above_what_runs_and_below_what_has_ended() -> None:
    with terminal() as term:
        term.live.start("one", "Pushing", 10)
        term.drawn()
        term.live.note("above")
        term.drawn()
        term.live.finish("one", "Pushed")
        term.live.note("latest: digest: sha256:0 size: 1")
        term.live.start("two", "Preparing", 0)
        assert term.drawn() == ["above", "one: Pushed", "latest: digest: sha256:0 size: 1", "two: Preparing"]


def test_speed_is_of_the_last_seconds_and_begins_anew_with_the_transfer() -> None:
    with terminal(120) as term:
        term.live.start("one", "Downloading", 1_000_000)
        for second in range(20):
            term.clock.now += 1
            term.live.advance("one", 1000 * second)
            term.drawn()
        assert "1kB/s" in term.drawn()[0]
        term.live.advance("one", 10)
        assert "/s" not in term.drawn()[0]


def test_what_comes_from_a_registry_does_not_steer_the_terminal() -> None:
    with terminal() as term:
        term.live.note("evil\x1b[2J\x07")
        term.live.start("one\x1b]0;x\x07", "Wait\x1b[1ming", 0)
        assert term.drawn() == ["evil�[2J�", "one�]0;x�: Wait�[1ming"]


def test_a_terminal_that_was_closed_does_not_break_the_transfer_off() -> None:
    master, slave = pty.openpty()
    os.close(master)
    with Live(slave) as live:
        live.start("one", "Downloading", 10)
        live.finish("one", "Pull complete")
        live.note("x")
    os.close(slave)


def test_threads_may_all_tell_at_once() -> None:
    with terminal(80, 10) as term, term.live as live:

        def work(key: str) -> None:
            live.start(key, "Downloading", 1000)
            for done in range(1000):
                live.advance(key, done)
            live.finish(key, "Pull complete")

        threads = [threading.Thread(target=work, args=(f"layer{number}",)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(layer.ended for layer in live._layers.values())


def test_a_pipe_gets_dockers_lines_each_once_and_none_for_what_has_a_bar() -> None:
    lines: list[str] = []
    with Plain(lines.append) as watch:
        watch.note("3.10: Pulling from library/python")
        watch.start("aaaa", "Pulling fs layer", 10)
        watch.start("aaaa", "Downloading", 10)
        watch.advance("aaaa", 5)
        watch.start("aaaa", "Download complete", 0)
        watch.start("aaaa", "Extracting", 10)
        watch.finish("aaaa", "Pull complete")
        watch.finish("aaaa", "Pull complete")
    assert lines == [
        "3.10: Pulling from library/python",
        "aaaa: Pulling fs layer",
        "aaaa: Download complete",
        "aaaa: Pull complete",
    ]


def test_a_reader_that_went_away_breaks_nothing_off() -> None:
    def gone(_: str) -> None:
        raise BrokenPipeError

    with Plain(gone) as watch:
        watch.note("x")


class _Stream(StringIO):
    def __init__(self, fd: int = -1) -> None:
        super().__init__()
        self.fd = fd

    def isatty(self) -> bool:
        return self.fd >= 0

    def fileno(self) -> int:
        return self.fd


def test_the_display_is_chosen_by_the_stream_it_goes_to() -> None:
    tty, pipe = _Stream(1), _Stream()
    assert type(choose(Output(tty, pipe, {}), {})) is Live
    assert type(choose(Output(tty, pipe, {}), {}, on_stderr=True)) is Plain
    assert type(choose(Output(pipe, tty, {}), {})) is Plain
    assert type(choose(Output(tty, tty, {}), {"TERM": "dumb"})) is Plain
    assert type(choose(Output(tty, tty, {}), {}, quiet=True)) is Quiet
    watch = choose(Output(pipe, pipe, {}), {})
    watch.finish("aa", "Pushed")
    assert pipe.getvalue() == "aa: Pushed\n"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (999, "999B"), (1000, "1kB"), (12_344_000, "12.34MB"), (999_999, "1MB"), (5 * 10**15, "5000TB")],
)
def test_sizes_have_up_to_four_digits(size: int, text: str) -> None:
    assert shown_size(size) == text
