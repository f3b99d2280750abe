"""The CI examples of docs/build-cache.md: YAML that a CI takes, with commands and flags that wherry takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest
import yaml

from tests.docs_text import PROJECT
from tools.cli_reference import verb
from wherry.build.travel_spec import parse_from, parse_to
from wherry.cli import flags, main
from wherry.cli.build import VERB

PAGE = PROJECT / "docs" / "build-cache.md"
NAMES = ["github-registry", "github-gha", "gitlab"]


def example(name: str) -> dict[str, object]:
    behind = PAGE.read_text().partition(f"<!-- yaml: {name} -->\n\n")[2]
    lines = []
    for line in behind.splitlines():
        if line and not line.startswith("    "):
            break
        lines.append(line[4:])
    found = yaml.safe_load("\n".join(lines))
    assert isinstance(found, dict)
    return found


def scripts(document: object) -> Iterator[str]:
    """What a shell gets: `run` of a step, the lines of a script."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key in ("run", "script", "before_script") and isinstance(value, str | list):
                yield from [value] if isinstance(value, str) else value
            else:
                yield from scripts(value)
    elif isinstance(document, list):
        for value in document:
            yield from scripts(value)


def commands(name: str) -> list[list[str]]:
    """The words of each wherry command, variables replaced by a word."""
    found = []
    for script in scripts(example(name)):
        text = re.sub(r"\$\{\{[^}]*\}\}|\$\w+", "word", script)
        for part in re.split(r"\||&&", text):
            if match := re.search(r"(?:^|\s)wherry .*", part, re.DOTALL):
                words = shlex.split(match[0])
                if "install" not in part.split("wherry")[0]:
                    found.append(words[1:])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_made_of_commands_that_wherry_takes(name: str) -> None:
    found = commands(name)
    assert "build" in [words[0] for words in found]
    for words in found:
        options = flags.parse("wherry", main._GLOBAL, words)
        verb_name, rest = main._find(options.rest)
        flags.parse(f"wherry {verb_name}", verb(verb_name), rest)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_reads_the_cache_that_it_writes(name: str) -> None:
    (words,) = [words for words in commands(name) if words[0] == "build"]
    args = flags.parse("wherry build", VERB, words[1:])
    readers = [parse_from(text) for text in args.all("cache-from")]
    (writer,) = [parse_to(text) for text in args.all("cache-to")]
    assert writer.mode == "max"
    assert writer.ignore_error
    assert (writer.kind, writer.ref, writer.gha) in [(one.kind, one.ref, one.gha) for one in readers]


def test_jobs_of_github_are_those_of_a_workflow() -> None:
    for name in NAMES[:2]:
        document = example(name)
        # YAML 1.1 reads the key "on" as true, and so does every reader of workflows
        assert {"name", True, "jobs"} <= document.keys()
        for job in document["jobs"].values():  # type: ignore[attr-defined]
            assert job["runs-on"]
            assert all(("uses" in step) != ("run" in step) for step in job["steps"])
