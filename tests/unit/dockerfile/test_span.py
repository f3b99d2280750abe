"""Excerpts: the lines meant, numbered, with a caret below the word."""

from __future__ import annotations

from wherry.dockerfile.span import Source, Span

LINES = ("FROM a", "", "RUN one \\", "  two", "\tCOPY x y", "CMD z")


def test_the_lines_meant_are_marked_and_two_stand_around_them() -> None:
    assert Span(Source("app/Dockerfile", LINES), 3, 4).excerpt().splitlines() == [
        "app/Dockerfile:3",
        "--------------------",
        "   1 |     FROM a",
        "   2 |",
        "   3 | >>> RUN one \\",
        "   4 | >>>   two",
        "   5 |     \tCOPY x y",
        "   6 |     CMD z",
        "--------------------",
    ]


def test_a_word_gets_carets_on_its_own_line() -> None:
    span = Span(Source("Dockerfile", LINES), 3, 4).at("two")
    assert (span.first, span.column, span.end_column) == (4, 3, 6)
    assert span.where == "Dockerfile:4"
    assert "   4 | >>>   two\n     |       ^^^\n" in span.excerpt()


def test_a_tab_before_the_word_stays_a_tab_under_it() -> None:
    assert "     |     \t     ^\n" in Span(Source("Dockerfile", LINES), 5, 5).at("x").excerpt()


def test_a_word_that_is_not_there_as_written_leaves_the_lines() -> None:
    span = Span(Source("Dockerfile", LINES), 3, 4)
    assert span.at("one   two") == span.at("") == span


def test_a_long_instruction_is_shown_by_its_ends() -> None:
    span = Span(Source("Dockerfile", tuple(f"line {n}" for n in range(1, 501))), 10, 490)
    shown = span.excerpt().splitlines()
    assert len(shown) < 30
    assert "     | >>> ..." in shown
    assert " 490 | >>> line 490" in shown


def test_no_control_character_reaches_the_terminal() -> None:
    shown = Span(Source("Dockerfile", ("RUN \x1b[31mred" + "x" * 1000,)), 1, 1).excerpt()
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) < 300


def test_an_error_carries_its_place() -> None:
    fault = Span(Source("Dockerfile", LINES), 6, 6).at("z").error("what", hint="try")
    assert (fault.where, fault.message, fault.hint) == ("Dockerfile:6", "what", "try")
    assert fault.source.startswith("Dockerfile:6\n")
