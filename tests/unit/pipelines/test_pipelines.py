"""Each pipeline, for each target, with and without a contract: files that a CI takes, of commands that wherry takes."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator

import pytest
import yaml

from tools.cli_reference import verb
from wherry.build.travel_spec import parse_from, parse_to
from wherry.cli import flags, main
from wherry.cli.build import VERB as BUILD
from wherry.errors import InputError
from wherry.pipelines import github, gitlab, jenkins
from wherry.pipelines.model import CLOUDS, Pipeline, make

SYSTEMS = {"github": github, "gitlab": gitlab, "jenkins": jenkins}
CASES = list(itertools.product(SYSTEMS, ["", *CLOUDS], ["", "tests/contract.yaml"]))


def wish(**changes: str) -> Pipeline:
    wishes = {
        "image": "registry.example.com/team/api", "branch": "main", "context": ".", "contract": "", "deploy": "",
        "environment": "production",
    }  # fmt: skip
    return make(**(wishes | changes))


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


def shell_of(system: str, text: str) -> list[str]:
    if system != "jenkins":
        return list(scripts(yaml.safe_load(text)))
    # Groovy's two strings, in the file's order: ''' ... ''' with its backslashes, and ' ... '
    found = re.findall(r"'''(.*?)'''|sh '(?!'')([^'\n]*)'", text, re.DOTALL)
    return [(long or short).replace("\\\\", "\\") for long, short in found]


def commands(system: str, text: str) -> list[list[str]]:
    found = []
    for script in shell_of(system, text):
        plain = re.sub(r"\\\n\s*", " ", script)
        plain = re.sub(r"\$\{\{[^}]*\}\}|\$\w+", "word", plain)
        for line in plain.splitlines():
            texts = re.findall(r"(?:^|[\s|(])(?<!install )wherry (?=[a-z])([^|)]*)", line)
            # The quote that closes what stands around $( )
            found += [shlex.split(text.rstrip('"') if text.count('"') % 2 else text) for text in texts]
    return found


@pytest.mark.parametrize(("system", "target", "contract"), CASES)
def test_a_pipeline_is_made_of_commands_that_wherry_takes(system: str, target: str, contract: str) -> None:
    found = commands(system, SYSTEMS[system].text(wish(deploy=target, contract=contract)))
    names = []
    for words in found:
        options = flags.parse("wherry", main._GLOBAL, words)
        name, rest = main._find(options.rest)
        flags.parse(f"wherry {name}", verb(name), rest)
        names.append(name)
    wanted = ["lint", "build", *(["verify"] if contract else []), "push", "image inspect"]
    assert [name for name in names if name in wanted] == wanted
    assert [name for name in names if name.startswith("deploy")] == ([f"deploy {target}"] if target else [])


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_pipeline_reads_the_cache_that_it_writes(system: str) -> None:
    (words,) = [words for words in commands(system, SYSTEMS[system].text(wish())) if words[0] == "build"]
    args = flags.parse("wherry build", BUILD, words[1:])
    readers = [parse_from(text).ref for text in args.all("cache-from")]
    (writer,) = [parse_to(text) for text in args.all("cache-to")]
    assert writer.mode == "max"
    assert writer.ignore_error
    assert writer.ref in readers


@pytest.mark.parametrize("target", ["", *CLOUDS])
def test_nothing_from_outside_stands_inside_a_script_of_github(target: str) -> None:
    """`${{ }}` in a script is code that whoever names a branch has written."""
    for script in scripts(yaml.safe_load(github.text(wish(deploy=target, contract="c.yaml")))):
        assert "${{" not in script


@pytest.mark.parametrize("target", ["", *CLOUDS])
def test_a_workflow_has_the_shape_that_github_takes(target: str) -> None:
    document = yaml.safe_load(github.text(wish(deploy=target, contract="c.yaml")))
    # YAML 1.1 reads the key "on" as true, and so does every reader of workflows
    assert {"name", True, "jobs", "permissions"} <= document.keys()
    assert list(document["jobs"]) == ["image", *(["deploy"] if target else [])]
    for job in document["jobs"].values():
        assert job["runs-on"]
        assert all(("uses" in step) != ("run" in step) for step in job["steps"])
    if target:
        assert document["jobs"]["deploy"]["environment"] == "production"


def test_deploying_waits_for_somebody() -> None:
    assert yaml.safe_load(gitlab.text(wish(deploy="ecs")))["deploy"]["rules"] == [
        {"if": '$CI_COMMIT_BRANCH == "main"', "when": "manual"}
    ]
    assert "input {" in jenkins.text(wish(deploy="ecs"))


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_is_deployed_has_a_digest(system: str) -> None:
    text = SYSTEMS[system].text(wish(deploy="kubernetes"))
    (line,) = [line for line in text.splitlines() if "wherry deploy" in line]
    assert ('"$IMAGE"' if system == "github" else '"$DIGEST"') in line
    assert "{{index .RepoDigests 0}}" in text


@pytest.mark.parametrize("system", SYSTEMS)
def test_braces_of_groovy_and_brackets_come_in_pairs(system: str) -> None:
    for target in CLOUDS:
        text = SYSTEMS[system].text(wish(deploy=target, contract="c.yaml"))
        assert text.count("{") == text.count("}")
        assert text.count("(") == text.count(")")


def test_without_a_name_the_ci_s_own_registry_is_used() -> None:
    assert "ghcr.io/${GITHUB_REPOSITORY,,}" in github.text(wish(image=""))
    assert yaml.safe_load(gitlab.text(wish(image="")))["variables"]["IMAGE"] == "$CI_REGISTRY_IMAGE"
    with pytest.raises(InputError, match="no registry of its own"):
        jenkins.text(wish(image=""))


@pytest.mark.parametrize(
    ("wishes", "problem"),
    [
        ({"image": "team/api:1.4"}, "a repository without a tag"),
        ({"image": "Team/API"}, "invalid reference format"),
        ({"branch": "main; rm -rf /"}, "--branch must be"),
        ({"branch": "-x"}, "--branch must be"),
        ({"branch": "a/../b"}, "--branch must be"),
        ({"contract": "/etc/passwd"}, "--contract must be"),
        ({"contract": "a b.yaml"}, "--contract must be"),
        ({"contract": "../c.yaml"}, "--contract must be"),
        ({"environment": "it's\nprod"}, "--environment must be"),
        ({"deploy": "fargate"}, "wherry deploys to no 'fargate'"),
    ],
)
def test_a_word_that_cannot_stand_in_a_pipeline_is_refused(wishes: dict[str, str], problem: str) -> None:
    with pytest.raises(InputError, match=re.escape(problem)):
        wish(**wishes)


@pytest.mark.parametrize("word", ["1.10", "on", "null", "2e5", "release-1"])
def test_a_name_stays_the_text_that_it_is(word: str) -> None:
    """YAML reads 1.10 as 1.1, a branch that nobody has; an environment called null is none, and asks nobody."""
    asked = wish(branch=word, environment=word, deploy="ecs")
    document = yaml.load(github.text(asked), Loader=yaml.BaseLoader)
    safe = yaml.safe_load(github.text(asked))
    # `on` itself is a key that YAML 1.1 reads as true
    assert safe[True]["push"]["branches"] == document["on"]["push"]["branches"] == [word]
    assert safe["jobs"]["deploy"]["environment"] == word
    job = yaml.safe_load(gitlab.text(asked))["deploy"]
    assert (job["environment"]["name"], job["resource_group"]) == (word, word)


def test_gitlabs_main_cache_is_called_as_gitlab_calls_the_branch() -> None:
    text = gitlab.text(wish(branch="Release/1.10_x"))
    assert '--cache-from "$CACHE:release-1-10-x"' in text
