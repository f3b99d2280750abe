"""What a rule is, and what it finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

from wherry.dockerfile.span import Span

if TYPE_CHECKING:
    from wherry.lint.subject import Subject

__all__ = ["LEVELS", "Check", "Edit", "Family", "Hit", "Level", "Rule", "rule"]

Level = Literal["error", "warning", "info", "style", "ignore"]
LEVELS: tuple[Level, ...] = ("error", "warning", "info", "style", "ignore")
"""hadolint's names, worst first. A rule of the level "ignore" runs only when it is asked for."""

Family = Literal["buildkit", "hadolint", "wherry"]


class Edit(NamedTuple):
    """Characters `start` to `end` of the subject's text become `text`."""

    start: int
    end: int
    text: str


class Hit(NamedTuple):
    """One place that breaks a rule. `message` "" is the rule's description.

    `edits` repair it without changing what the image means; empty where a person has to decide. `twin`: the line where
    the rule of `same_as` tells it, when that is another.
    """

    span: Span
    message: str = ""
    edits: tuple[Edit, ...] = ()
    twin: int = 0


Check = Callable[["Subject"], Iterable[Hit]]


class Rule(NamedTuple):
    """`same_as` names a rule of another family with the same meaning: where both hit one line, that one is told, and
    who silences one of the names there silences the other.

    `is_experimental`: off unless `# check=experimental=` asks for it, as BuildKit has it.
    """

    name: str
    level: Level
    description: str
    check: Check
    same_as: str = ""
    is_experimental: bool = False

    @property
    def family(self) -> Family:
        if re.fullmatch(r"DL[0-9]{4}", self.name):
            return "hadolint"
        return "wherry" if re.fullmatch(r"PY[0-9]{3}", self.name) else "buildkit"

    @property
    def url(self) -> str:
        """Where a reader finds more; "" for a rule that nobody else documents."""
        if self.family == "hadolint":
            return f"https://github.com/hadolint/hadolint/wiki/{self.name}"
        if self.family == "buildkit" and self.name not in _WITHOUT_PAGE:
            words = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z][a-z]+", self.name)
            return f"https://docs.docker.com/go/dockerfile/rule/{'-'.join(words).lower()}/"
        return ""

    @property
    def page(self) -> str:
        """The page in docs/ that says what, why, bad and good."""
        return f"lint/{self.name}.md"


_WITHOUT_PAGE = ("InvalidBaseImagePlatform",)


def rule(
    name: str, level: Level, description: str, *, same_as: str = "", is_experimental: bool = False
) -> Callable[[Check], Rule]:
    """Makes the function below it a Rule:

    @rule("PY999", "warning", "What is wrong, in a few words")
    def nothing(subject: Subject) -> Iterator[Hit]: ...
    """

    def make(check: Check) -> Rule:
        return Rule(name, level, description, check, same_as, is_experimental)

    return make
