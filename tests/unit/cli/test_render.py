"""Text for people, as docker shapes it."""

from __future__ import annotations

import io

import pytest

from wherry.cli.render import Output, ago, clean, human_size


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (999, "999B"), (1000, "1kB"), (1234, "1.23kB"), (125_432_100, "125MB"), (1_500_000_000, "1.5GB")],
)  # fmt: skip
def test_sizes_have_three_digits(size: int, text: str) -> None:
    assert human_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "Less than a second"), (1, "1 second"), (59, "59 seconds"), (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"), (3599, "59 minutes"), (3600, "About an hour"), (7200, "2 hours"), (86_400, "24 hours"),
        (172_800, "2 days"), (14 * 86_400, "2 weeks"), (60 * 86_400, "2 months"), (800 * 86_400, "2 years"),
    ],
)  # fmt: skip
def test_spans_read_as_dockers(seconds: float, text: str) -> None:
    assert ago(seconds) == text


def test_a_table_aligns_its_columns_three_apart() -> None:
    stream = io.StringIO()
    Output(stream, stream, {}).table(["NAME", "ID"], [["a-long-name", "1"], ["b", "22"]])
    assert stream.getvalue() == "NAME          ID\na-long-name   1\nb             22\n"


def test_a_name_cannot_steer_the_terminal() -> None:
    assert clean("a\x1b[2Jb\r\n") == "a�[2Jb��"


def test_an_error_cannot_steer_the_terminal_and_keeps_its_lines() -> None:
    out, err = io.StringIO(), io.StringIO()
    Output(out, err, {}).error("no user \x1b]0;title\x07 \x9b31m\n\tline 2 → ä")
    assert err.getvalue() == "no user \ufffd]0;title\ufffd \ufffd31m\n\tline 2 → ä\n"


def test_json_cannot_steer_the_terminal_and_stays_the_same_value() -> None:
    import json

    out = io.StringIO()
    value = {"label": "\x1b[31m \x9b31m \x7f ä\u202e \ud800"}
    Output(out, io.StringIO(), {}).json(value)
    assert json.loads(out.getvalue().encode()) == value
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in out.getvalue().rstrip("\n"))


def test_no_colour_when_piped() -> None:
    assert not Output(io.StringIO(), io.StringIO(), {}).color
