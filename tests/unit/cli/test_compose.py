"""What stands before the command of `wherry compose`, and what it means."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from wherry.cli import table
from wherry.cli.compose import GROUP, ComposeContext, compose_verb
from wherry.cli.flags import Flag, parse
from wherry.cli.main import _words, main
from wherry.cli.render import Output
from wherry.engine import Engine
from wherry.errors import ComposeError, ComposeFileMissing, InputError, WherryError
from wherry.host.fake import FakeHost
from wherry.settings import Paths, Settings


def context(cwd: Path, before: str = "", env: dict[str, str] | None = None, behind: str = "") -> ComposeContext:
    settings = Settings(Paths.for_user({}, 0, str(cwd / "root")), env or {}, 0, str(cwd))
    args = parse("wherry compose x", compose_verb("", "", [Flag("quiet", "")], most=None), behind.split())
    args.outer = parse("wherry compose", GROUP, before.split())
    return ComposeContext(Engine(settings, FakeHost()), args, Output(io.StringIO(), io.StringIO(), env or {}))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "compose.yaml").write_text("name: shop\nservices: {web: {image: x}, db: {image: y, profiles: [all]}}\n")
    return tmp_path


def test_a_link_named_docker_compose_is_compose() -> None:
    assert _words(["/usr/local/bin/docker-compose", "-f", "x", "up"]) == ["compose", "-f", "x", "up"]
    assert _words(["wherry-compose", "ps"]) == ["compose", "ps"]
    assert _words(["/opt/wherry", "ps"]) == ["ps"]


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("compose --nosuch ps", 16, "unknown flag: --nosuch"),
        ("compose ps --nosuch", 16, "unknown flag: --nosuch"),
        ("compose ps -Z", 16, "unknown shorthand flag"),
        ("compose pss", 16, "no such command: pss (did you mean ps?)"),
        ("compose alpha", 1, "not supported"),
        ("compose exec web", 1, "requires at least 2 arguments"),
        ("ps --nosuch", 125, "unknown flag: --nosuch"),
    ],
)
def test_what_is_not_there_is_answered_with_docker_composes_codes(
    line: str, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("line", ["compose", "compose --help", "compose -h", "compose -f x --help", "help compose"])
def test_help_shows_options_and_commands(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 0
    out = capsys.readouterr().out
    assert out.startswith("Usage:  wherry compose [OPTIONS] COMMAND")
    assert "--project-directory" in out
    assert all(f"  {name.split()[1]} " in out for name in table.SUMMARIES if name.startswith("compose "))


def test_the_version_is_that_of_the_compose_that_it_is_like(capsys: pytest.CaptureFixture[str]) -> None:
    for line, said in (
        ("compose version --short", "2.26.1\n"), ("compose version -f json", '{"version":"v2.26.1"}\n')
    ):  # fmt: skip
        assert main(line.split()) == 0
        assert capsys.readouterr().out == said
    assert main(["compose", "--version"]) == 0
    assert capsys.readouterr().out.startswith("Docker Compose version v2.26.1 (wherry ")


def test_every_command_has_dry_run() -> None:
    from wherry.cli.complete import declared

    for name in table.SUMMARIES:
        if name.startswith("compose "):
            assert any(flag.name == "dry-run" for flag in declared(name).flags), name


def test_a_dry_run_may_be_asked_for_on_either_side(shop: Path) -> None:
    assert not context(shop).is_dry
    assert context(shop, "--dry-run").is_dry
    assert context(shop, behind="--dry-run").is_dry


@pytest.mark.parametrize(
    ("before", "env", "want"),
    [
        ("", {}, -1),
        ("--parallel 3", {}, 3),
        ("--parallel 0", {}, -1),
        ("", {"COMPOSE_PARALLEL_LIMIT": "4"}, 4),
        ("--parallel 2", {"COMPOSE_PARALLEL_LIMIT": "4"}, 2),
    ],
)
def test_how_much_at_once(shop: Path, before: str, env: dict[str, str], want: int) -> None:
    assert context(shop, before, env).parallel == want


@pytest.mark.parametrize(
    ("before", "env"),
    [("--progress fancy", {}), ("--ansi maybe", {}), ("", {"COMPOSE_PROGRESS": "fancy"}), ("", {"COMPOSE_ANSI": "x"})],
)
def test_a_value_that_is_none_is_refused(shop: Path, before: str, env: dict[str, str]) -> None:
    with pytest.raises(InputError, match="unsupported"):
        context(shop, before, env)


def test_a_limit_that_is_no_number_is_refused(shop: Path) -> None:
    with pytest.raises(InputError, match="COMPOSE_PARALLEL_LIMIT"):
        _ = context(shop, env={"COMPOSE_PARALLEL_LIMIT": "many"}).parallel


def test_the_flag_wins_over_the_variable(shop: Path) -> None:
    env = {"COMPOSE_PROGRESS": "json", "COMPOSE_ANSI": "never"}
    assert context(shop, "", env).progress_mode == "json"
    found = context(shop, "--progress plain --ansi always", env)
    assert (found.progress_mode, found.ansi, found.has_colour) == ("plain", "always", True)


@pytest.mark.parametrize(
    ("before", "env", "want"),
    [
        ("", {}, "shop"),
        ("-p other", {}, "other"),
        ("", {"COMPOSE_PROJECT_NAME": "named"}, "named"),
        ("-p other", {"COMPOSE_PROJECT_NAME": "named"}, "other"),
        ("-f second.yaml", {}, "second"),
        ("", {"COMPOSE_FILE": "second.yaml"}, "second"),
        ("--project-directory sub", {}, "sub"),
    ],
)
def test_the_name(shop: Path, before: str, env: dict[str, str], want: str) -> None:
    (shop / "second.yaml").write_text("name: second\nservices: {a: {image: x}}\n")
    (shop / "sub").mkdir()
    (shop / "sub" / "compose.yaml").write_text("services: {a: {image: x}}\n")
    assert context(shop, before, env).name() == want


def test_without_a_file_there_is_no_name(tmp_path: Path) -> None:
    with pytest.raises(ComposeFileMissing, match="no configuration file provided: not found"):
        context(tmp_path).name()


def test_a_name_alone_is_enough_where_no_file_is_named(shop: Path) -> None:
    project, name = context(shop, "-p other").project_or_name()
    assert (project, name) == (None, "other")
    project, name = context(shop, "-p other -f compose.yaml").project_or_name()
    assert project
    assert name == "other"


def test_where_the_file_is_wrong_the_variable_still_names_the_project(shop: Path) -> None:
    (shop / "compose.yaml").write_text("services: {web: {imag: x}}\n")
    assert context(shop, env={"COMPOSE_PROJECT_NAME": "named"}).project_or_name() == (None, "named")
    with pytest.raises(ComposeError):
        context(shop).project_or_name()


def test_profiles_and_services_choose(shop: Path) -> None:
    assert list(context(shop).project().services) == ["web"]
    assert list(context(shop, "--profile all").project().services) == ["db", "web"]
    assert list(context(shop).project(["db"]).services) == ["db"]
    with pytest.raises(WherryError, match="no such service: nope"):
        context(shop).project(["nope"])


def test_names_of_old_are_not_promised(shop: Path) -> None:
    for found in (context(shop, "--compatibility"), context(shop, env={"COMPOSE_COMPATIBILITY": "true"})):
        found.project()
        assert "--compatibility has no effect" in found.out._err.getvalue()  # type: ignore[attr-defined]


def test_a_warning_is_told_once(shop: Path) -> None:
    found: Any = context(shop)
    for _ in range(3):
        found.warn("careful")
    assert found.out._err.getvalue() == "wherry: warning: careful\n"
