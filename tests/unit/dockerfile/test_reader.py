"""Whole files: what is refused, what is told together, and that nothing but DockerfileError comes out."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.dockerfile import parse, parse_trigger
from wherry.dockerfile.decode import FLAGS, NAMES
from wherry.dockerfile.instructions import Copy, Run
from wherry.errors import DockerfileError


def faults(data: bytes) -> list[str]:
    with pytest.raises(DockerfileError) as caught:
        parse(data)
    return [f"{fault.where}: {fault.message}" for fault in caught.value.faults or (caught.value,)]


def test_one_fault_is_raised_as_it_is() -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(b"FROM a\nRUM b\n", "app/Dockerfile")
    fault = caught.value
    assert (fault.where, fault.message) == ("app/Dockerfile:2", "unknown instruction: RUM (did you mean RUN?)")
    assert fault.source.splitlines()[2:5] == ["   1 |     FROM a", "   2 | >>> RUM b", "     |     ^^^"]
    assert fault.faults == ()


def test_several_faults_are_one_error_that_shows_each_in_file_order() -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(b"FROM a\nCOPY --form=b c d\nENV A\nRUM e\nCOPY --from=7 x y\n")
    fault = caught.value
    assert fault.message == "4 faults"
    assert fault.where == "Dockerfile"
    assert [one.where for one in fault.faults] == [f"Dockerfile:{line}" for line in (2, 3, 4, 5)]
    assert all(f"{one.where}: {one.message}" in fault.source for one in fault.faults)
    assert "hint: the stages of this file are 0 to 0" in fault.source


def test_no_more_than_twenty_faults_are_shown() -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(b"FROM a\n" + b"NONSENSE\n" * 25)
    assert len(caught.value.faults) == 25
    assert caught.value.source.count(">>>") == 20
    assert caught.value.source.endswith("and 5 more")


def test_after_a_hundred_faults_nobody_reads_on() -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(b"FROM a\n" + b"NONSENSE\n" * 90_000)
    assert len(caught.value.faults) == 100
    assert caught.value.message == "100 faults or more"


def test_a_mistyped_from_does_not_make_its_stages_instructions_faults() -> None:
    assert faults(b"FORM a AS b\nRUN c\nFROM d\nCOPY --from=1 x /\n") == [
        "Dockerfile:1: unknown instruction: FORM (did you mean FROM?)"
    ]


def test_a_huge_file_is_refused_before_it_is_read() -> None:
    assert faults(b"FROM a\n" + b"#" * (5 << 20)) == [
        "Dockerfile: 5 MiB are too much for a Dockerfile (the limit is 1 MiB)"
    ]


def test_a_long_line_and_a_long_heredoc_are_read() -> None:
    file = parse(b"FROM a\nRUN " + b"x" * 200_000 + b"\nCOPY <<E /x\n" + b"line\n" * 50_000 + b"E\n")
    copy = file.stages[0].instructions[1]
    assert isinstance(copy, Copy)
    assert len(copy.files[0].content) == 250_000
    assert copy.span.last == 50_004


def test_stages_are_found_by_name_number_and_place() -> None:
    file = parse(b"FROM a AS One\nFROM b\nFROM c AS one\nFROM d AS last\n")
    assert [stage and stage.number for stage in map(file.stage, ("ONE", "1", "last", "4", "", "none"))] == [
        2, 1, 3, None, None, None,
    ]  # fmt: skip
    assert [stage.number for stage in (file.stage("one", before=2), file.stage("0")) if stage] == [0, 0]
    assert file.stage("1", by_index=False) is None
    assert file.nearest_stage("lats") == "last"
    assert [str(stage) for stage in file.stages] == ["one", "1", "one", "last"]


def test_thousands_of_stages_in_a_chain_are_no_recursion() -> None:
    chain = "".join(f"FROM s{n - 1} AS s{n}\n" for n in range(1, 3000))
    assert len(parse(f"FROM a AS s0\n{chain}".encode()).stages) == 3000


def test_the_syntax_directive_is_known_without_its_arguments() -> None:
    assert parse(b"# syntax=docker/dockerfile:1 --x\nFROM a\n").syntax == "docker/dockerfile:1"
    assert parse(b"FROM a\n").syntax == ""


def test_a_trigger_is_one_instruction() -> None:
    run = parse_trigger("RUN <<EOF\n  echo later\nEOF")
    assert isinstance(run, Run)
    assert run.command.line == "  echo later\n"
    for text in ("", "RUN a\nRUN b", "FROM a", "ONBUILD RUN a", "MAINTAINER a", "RUM a", "COPY a", "RUN <<EOF\nx"):
        with pytest.raises(DockerfileError):
            parse_trigger(text)


def test_an_onbuild_text_reads_back_as_the_same_instruction() -> None:
    file = parse(b'FROM a\nONBUILD COPY --chown=1 a \\\n  <<x /d/\nhello\nx\nONBUILD ENV A=b c="d e"\n')
    for one in file.stages[0].instructions:
        again = parse_trigger(one.trigger)  # type: ignore[union-attr]
        assert again[2:] == one.instruction[2:]  # type: ignore[union-attr]


WORD = st.sampled_from(
    [
        *NAMES, *(name.lower() for name in NAMES), *(f"--{flag}" for flags in FLAGS.values() for flag in flags),
        "AS", "=", "a", "$A", "${B:-", "}", "<<EOF", "<<-'E'", "EOF", "E", "[", "]", '"', "'", ",", "\\", "`", "#",
        "--", "type=cache", "target=/x", "NONE", "1s", "\t", " ", "\n", "\\\n", "\r\n", "\n\n", "# escape=`\n", "\x00",
        "é",
    ]
)  # fmt: skip


@settings(deadline=None, max_examples=4 * settings.default.max_examples)
@given(st.lists(WORD, max_size=40).map(" ".join))
def test_any_mixture_of_dockerfile_words_parses_or_is_a_dockerfile_error(text: str) -> None:
    for data in (text, f"FROM a\n{text}", text.replace(" ", "")):
        try:
            file = parse(data.encode())
        except DockerfileError:
            continue
        for stage in file.stages:
            for one in stage.instructions:
                assert one.span.excerpt()
                with contextlib.suppress(DockerfileError):
                    one.expand(file.lex, {"A": "x"})


@settings(deadline=None, max_examples=3 * settings.default.max_examples)
@given(st.binary(max_size=300))
def test_any_bytes_parse_or_are_a_dockerfile_error(data: bytes) -> None:
    for text in (data, b"FROM a\nRUN <<E\n" + data + b"\nE\nENV A=" + data):
        shown = ""
        try:
            parse(text)
        except DockerfileError as fault:
            shown = f"{fault.where}{fault.message}{fault.source}{fault.hint}"
        assert "\x1b" not in shown
