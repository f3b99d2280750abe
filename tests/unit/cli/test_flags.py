"""Command lines are read by docker's rules; the expected messages were taken from docker 26.1.5."""

from __future__ import annotations

import pytest

from wherry.cli.flags import Args, ArgumentError, Flag, FlagError, Verb, parse

RUN = Verb(
    "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    "Create and run a new container from an image",
    [
        Flag("detach", "", short="d"),
        Flag("interactive", "", short="i"),
        Flag("tty", "", short="t"),
        Flag("rm", ""),
        Flag("env", "", short="e", kind="list"),
        Flag("name", "", kind="string"),
        Flag("memory", "", short="m", kind="string"),
        Flag("stop-timeout", "", kind="int"),
        Flag("sig-proxy", "", default=1),
    ],
    least=1,
    most=None,
    interspersed=False,
)


def run(*argv: str) -> Args:
    return parse("wherry run", RUN, argv)


def test_short_flags_combine_and_the_last_may_take_a_value() -> None:
    args = run("-itde", "A=1", "-eB=2", "-e=C=3", "busybox")
    assert args.on("interactive")
    assert args.on("tty")
    assert args.on("detach")
    assert args.all("env") == ("A=1", "B=2", "C=3")


def test_a_value_may_start_with_a_dash() -> None:
    assert run("-e", "-X=1", "--name", "-n", "busybox").text("name") == "-n"


def test_bool_flags_take_a_value_only_after_an_equals_sign() -> None:
    args = run("--rm=false", "--detach=T", "--sig-proxy=0", "false")
    assert not args.on("rm")
    assert args.on("detach")
    assert not args.on("sig-proxy")
    assert args.rest == ["false"]


def test_defaults_answer_when_a_flag_is_not_given() -> None:
    args = run("busybox")
    assert args.on("sig-proxy")
    assert args.text("name") == ""
    assert args.number("stop-timeout") is None
    assert args.all("env") == ()
    assert not args.given("rm")


def test_what_follows_the_image_belongs_to_the_container() -> None:
    assert run("--rm", "busybox", "sh", "-c", "echo hi", "--rm").rest == ["busybox", "sh", "-c", "echo hi", "--rm"]


def test_two_dashes_end_the_flags() -> None:
    assert run("--rm", "--", "-odd-image", "x").rest == ["-odd-image", "x"]


def test_flags_may_follow_arguments_where_the_command_allows_it() -> None:
    verb = Verb("", "", [Flag("force", "", short="f")], most=None)
    args = parse("wherry rm", verb, ["a", "-f", "b", "--", "-c"])
    assert args.rest == ["a", "b", "-c"]
    assert args.on("force")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--bad"], "unknown flag: --bad"),
        (["--detatch", "x"], "unknown flag: --detatch (did you mean --detach?)"),
        (["-Z"], "unknown shorthand flag: 'Z' in -Z"),
        (["-iZ"], "unknown shorthand flag: 'Z' in -iZ"),
        (["-m"], "flag needs an argument: 'm' in -m"),
        (["--name"], "flag needs an argument: --name"),
        (
            ["--stop-timeout", "soon", "x"],
            'invalid argument "soon" for "--stop-timeout" flag: strconv.ParseInt: parsing "soon": invalid syntax',
        ),
        (
            ["-d=maybe", "x"],
            'invalid argument "maybe" for "-d, --detach" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
    ],
)
def test_a_wrong_flag_is_told_as_docker_tells_it(argv: list[str], message: str) -> None:
    with pytest.raises(FlagError) as fault:
        run(*argv)
    assert str(fault.value) == f"{message}\nSee 'wherry run --help'."
    assert fault.value.exit_code == 125


@pytest.mark.parametrize(
    ("least", "most", "argv", "wants"),
    [
        (0, 0, ["x"], "accepts no arguments"),
        (1, 1, [], "requires exactly 1 argument"),
        (2, 2, ["x"], "requires exactly 2 arguments"),
        (1, None, [], "requires at least 1 argument"),
        (0, 1, ["x", "y"], "requires at most 1 argument"),
    ],
)
def test_a_wrong_count_of_arguments_exits_with_1(least: int, most: int | None, argv: list[str], wants: str) -> None:
    with pytest.raises(ArgumentError) as fault:
        parse("wherry ps", Verb("[OPTIONS]", "List", least=least, most=most), argv)
    assert str(fault.value).startswith(
        f"\"wherry ps\" {wants}.\nSee 'wherry ps --help'.\n\nUsage:  wherry ps [OPTIONS]"
    )
    assert fault.value.exit_code == 1
