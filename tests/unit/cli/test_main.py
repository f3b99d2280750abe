"""The way from words to a command."""

from __future__ import annotations

import pytest

from wherry.cli import table, unsupported
from wherry.cli.complete import declared
from wherry.cli.main import main


def said(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(argv)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_slip_of_the_fingers_is_answered_with_the_nearest_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(["imagse"], capsys)
    assert code == 1
    assert err == "wherry: 'imagse' is not a wherry command.\nSee 'wherry --help'\n\nDid you mean this?\n\timages\n"


@pytest.mark.parametrize("name", sorted(unsupported.COMMANDS))
def test_dockers_other_commands_are_refused_with_the_reason(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "x"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert unsupported.COMMANDS[name] in err


def test_no_command_is_both_there_and_refused() -> None:
    assert not set(unsupported.COMMANDS) & {*table.SUMMARIES, *table.GROUPS, *table.ALIASES}


def test_a_flag_of_dockers_that_is_not_there_is_refused_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["volume", "create", "--type", "block"]) == 125
    assert "--type is not supported: wherry has no cluster of its own" in capsys.readouterr().err


def test_no_flag_is_both_there_and_refused() -> None:
    there = {(name, flag.name) for name in table.SUMMARIES for flag in declared(name).flags}
    assert not {key for key in unsupported.FLAGS if key in there}


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


def test_boot_with_an_empty_word_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """`wherry boot "$WHAT"` with a variable that is not set made a file for cron."""
    assert main(["boot", "--print", ""]) == 1
    assert capsys.readouterr().out == ""
