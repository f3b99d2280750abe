"""The way from words to a command."""

from __future__ import annotations

import pytest

from wherry.cli import table
from wherry.cli.main import main


def said(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(argv)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_slip_of_the_fingers_is_answered_with_the_nearest_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(["imagse"], capsys)
    assert code == 1
    assert err == "wherry: 'imagse' is not a wherry command.\nSee 'wherry --help'\n\nDid you mean this?\n\timages\n"


@pytest.mark.parametrize("name", sorted(table.LATER))
def test_what_docker_has_and_wherry_not_yet_says_so_and_what_to_do(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said([name, "--whatever"], capsys)
    assert (code, out) == (1, "")
    assert err == f"wherry: '{name}' is not supported yet\nhint: {table.LATER[name]}\n"


def test_no_command_is_both_there_and_not_yet() -> None:
    assert not set(table.LATER) & (set(table.SUMMARIES) | set(table.GROUPS))


def test_every_alias_leads_to_a_command() -> None:
    assert set(table.ALIASES.values()) <= set(table.SUMMARIES)


@pytest.mark.parametrize("argv", [["--help"], ["help"], [], ["-h"]])
def test_help_lists_every_single_command(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(argv, capsys)
    assert code == 0
    assert all(f"  {name} " in out for name in table.SUMMARIES if " " not in name)


@pytest.mark.parametrize("name", sorted(table.SUMMARIES))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said([*name.split(), "--help"], capsys)
    assert code == 0
    assert out.startswith(f"Usage:  wherry {name} ")


def test_a_group_lists_its_commands_and_refuses_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(["image"], capsys)[0] == 0
    code, out, err = said(["image", "frobnicate"], capsys)
    assert (code, out) == (1, "")
    assert err.startswith("Usage:  wherry image COMMAND")
