"""hadolint's rules: what they find in 735 small files, and how they are repaired."""

from __future__ import annotations

import pytest

from tests.unit.lint.hadolint_cases import CASES, found
from wherry.lint.choice import Choice
from wherry.lint.rule import Rule
from wherry.lint.ruleset import load
from wherry.lint.run import fix, run
from wherry.lint.subject import Options, Subject

RULES = load(["hadolint"])
NEED_SETTINGS = {"DL3026", "DL3049", "DL3050", "DL3051", "DL3052", "DL3053", "DL3055", "DL3056", "DL3058", "DL3057"}


def test_each_case_is_found_as_it_is_written_down() -> None:
    wrong = [f"{case.shown}: {sorted(found(case.text) ^ case.ours)}" for case in CASES if found(case.text) != case.ours]
    assert not wrong, "\n".join(wrong)


def test_the_cases_are_many_and_most_agree_with_hadolint() -> None:
    differ = [case for case in CASES if case.is_readable and case.ours != case.theirs]
    assert len(CASES) > 700
    assert len(differ) < 0.12 * len(CASES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_hits_in_a_case(rule: Rule) -> None:
    if rule.name not in NEED_SETTINGS:
        assert any(rule.name == name for case in CASES for name, _ in case.ours)


@pytest.mark.parametrize(
    ("kind", "good", "bad", "name"),
    [
        ("url", ["http://x.y", "urn:x/y", "mailto:x"], ["x", "", "$x"], "DL3052"),
        ("rfc3339", ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00+02:00"], ["2020-01-01", ""], "DL3053"),
        ("hash", ["1234567", "0123456789012345678901234567890123456789"], ["deadbeef", "main"], "DL3055"),
        ("semver", ["1.2.3", "1.2.3-rc.1+b"], ["1.2", "v1.2.3", "1.02.3"], "DL3056"),
        ("email", ["a@b.c"], ["a", "a@b@c", ""], "DL3058"),
    ],
)
def test_a_label_is_held_to_the_projects_schema(kind: str, good: list[str], bad: list[str], name: str) -> None:
    options = Options(labels={"a": kind})
    for value, least in [(one, 0) for one in good] + [(one, 1) for one in bad]:
        subject = Subject.parse(f'FROM x:1\nLABEL a="{value}"\n'.encode(), "Dockerfile", options)
        assert len(run(subject, [rule for rule in RULES if rule.name == name], Choice())) == least, value


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("RUN apt-get install curl=1", "RUN apt-get install -y curl=1"),
        ("RUN apt-get -o a=b \\\n  install \\\n curl=1", "RUN apt-get -o a=b \\\n  install -y \\\n curl=1"),
        ("RUN apt-get update && true", "RUN apt-get update && true && rm -rf /var/lib/apt/lists/*"),
        ("RUN apt-get update; true", "RUN apt-get update; true"),
        ("RUN apt-get update\nUSER 1\nRUN apt-get remove c", "RUN apt-get update\nUSER 1\nRUN apt-get remove c"),
        ("RUN apt update", "RUN apt-get update && rm -rf /var/lib/apt/lists/*"),
        ("RUN apt list", "RUN apt list"),
        ("RUN x && pip install -r r.txt", "RUN x && pip install --no-cache-dir -r r.txt"),
        ("RUN python -m pip install -r r.txt", "RUN python -m pip install --no-cache-dir -r r.txt"),
        ("RUN ['install'] pip install -r r.txt", "RUN ['install'] pip install -r r.txt"),
        ("RUN <<E\npip install -r r.txt\nE", "RUN <<E\npip install -r r.txt\nE"),
        ('RUN ["pip", "install", "-r", "r.txt"]', 'RUN ["pip", "install", "-r", "r.txt"]'),
        ("RUN apk add x=1", "RUN apk add --no-cache x=1"),
        ("RUN dnf install x-1", "RUN dnf install -y x-1"),
        ("RUN useradd -u 123456 x", "RUN useradd -l -u 123456 x"),
        ("RUN wget x && curl y", "RUN wget --progress=dot:giga x && curl y"),
        ("ADD main.py /x/", "COPY main.py /x/"),
        ("ADD model /x/", "ADD model /x/"),
        ("CMD python x.py", 'CMD ["python", "x.py"]'),
    ],
)  # fmt: skip
def test_a_repair_adds_the_word_and_changes_no_other(before: str, after: str) -> None:
    text = f"FROM a:1\n{before}\n"
    for _ in range(3):
        subject = Subject.parse(text.encode(), "Dockerfile")
        text, _ = fix(text, run(subject, load(), Choice()))
    assert text == f"FROM a:1\n{after}\n"
