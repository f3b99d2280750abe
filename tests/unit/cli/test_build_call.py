"""The words after --call, and what is printed."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from wherry.build.options import BuildOptions
from wherry.cli import build_call
from wherry.cli.build import VERB
from wherry.cli.build_call import Call
from wherry.cli.flags import FlagError, parse
from wherry.cli.render import Output
from wherry.dockerfile import parse as parse_dockerfile
from wherry.engine.builds import BuildRequest, Described

FILE = b"# app is what runs\nFROM scratch AS App\nARG A=1\nCOPY $B /\n"


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ([], None),
        (["--call", "build"], None),
        (["--check"], Call("check")),
        (["--check", "--call=check,format=json"], Call("check", is_json=True)),
        (["--call=check,ignorestatus=true"], Call("check", ignores_status=True)),
        (["--call=outline,format=json"], Call("outline", is_json=True)),
        (["--call=targets"], Call("targets")),
    ],
)
def test_the_method_is_read(words: list[str], call: Call | None) -> None:
    assert build_call.parse(parse("build", VERB, [*words, "."])) == call


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--call=subrequests.describe"], "build, check, outline or targets"),
        (["--call=check,format=yaml"], "format=text|json"),
        (["--call=targets", "--check"], "--call=targets was given too"),
        (["--check", "--explain"], "nothing to explain"),
        (["--check", "--check-reproducible"], "or to compare"),
    ],
)
def test_what_can_not_be_answered_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(FlagError) as caught:
        build_call.parse(parse("build", VERB, [*words, "."]))
    assert said in str(caught.value)


class Screen:
    def __init__(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.output = Output(self.out, self.err, {})


class Builds:
    """Gives one Dockerfile for each request."""

    def describe(self, request: BuildRequest) -> Described:
        return Described(parse_dockerfile(FILE, "Dockerfile"), FILE, "Dockerfile")


class Store:
    def resolve(self, name: str) -> Any:
        raise PermissionError

    def config(self, image_id: str) -> Any:
        raise AssertionError(image_id)


def answer(call: Call) -> tuple[int, str]:
    screen = Screen()
    engine = cast("Any", SimpleNamespace(builds=Builds(), image_store=Store()))
    code = build_call.run(engine, call, BuildRequest(".", BuildOptions()), screen.output)
    return code, screen.out.getvalue()


def test_a_check_ends_with_1_and_shows_the_lines() -> None:
    code, text = answer(Call("check"))
    assert code == 1
    assert text.startswith(
        "Check complete, 2 warnings have been found!\n\nWARNING: StageNameCasing - https://docs.docker"
    )
    assert "WARNING: UndefinedVar" in text
    assert "   4 | >>> COPY $B /" in text
    assert answer(Call("check", ignores_status=True))[0] == 0


def test_the_json_of_a_check_is_buildkits() -> None:
    document = json.loads(answer(Call("check", is_json=True))[1])
    assert [one["ruleName"] for one in document["warnings"]] == ["StageNameCasing", "UndefinedVar"]
    assert document["warnings"][1]["location"]["ranges"] == [{"start": {"line": 4}, "end": {"line": 4}}]
    assert [one["fileName"] for one in document["sources"]] == ["Dockerfile"]


def test_outline_and_targets_are_tables() -> None:
    assert answer(Call("targets")) == (0, "TARGET          DESCRIPTION\napp (default)   is what runs\n")
    text = "TARGET:      app\nDESCRIPTION: is what runs\n\nBUILD ARG   VALUE     DESCRIPTION\nA           1\n"
    assert answer(Call("outline"))[1] == text
    assert json.loads(answer(Call("outline", is_json=True))[1])["args"][0]["value"] == "1"
    assert json.loads(answer(Call("targets", is_json=True))[1])["targets"][0]["default"] is True
