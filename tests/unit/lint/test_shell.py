"""Shell lines to commands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.lint.shell import parse_commands


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("apt-get update && apt-get install -y 'curl'", [("apt-get", "update"), ("apt-get", "install", "-y", "curl")]),
        ("A=1 B=2 pip install x > /dev/null 2>&1", [("pip", "install", "x")]),
        ("if test -f x; then cat x | sort; fi", [("test", "-f", "x"), ("cat", "x"), ("sort",)]),
        ("for x in a b; do echo $x; done", [("echo", "$x")]),
        ("echo $(cd /x && ls) `pwd`", [("echo", "$(cd /x && ls)", "`pwd`"), ("cd", "/x"), ("ls",), ("pwd",)]),
        ("echo 'a && b'; ls # && rm", [("echo", "a && b"), ("ls",)]),
        ("echo a \\\n b", [("echo", "a", "b")]),
    ],
)
def test_commands_are_found_with_their_arguments(text: str, expected: list[tuple[str, ...]]) -> None:
    assert [(command.name, *command.texts) for command in parse_commands(text)] == expected


def test_a_command_before_a_pipe_is_piped() -> None:
    assert [command.is_piped for command in parse_commands("cat x | sort || true")] == [True, False, False]


def test_flags_are_letters_and_long_names() -> None:
    (command,) = parse_commands("apt-get -qy install --target-release=x -t stable curl -- -")
    assert command.flags == ("q", "y", "target-release", "t")
    assert command.without_values("t").plain == ("install", "curl", "--", "-")


@given(st.text(alphabet="ab $(){}'\"`\\<>&|;\n#=0!"))
def test_any_text_ends_and_places_lie_in_it(text: str) -> None:
    for command in parse_commands(text):
        assert 0 <= command.word.start < command.word.end <= len(text)
