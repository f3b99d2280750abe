"""BuildKit's checks: name, line and words of each, as its own tests and documentation give them."""

from __future__ import annotations

import pytest

from wherry.dockerfile.ignore import Matcher
from wherry.lint.buildkit.suggest import suggestion
from wherry.lint.choice import Checks, Choice
from wherry.lint.rule import Rule
from wherry.lint.ruleset import load
from wherry.lint.run import fix, run
from wherry.lint.subject import BaseImage, Options, Subject

RULES = load(["buildkit"])
ALL = Choice(checks=Checks(all_experimental=True))

NAMES = [
    "ConsistentInstructionCasing", "CopyIgnoredFile", "DuplicateStageName", "ExposeInvalidFormat",
    "ExposeProtoCasing", "FromAsCasing", "FromPlatformFlagConstDisallowed", "InvalidBaseImagePlatform",
    "InvalidDefaultArgInFrom", "InvalidDefinitionDescription", "JSONArgsRecommended", "LegacyKeyValueFormat",
    "MaintainerDeprecated", "MultipleInstructionsDisallowed", "NoEmptyContinuation", "RedundantTargetPlatform",
    "ReservedStageName", "SecretsUsedInArgOrEnv", "StageNameCasing", "UndefinedArgInFrom", "UndefinedVar",
    "WorkdirRelativePath",
]  # fmt: skip

# (the file, "rule:line message" of everything that is found)
SAID = [
    ("FROM scratch AS BadName\n", "StageNameCasing:1 Stage name 'BadName' should be lowercase"),
    ("FROM scratch as base\n", "FromAsCasing:1 'as' and 'FROM' keywords' casing do not match"),
    ("from scratch AS base\n", "FromAsCasing:1 'AS' and 'from' keywords' casing do not match"),
    ("FROM scratch\nCOPY a \\\n\n.\n", "NoEmptyContinuation:2 Empty continuation line"),
    ("FROM a\nUSER x\nuSER y\n",
     "ConsistentInstructionCasing:3 Command 'uSER' should match the case of the command majority (uppercase)"),
    ("from a\nuser x\nUSER y\n",
     "ConsistentInstructionCasing:3 Command 'USER' should match the case of the command majority (lowercase)"),
    ("FROM a AS b\nFROM c AS b\n", 'DuplicateStageName:2 Duplicate stage name "b", stage names should be unique'),
    ("FROM a AS context\n",
     'ReservedStageName:1 Stage name should not use the same name as reserved stage "context"'),
    ("FROM a\nCMD run $X\n", "JSONArgsRecommended:2 JSON arguments recommended for CMD to prevent unintended behavior "
     "related to OS signals"),
    ('FROM a\nSHELL ["bash", "-c"]\nCMD run $X\n', ""),
    ("FROM a\nMAINTAINER me\n", "MaintainerDeprecated:2 Maintainer instruction is deprecated in favor of using label"),
    ("ARG TAG=1\nFROM a:$TAGG\n", "InvalidDefaultArgInFrom:2 Default value for ARG a:$TAGG results in empty or invalid "
     "base image name|UndefinedArgInFrom:2 FROM argument 'TAGG' is not declared (did you mean TAG?)"),
    ("ARG TAG\nFROM a:${TAG}\n",
     "InvalidDefaultArgInFrom:2 Default value for ARG a:${TAG} results in empty or invalid base image name"),
    ("ARG TAG\nFROM a:${TAG:-1}\n", ""),
    ("FROM scratch\nWORKDIR app\nWORKDIR sub\n",
     'WorkdirRelativePath:2 Relative workdir "app" can have unexpected results if the base image changes'),
    ("FROM scratch AS a\nWORKDIR /x\nFROM a\nWORKDIR y\n", ""),
    ("FROM scratch\nCOPY $foo .\n", "UndefinedVar:2 Usage of undefined variable '$foo'"),
    ("FROM scratch\nENV PATHS=/x:$PAHT\n",
     "UndefinedVar:2 Usage of undefined variable '$PAHT' (did you mean $PATH?)"),
    ("FROM scratch\nARG foo\nCOPY $foo .\n", ""),
    ("FROM unknown\nCOPY $foo .\n", ""),
    ("FROM known\nCOPY $SET $foo /\n", "UndefinedVar:2 Usage of undefined variable '$foo'"),
    ("FROM scratch AS a\nENV V=1\nFROM a\nUSER $V\n", ""),
    ('FROM a\nCMD ["x"]\nCMD ["y"]\n', "MultipleInstructionsDisallowed:2 Multiple CMD instructions should not be used "
     "in the same stage because only the last one will be used"),
    ("FROM a\nENV k v\n",
     'LegacyKeyValueFormat:2 "ENV key=value" should be used instead of legacy "ENV key value" format'),
    ("FROM --platform=$TARGETPLATFORM a\n", "RedundantTargetPlatform:1 Setting platform to predefined $TARGETPLATFORM "
     "in FROM is redundant as this is the default behavior"),
    ("FROM --platform=linux/arm64 a\n",
     'FromPlatformFlagConstDisallowed:1 FROM --platform flag should not use constant value "linux/arm64"'),
    ("FROM --platform=linux/arm64 a AS build_arm64\n", ""),
    ("FROM scratch\nARG API_KEY\nENV KEY_FILE=/x PUBLIC_KEY=1\n",
     'SecretsUsedInArgOrEnv:2 Do not use ARG or ENV instructions for sensitive data (ARG "API_KEY")'),
    ("FROM a\nEXPOSE 80/TcP\n",
     "ExposeProtoCasing:2 Defined protocol '80/TcP' in EXPOSE instruction should be lowercase"),
    ("FROM a\nEXPOSE 127.0.0.1:80:80\n", "ExposeInvalidFormat:2 EXPOSE instruction should not define an IP address or "
     "host-port mapping, found '127.0.0.1:80:80'"),
    ("FROM a\nCOPY ./hidden/f /\n",
     'CopyIgnoredFile:2 Attempting to Copy file "hidden/f" that is excluded by .dockerignore'),
    ("FROM a\nCOPY --from=x hidden /\n", ""),
    ("# bar this is it\nFROM scratch AS foo\n",
     "InvalidDefinitionDescription:2 Comment for FROM should follow the format: `# foo <description>`"),
    ("# foo this is it\nFROM scratch AS foo\n", ""),
    ("FROM known\n", ""),
    ("FROM arm\n", 'InvalidBaseImagePlatform:1 Base image arm was pulled with platform "linux/arm64", expected '
     '"linux/amd64" for current build'),
]  # fmt: skip


