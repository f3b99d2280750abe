"""Each rule has a page, and the examples on it are what they say."""

from __future__ import annotations

import hashlib
import os
import re
import struct
from pathlib import Path

import pytest

from tools import lint_index
from wherry.dockerfile.ignore import Matcher
from wherry.lint.choice import Checks, Choice, parse_checks
from wherry.lint.rule import Rule
from wherry.lint.ruleset import load
from wherry.lint.run import run
from wherry.lint.settings import Settings, parse_hadolint
from wherry.lint.subject import BaseImage, Options, Subject

DOCS = Path(__file__).resolve().parents[3] / "docs"
RULES = load()


# A file of the project: its name, and where it matters its size and that it is in git
_FILE = re.compile(r"```text\n# file: (\S+)(?: (\d+) MB)?( in git)?\n(.*?)```", re.DOTALL)


def index(folder: Path, name: str) -> None:
    """Git's index with one file in it. Spec: https://git-scm.com/docs/index-format"""
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    encoded = name.encode()
    entry = struct.pack(">10I20sH", *[0] * 6, 0o100644, 0, 0, 0, bytes(20), len(encoded)) + encoded
    entry += bytes(8 - len(entry) % 8)
    data = b"DIRC" + struct.pack(">II", 2, 1) + entry
    (folder / ".git" / "index").write_bytes(data + hashlib.sha1(data, usedforsecurity=False).digest())


def find_base(name: str) -> BaseImage | None:
    return BaseImage({}, platform="linux/arm64") if name == "arm.example/base:1" else None


def hits(rule: Rule, section: str, folder: Path) -> int:
    """How often the rule is told of the section's Dockerfile; files of the project stand in blocks before it."""
    for name, size, tracked, text in re.findall(_FILE, section):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        if size:
            os.truncate(folder / name, int(size) * 1_000_000)
        if tracked:
            index(folder, name)
    (text,) = re.findall(r"```dockerfile\n(.*?)```", section, re.DOTALL)
    beside = folder / ".dockerignore"
    ignore = Matcher.of_file(beside.read_bytes()) if beside.exists() else None
    settings = folder / ".hadolint.yaml"
    asked = parse_hadolint(settings.read_bytes()) if settings.exists() else Settings()
    options = Options(
        find_base=find_base,
        trusted_registries=asked.trusted_registries,
        labels=asked.labels,
        strict_labels=asked.strict_labels,
    )
    subject = Subject.parse(text.encode(), "Dockerfile", options, folder=str(folder), ignore=ignore)
    directive = next((one.value for one in subject.file.directives if one.name == "check"), "")
    checks = parse_checks(directive) if directive else Checks()
    return len(run(subject, [rule], Choice(only=frozenset({rule.name}), checks=checks)))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_bad_example_breaks_the_rule_and_the_good_one_does_not(rule: Rule, tmp_path: Path) -> None:
    text = (DOCS / rule.page).read_text()
    assert re.findall("^#+ .*", re.sub("```.*?```", "", text, flags=re.DOTALL), re.MULTILINE) == [
        f"# {rule.name}",
        "## What",
        "## Why",
        "## Bad",
        "## Good",
    ]
    bad, good = text.partition("## Bad\n")[2].split("## Good\n")
    for name, section, least in (("bad", bad, 1), ("good", good, 0)):
        folder = tmp_path / name
        folder.mkdir()
        assert min(hits(rule, section, folder), 1) == least, name


def test_there_is_no_page_without_a_rule() -> None:
    assert {path.stem for path in (DOCS / "lint").glob("*.md")} == {rule.name for rule in RULES}


def test_the_index_is_what_the_rules_declare() -> None:
    assert lint_index.TARGET.read_text() == lint_index.page(), "docs/lint.md is out of date: make docs"
