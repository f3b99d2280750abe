"""The documentation keeps up with the program: every command is documented, and every documented command exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.docs_text import PROJECT, Line, commands, pages, runnable
from tools import adr_index, coverage
from tools.cli_reference import TARGET, reference, verb
from wherry.cli import flags, main, table
from wherry.cli.flags import FlagError

LINES = [line for page in pages() for line in commands(page) if not line.text.startswith("wherry: ")]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def words_of(line: Line) -> list[str]:
    """What the shell would give to wherry: up to a pipe, a redirection, a second command or a comment."""
    text = re.sub(r"\$\([^)]*\)", "IDS", line.text)
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    for word in lexer:
        if word in {"|", "<", ">", ">>", ";", "&&", "||"}:
            break
        words.append(word)
    return words[1:]


def test_the_reference_is_what_the_commands_declare() -> None:
    assert TARGET.read_text() == reference(), "docs/cli.md is out of date: make docs"


def test_the_coverage_is_what_the_commands_declare() -> None:
    assert coverage.TARGET.read_text() == coverage.page(), "docs/coverage.md is out of date: make docs"


@pytest.mark.requires("docker")
def test_the_record_of_dockers_commands_is_what_docker_says() -> None:
    version, commands = coverage.from_docker()
    if version != coverage.read_record()[0]:
        pytest.skip(f"this is docker {version}; the record is of {coverage.read_record()[0]}")
    assert commands == coverage.read_record()[1]


@pytest.mark.requires("docker-compose")
def test_the_record_of_composes_commands_is_what_docker_compose_says() -> None:
    version, commands = coverage.from_compose()
    record = coverage.read_record(coverage.COMPOSE_RECORD)
    if version != record[0]:
        pytest.skip(f"this is docker-compose {version}; the record is of {record[0]}")
    assert commands == record[1]


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.page}:{line.number}")
def test_a_command_in_the_documentation_is_one_that_wherry_takes(line: Line) -> None:
    options = flags.parse("wherry", main._GLOBAL, words_of(line))
    name, rest = main._find(options.rest)
    if "COMMAND" in rest or "--help" in rest:
        return
    flags.parse(f"wherry {name}", verb(name), rest)


def test_the_check_would_see_a_flag_that_is_not_there() -> None:
    with pytest.raises(FlagError):
        test_a_command_in_the_documentation_is_one_that_wherry_takes(Line("x", 1, "wherry build --tga x ."))


@pytest.mark.parametrize("name", sorted(table.SUMMARIES))
def test_every_command_has_its_section_in_the_reference(name: str) -> None:
    assert f"\n## wherry {name}\n" in TARGET.read_text()


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = [
        target for target in LINK.findall(page.read_text())
        if not target.startswith(("http://", "https://", "mailto:")) and not (page.parent / target).exists()
    ]  # fmt: skip
    assert not broken


def test_every_page_is_in_the_index() -> None:
    index = (PROJECT / "docs" / "README.md").read_text()
    missing = [page.name for page in (PROJECT / "docs").glob("*.md") if f"({page.name})" not in index]
    assert [name for name in missing if name != "README.md"] == []


def test_the_index_of_decisions_is_up_to_date() -> None:
    assert adr_index.TARGET.read_text() == adr_index.index(), "docs/adr/README.md is out of date: make docs"


def test_the_examples_dockerfile_is_the_lessons_word_for_word() -> None:
    lesson = (
        "FROM python:3.10\nWORKDIR /app\nCOPY . /app\nRUN pip install -r requirements.txt\nEXPOSE 8000\n"
        'CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "8000"]\n'
    )
    assert (PROJECT / "examples" / "iris" / "Dockerfile").read_text() == lesson
    assert lesson in (PROJECT / "docs" / "tutorial.md").read_text()


def test_changelog_fragments_have_a_kind_and_text() -> None:
    for path in (PROJECT / "changelog.d").glob("*"):
        assert re.fullmatch(r"\d+(-[a-z-]+)?\.(added|changed|fixed|removed|security)\.md", path.name), path.name
        assert path.read_text().strip().endswith((".", ")")), path.name


def test_the_tutorial_runs_something() -> None:
    blocks = runnable(PROJECT / "docs" / "tutorial.md")
    assert len(blocks) >= 10
    assert all(block.startswith(("wherry ", "curl ")) for block in blocks)


@pytest.mark.parametrize(("name", "least"), [("tutorial-compose.md", 12), ("compose.md", 5)])
def test_the_pages_on_compose_run_something(name: str, least: int) -> None:
    blocks = runnable(PROJECT / "docs" / name)
    assert len(blocks) >= least
    assert all(re.match(r"(cd |curl |([A-Z_]+=\S+ )?wherry )", block) for block in blocks)