def find_base(name: str) -> BaseImage | None:
    images = {"known": BaseImage({"SET": "1"}, platform="linux/amd64"), "arm": BaseImage({}, platform="linux/arm64")}
    return images.get(name)


def subject(text: str) -> Subject:
    ignore = Matcher(["hidden"])
    return Subject.parse(text.encode(), "Dockerfile", Options(find_base=find_base), ignore=ignore)


def test_there_are_the_22_checks_and_no_others() -> None:
    assert [rule.name for rule in RULES] == sorted(NAMES)


@pytest.mark.parametrize(("text", "said"), SAID, ids=range(len(SAID)))
def test_a_check_says_what_buildkit_says(text: str, said: str) -> None:
    found = [f"{one.rule.name}:{one.span.first} {one.message}" for one in run(subject(text), RULES, ALL)]
    assert "|".join(found) == said


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_check_is_among_the_cases(rule: Rule) -> None:
    assert any(f"{rule.name}:" in said for _, said in SAID)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("FROM scratch as B\n", "FROM scratch AS b\n"),
        ("FROM a\nMAINTAINER me <m@x>\n", 'FROM a\nLABEL org.opencontainers.image.authors="me <m@x>"\n'),
        ("FROM a\nENV k  v w\nENV p $HOME/x\n", 'FROM a\nENV k="v w"\nENV p=$HOME/x\n'),
        ("FROM a\nENV k 'v w'\n", "FROM a\nENV k 'v w'\n"),  # quotes: a person decides
        ("FROM a\nCMD python -m app\n", 'FROM a\nCMD ["python", "-m", "app"]\n'),
        ("FROM a\nCMD exec python $X\nENTRYPOINT a && b\n", "FROM a\nCMD exec python $X\nENTRYPOINT a && b\n"),
        ("FROM a\r\nCMD run\r\n", 'FROM a\r\nCMD ["run"]\r\n'),
        ("FROM a\nRUN x \\\n\n  # why\n\n y\n", "FROM a\nRUN x \\\n  # why\n y\n"),
        ("FROM a\nRUN <<E\nx \\\n\ny\nE\n", "FROM a\nRUN <<E\nx \\\n\ny\nE\n"),
        ("FROM a\nEXPOSE 80/TCP 90\n", "FROM a\nEXPOSE 80/tcp 90\n"),
        ("FROM --platform=$TARGETPLATFORM a\n", "FROM a\n"),
    ],
)  # fmt: skip
def test_a_repair_changes_the_words_alone_and_is_done_once(before: str, after: str) -> None:
    text, _ = fix(before, run(subject(before), RULES, Choice()))
    assert text == after
    assert fix(text, run(subject(text), RULES, Choice()))[0] == after


def test_a_name_three_letters_away_is_no_suggestion() -> None:
    assert suggestion("TAGG", ["TAG", "TAGS"]) == "TAG"
    assert suggestion("VERSION", ["TAG"]) == ""
