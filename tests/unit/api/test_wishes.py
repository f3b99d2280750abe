"""Keyword arguments as run's options; what `import wherry` gives."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import wherry
from wherry.api.finished import CommandFailed, Finished
from wherry.api.wishes import run_options, words_of
from wherry.cli.flags import FlagError
from wherry.settings import Paths, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(Paths(str(tmp_path), str(tmp_path)), {"MINE": "here"}, os.geteuid(), str(tmp_path))


def test_a_line_is_split_as_a_shell_would_and_words_are_kept() -> None:
    assert words_of("sh -c 'a  b' \"c d\"") == ["sh", "-c", "a  b", "c d"]
    assert words_of(["a b", ""]) == ["a b", ""]
    with pytest.raises(ValueError, match="quotation"):
        words_of("sh -c 'open")


def test_wishes_are_read_as_flags_are(settings: Settings) -> None:
    options = run_options(
        "image",
        ["--not", "-a", "flag"],
        {
            "name": "n", "env": {"A": "1=2", "B": ""}, "ports": [8000, "127.0.0.1:1:2"], "volumes": ["vol:/v:ro"],
            "network": "none", "user": "1:2", "workdir": "/w", "entrypoint": "/e", "labels": {"a": "b"},
            "memory": "64m", "flags": ["--read-only", "-e", "MINE"],
        },
        settings,
    )  # fmt: skip
    assert options.command == ("--not", "-a", "flag")
    assert options.env == ("A=1=2", "B=", "MINE=here")
    assert (options.name, options.network, options.user, options.workdir) == ("n", "none", "1:2", "/w")
    assert [one.container_port for one in options.ports] == [8000, 2]
    assert options.read_only
    assert options.labels == {"a": "b"}


def test_a_wish_that_makes_no_sense_is_told_in_dockers_words(settings: Settings) -> None:
    with pytest.raises(FlagError, match='invalid argument "lots" for "-m, --memory" flag'):
        run_options("image", [], {"memory": "lots"}, settings)
    with pytest.raises(FlagError, match="unknown flag: --nosuch"):
        run_options("image", [], {"flags": ["--nosuch"]}, settings)


def test_a_failed_command_shows_its_last_words() -> None:
    failed = CommandFailed("x in y", Finished(3, b"out", b"a" * 5000 + b"\xffend\n"))
    assert failed.message.startswith("x in y ended with code 3:\naaa")
    assert failed.message.endswith("\ufffdend")
    assert len(failed.message) < 2100
    assert CommandFailed("x", Finished(1, b"only out", b"")).message == "x ended with code 1:\nonly out"
    assert CommandFailed("x", Finished(1, b"", b"")).message == "x ended with code 1"


def test_the_package_gives_its_names_when_they_are_used() -> None:
    assert wherry.Engine.__module__ == "wherry.api.engine"
    assert set(wherry.__all__) <= set(dir(wherry))
    with pytest.raises(AttributeError, match="has no attribute 'nosuch'"):
        _ = wherry.nosuch
    assert sys.modules["wherry"].__version__ == wherry._version.__version__
