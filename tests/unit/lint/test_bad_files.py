"""Files that nobody wrote on purpose: cut, mixed, huge, with other line ends. And repairs of all of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.lint.hadolint_cases import CASES
from wherry.errors import WherryError
from wherry.lint.choice import Checks, Choice
from wherry.lint.rule import Rule
from wherry.lint.ruleset import load
from wherry.lint.run import Finding, fix, run
from wherry.lint.subject import BaseImage, Options, Subject

ROOT = Path(__file__).resolve().parents[3]
RULES = load()
ALL = Choice(checks=Checks(all_experimental=True))
SIGNS = (
    b"$", b"`", b'"', b"'", b"\\", b"\\\n", b"\r\n", b"<<E", b"|", b"&&", b"(", b")", b"${", b"}", b"#", b"\0", b"\xff",
    b"[", b"]", b"=", b"--mount=", b"RUN ", b"CMD [", b"ENV a=", b"\xef\xbb\xbf", b"\t", b"FROM ",
)  # fmt: skip
CORPUS = [path.read_bytes() for path in sorted((ROOT / "tests" / "cases" / "dockerfile").rglob("Dockerfile"))]
CORPUS += [path.read_bytes() for path in sorted((ROOT / "tests" / "cases" / "init").rglob("Dockerfile.expected"))]
CORPUS += [case.text.encode() for case in CASES]


def find_base(name: str) -> BaseImage | None:
    return BaseImage({"A": "1"}, ("sh",), "linux/arm64") if "a" in name else None


OPTIONS = Options(
    find_base=find_base, labels={"a": "url", "b": "semver"}, strict_labels=True, trusted_registries=("x.example",)
)


def mutated(source: random.Random) -> Iterator[bytes]:
    while True:
        data = bytearray(source.choice(CORPUS))
        for _ in range(source.choice([1, 1, 2, 3])):
            place = source.randrange(len(data) + 1)
            kind = source.random()
            if kind < 0.4:
                data[place:place] = source.choice(SIGNS)
            elif kind < 0.6:
                del data[place : place + source.randint(1, 12)]
            else:
                other = source.choice(CORPUS)
                start = source.randrange(len(other) + 1)
                data[place:place] = other[start : start + source.randint(1, 60)]
        yield bytes(data)


def look(data: bytes, folder: str = "") -> tuple[Subject, tuple[Finding, ...]]:
    subject = Subject.parse(data, "Dockerfile", OPTIONS, folder=folder)
    return subject, run(subject, RULES, ALL)


@pytest.mark.parametrize("seed", range(4))
def test_no_file_makes_a_rule_fail_and_a_repaired_one_needs_no_repair(seed: int) -> None:
    source = random.Random(seed)
    read = 0
    for _, data in zip(range(300), mutated(source), strict=False):
        try:
            subject, found = look(data, str(ROOT / "examples" / "iris") if source.random() < 0.1 else "")
        except WherryError:
            continue
        read += 1
        assert all(one.span.excerpt() for one in found)
        text, rounds = subject.text, 0
        while (after := fix(text, found)[0]) != text:
            rounds += 1
            assert rounds < 5, data
            text = after
            _, found = look(text.encode())
    assert read > 50


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_a_rule_repairs_it_does_not_find_again(rule: Rule, end: str) -> None:
    """Once is as good as twice; the line ends stay."""
    page = (ROOT / "docs" / rule.page).read_text()
    text = page.partition("## Bad\n")[2].partition("```dockerfile\n")[2].partition("```")[0].replace("\n", end)
    subject = Subject.parse(text.encode(), "Dockerfile", OPTIONS)
    found = run(subject, [rule], ALL)
    repaired, done = fix(text, found)
    if not done:
        assert repaired == text
        return
    again = run(Subject.parse(repaired.encode(), "Dockerfile", OPTIONS), [rule], ALL)
    assert len(again) == len(found) - len(done)
    assert fix(repaired, again)[0] == repaired
    assert repaired.count(end) == repaired.count("\n")


HUGE = {
    "commands": "FROM a:1\nRUN " + " && ".join(f"apt-get install x{number}" for number in range(2000)),
    "steps": "FROM a:1\n" + "RUN pip install x\nRUN apt-get update\n" * 1500,
    "stages": "FROM a:1 AS s0\n" + "".join(f"FROM s{number} AS s{number + 1}\nRUN a | b\n" for number in range(300)),
    "archives": "FROM a:1\n" + "".join(f"COPY x{n}.tar /t/\nRUN tar -xf /t/x{n}.tar\n" for n in range(1000)),
    "variables": "FROM scratch\n" + "".join(f"ENV a{number}=$a{number - 1}\n" for number in range(2000)),
    "substitutions": "FROM a:1\nRUN " + "$(" * 20_000,
    "quotes": "FROM a:1\nRUN echo " + '"$(' * 10_000,
    "a word": "FROM a:1\nRUN " + "a" * 200_000,
    "comments": "FROM a:1\n" + "# hadolint ignore=DL3008\n" * 10_000 + "RUN apt-get install x",
    "a heredoc": "FROM a:1\nRUN <<E\n" + "apt-get install x | y\n" * 3000 + "E",
}


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_file_is_looked_through(name: str) -> None:
    """The work grows as the file does: as squares, each of these would take minutes."""
    subject, found = look(f"{HUGE[name]}\n".encode())
    text, _ = fix(subject.text, found)
    assert len(text) >= len(subject.text)
