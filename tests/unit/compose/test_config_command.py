"""`compose config`: flags that docker-compose 2.26 does not have, and files it writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compose_records import Record, ask_wherry
from tests.compose_records import Said as Result

TEXT = """
services:
  a: {image: x, networks: [n, m], env_file: a.env, environment: [FOO, NOPE], models: [llm]}
  b: {provider: {type: p}, network_mode: host}
networks: {n: , m: , unused: }
models: {llm: {model: ai/x}}
"""


def said(folder: Path, *arguments: str) -> Result:
    files = {"compose.yaml": TEXT, "a.env": "A=1\n"}
    return ask_wherry(Record("", list(arguments), files, "", Result(0, "")), folder)


def test_parts_of_a_project(tmp_path: Path) -> None:
    assert said(tmp_path, "--networks").text == "m\nn"
    assert said(tmp_path, "--models").text == "llm"
    assert "FOO=foo\nHOME=/home/me\n" in said(tmp_path, "--environment").text


def test_env_files_are_read_or_named(tmp_path: Path) -> None:
    assert '      A: "1"\n      FOO: foo\n      NOPE: null\n' in said(tmp_path).text
    named = said(tmp_path, "--no-env-resolution").text
    assert "    env_file:\n      - {dir}/a.env\n" in named
    assert '"1"' not in named


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.yaml"
    shown = said(tmp_path).text
    assert said(tmp_path, "-o", str(target)) == Result(0, "")
    assert target.read_text().replace(str(tmp_path), "{dir}") == shown + "\n"


@pytest.mark.parametrize("arguments", [["-q"], ["-q", "-o", "/nowhere/x"]])
def test_quiet_writes_nothing(arguments: list[str], tmp_path: Path) -> None:
    assert said(tmp_path, *arguments) == Result(0, "")
