"""Lines of several containers, each behind its name."""

from __future__ import annotations

import os
from typing import Any, cast

import pytest

from wherry.cli.compose_printer import LogPrinter
from wherry.cli.render import Output
from wherry.compose.logs import Source, short_name

WEB, DB = Source("1", "web-1", "web"), Source("2", "database-1", "database")


class Streams:
    """Two pipes in the place of standard output and error."""

    def __init__(self) -> None:
        self._pipes = os.pipe(), os.pipe()
        self.out_fd, self.err_fd = self._pipes[0][1], self._pipes[1][1]

    def printer(self, *names: str, **more: Any) -> LogPrinter:
        return LogPrinter(cast("Output", self), names, **more)

    def read(self) -> tuple[str, str]:
        found = []
        for reading, writing in self._pipes:
            os.close(writing)
            with open(reading, "rb") as file:
                found.append(file.read().decode())
        return found[0], found[1]


@pytest.fixture
def streams() -> Streams:
    return Streams()


def test_names_stand_in_one_column(streams: Streams) -> None:
    printer = streams.printer("web-1", "database-1")
    printer.lines(WEB, [("stdout", b"one\n"), ("stderr", b"two\n")])
    printer.lines(DB, [("stdout", b"three\n")])
    assert streams.read()[0] == "web-1       | one\nweb-1       | two\ndatabase-1  | three\n"


def test_an_attached_up_keeps_the_streams_apart_and_in_order(streams: Streams) -> None:
    printer = streams.printer("web-1", is_split=True)
    printer.lines(WEB, [("stdout", b"a\n"), ("stdout", b"b\n"), ("stderr", b"c\n"), ("stdout", b"d\n")])
    assert streams.read() == ("web-1  | a\nweb-1  | b\nweb-1  | d\n", "web-1  | c\n")


def test_a_line_that_comes_in_pieces_has_one_name(streams: Streams) -> None:
    printer = streams.printer("web-1")
    printer.lines(WEB, [("stdout", b"be"), ("stdout", b"gin")])
    printer.lines(WEB, [("stdout", b"ning\n"), ("stdout", b"rest")])
    printer.ended(WEB, 3)
    assert streams.read()[0] == "web-1  | beginning\nweb-1  | rest\nweb-1 exited with code 3\n"


def test_pieces_of_two_containers_do_not_mix(streams: Streams) -> None:
    printer = streams.printer("web-1", "database-1")
    printer.lines(WEB, [("stdout", b"be")])
    printer.lines(DB, [("stdout", b"db\n")])
    printer.lines(WEB, [("stdout", b"gin\n")])
    assert streams.read()[0] == "database-1  | db\nweb-1       | begin\n"


def test_the_same_project_has_the_same_colours_whoever_speaks_first() -> None:
    first, second = Streams(), Streams()
    for streams, order in ((first, (WEB, DB)), (second, (DB, WEB))):
        printer = streams.printer("web-1", "database-1", has_colour=True)
        for source in order:
            printer.lines(source, [("stdout", b"x\n")])
    assert sorted(first.read()[0].splitlines()) == sorted(second.read()[0].splitlines())


def test_without_prefix_bytes_pass_as_they_are(streams: Streams) -> None:
    printer = streams.printer(has_prefix=False)
    printer.lines(WEB, [("stdout", "ünï\x00\n".encode())])
    assert streams.read()[0] == "ünï\x00\n"


def test_the_names_of_an_attached_up_are_enough(streams: Streams) -> None:
    printer = streams.printer("web-1", is_split=True)
    printer.register("db-1")
    printer.line("db-1", "stderr", b"oh\n")
    printer.status("db-1", "exited with code 1")
    assert streams.read() == ("db-1 exited with code 1\n", "db-1   | oh\n")


@pytest.mark.parametrize(
    ("name", "want"),
    [("demo-web-1", "web-1"), ("mine", "mine"), ("demo-web-2", "demo-web-2"), ("demo-other", "demo-other")],
)
def test_only_names_of_composes_own_making_are_shortened(name: str, want: str) -> None:
    assert short_name(name, "demo", "web", "1") == want
