"""What the shells are told, for lines as they are typed. The shells: tests/integration/test_completion.py."""

from __future__ import annotations

import pytest

from wherry.cli import complete, main, table
from wherry.cli.complete_words import ARGUMENTS, FLAG_VALUES, Wanted


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("", "commands"),
        ("ru", "commands"),
        ("-", "globals"),
        ("--root ", "files"),
        ("--root /x ru", "commands"),
        ("--debug ps -", "flags"),
        ("volume ", "members"),
        ("volume r", "members"),
        ("volume rm ", "volume"),
        ("volume rm a ", "volume"),
        ("container stop ", "running"),
        ("stop ", "running"),
        ("start ", "stopped"),
        ("unpause ", "paused"),
        ("run ", "image"),
        ("run -it --rm ", "image"),
        ("run --name ", "nothing"),
        ("run --name x ", "image"),
        ("run --name=x ", "image"),
        ("run -e A=B -itv /a:/b ", "image"),
        ("run -it", "flags"),
        ("run python --", "files"),
        ("run python -", "files"),
        ("run --network ", "network"),
        ("run --network=b", "network"),
        ("run --volumes-from ", "container"),
        ("run --restart ", "words"),
        ("run --pull ", "words"),
        ("build --pull ", "files"),
        ("build -f ", "files"),
        ("exec api ", "files"),
        ("exec -u ", "nothing"),
        ("cp ", "container:files"),
        ("cp a:/x ", "container:files"),
        ("rename a ", "nothing"),
        ("rename a b ", "nothing"),
        ("tag a ", "image"),
        ("tag a b ", "nothing"),
        ("inspect ", "anything"),
        ("inspect --type ", "words"),
        ("completion ", "words"),
        ("nosuch ", "nothing"),
        ("volume nosuch ", "nothing"),
        ("volume rm -- -", "volume"),
        ("compose ", "members"),
        ("compose -", "flags"),
        ("compose -f ", "files"),
        ("compose -f a.yaml --ansi ", "words"),
        ("compose -f a.yaml -p x ve", "members"),
        ("compose -f a.yaml version --", "flags"),
        ("compose -f a.yaml logs -f ", "service"),
        ("compose cp ", "service:files"),
    ],
)  # fmt: skip
def test_what_may_come_next(line: str, kind: str) -> None:
    *words, partial = line.split(" ")
    assert complete.wants(words, partial).kind == kind


def test_the_value_behind_an_equals_sign_keeps_the_flag_before_it() -> None:
    assert complete.wants(["run"], "--network=ho") == Wanted("network", (), "--network=")


def test_only_commands_and_flags_that_there_are_have_an_entry() -> None:
    assert set(ARGUMENTS) - set(table.SUMMARIES) == set()
    known = {flag.name for name in table.SUMMARIES for flag in complete.declared(name).flags}
    known |= {"root", *(flag.name for group in table.OPTIONS for flag in main._options_of(group).flags)}
    assert set(FLAG_VALUES) - known == set()


def test_every_command_that_takes_arguments_says_of_what_kind_or_takes_new_words() -> None:
    """A command's own words: names to be made, addresses, keys. Add a new command here or to ARGUMENTS."""
    silent = {name for name in table.SUMMARIES if complete.declared(name).most != 0} - set(ARGUMENTS)
    assert silent <= {
        "boot", "bootstrap", "context create", "context export", "context import", "context inspect", "context rm",
        "context update", "context use", "deploy destroy", "deploy logs", "deploy status", "deploy to",
        "mlflow import", "model inspect", "model pull", "model rm", "model tag",
        "image generate-key-pair", "login", "logout", "manifest inspect",
        "network create", "network ls", "ps", "pull", "registry gc", "runs pull", "search", "volume create",
        "volume ls", "volume update",
    }  # fmt: skip
