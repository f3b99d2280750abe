"""Cases as text: scripts that docker and wherry run alike, and what of their output may differ.

    === a sentence that names the case
    docker run --name $N busybox true          a step: one line, or more when the next ones are indented
    % says no such image                       both sides' stderr matches this; it need not be the same words
    % quiet                                    stderr is left out of the comparison
    % drop REGEX                               lines of stdout that are left out
    % sorted                                   the order of stdout's lines does not count
    % any                                      stdout is left out; the exit code still counts
    % differs: words of docs/differences.md    this step must differ, and the page says so
    --- Dockerfile                             a file of the case's folder (--- name 0755: its mode)

Without a word of it, a step's stdout, stderr and exit code are the same on both sides once ids, times, addresses,
folders and the programs' names are taken out.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import NamedTuple

__all__ = ["Case", "Outcome", "Step", "bash", "cases_of", "compare", "outcomes", "write_files"]


class Step(NamedTuple):
    """`marks` are the % lines behind it: (word, rest)."""

    text: str
    marks: tuple[tuple[str, str], ...] = ()

    def has(self, word: str) -> bool:
        return any(one == word for one, _ in self.marks)

    def all(self, word: str) -> list[str]:
        return [rest for one, rest in self.marks if one == word]


class Case(NamedTuple):
    """`files`: path, mode, text."""

    title: str
    steps: tuple[Step, ...]
    files: tuple[tuple[str, int, str], ...]


class Outcome(NamedTuple):
    code: int
    stdout: str
    stderr: str


MARKS = {"says", "quiet", "drop", "sorted", "any", "differs:"}


def cases_of(path: Path) -> list[Case]:
    parts = re.split(r"^=== *(.*)\n", path.read_text(), flags=re.MULTILINE)
    return [_case(title, body) for title, body in zip(parts[1::2], parts[2::2], strict=True)]


def _case(title: str, body: str) -> Case:
    head, *files = re.split(r"^--- *(.*)\n", body, flags=re.MULTILINE)
    steps: list[Step] = []
    for line in head.splitlines():
        if not line.strip():
            continue
        if line.startswith("% "):
            word, _, rest = line[2:].partition(" ")
            if word not in MARKS:
                raise ValueError(f"{title}: no mark {word!r}")
            steps[-1] = steps[-1]._replace(marks=(*steps[-1].marks, (word, rest.strip())))
        elif line[0] == " ":
            steps[-1] = steps[-1]._replace(text=f"{steps[-1].text}\n{line}")
        else:
            steps.append(Step(line))
    named = []
    for name, text in zip(files[::2], files[1::2], strict=True):
        path, _, mode = name.partition(" ")
        named.append((path, int(mode or "644", 8), text.rstrip("\n") + "\n"))
    return Case(title, tuple(steps), tuple(named))


def write_files(case: Case, folder: Path) -> None:
    for name, mode, text in case.files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)


def bash(case: Case) -> str:
    """Each step's output ends with a line that holds its exit code, on both streams."""
    lines = []
    for step in case.steps:
        lines += [step.text, "code=$?; printf '\\n@@ %s\\n' $code; printf '\\n@@ %s\\n' $code >&2"]
    return "\n".join(lines)


def outcomes(stdout: str, stderr: str) -> list[Outcome]:
    outs = re.split(r"\n@@ (\d+)\n", stdout)
    errs = re.split(r"\n@@ (\d+)\n", stderr)
    return [Outcome(int(code), out, err) for out, code, err in zip(outs[::2], outs[1::2], errs[::2], strict=False)]


_TIMES = [
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|[+-]\d\d:?\d\d))?( UTC)?", "TIME"),
    (
        r"(Less than a second|About an? \w+|\d+ (seconds?|minutes?|hours?|days?|weeks?|months?|years?))( ago)?",
        r"SPAN\3",
    ),
]
_IDS = [
    (r"\b[0-9a-f]{64}\b", "ID"),
    (r"\b[0-9a-f]{12}\b", "ID12"),
    (r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "MAC"),
    (r"\b(?!0\.0\.0\.0|127\.|255\.)(\d{1,3}\.){3}\d{1,3}\b", "IP"),
]
_LEADS = (
    r"^(docker: )?(Error response from daemon: |Error: )",
    r"^docker: ",
    r"^See 'docker [\w -]+--help'\.?$",
    r"^Run 'docker [\w -]+--help' for more information$",
    # Differs from docker: wherry says what to try, in a line of its own
    r"^hint: .*$",
)


def normal(text: str, folder: Path) -> str:
    """Without what can't be the same."""
    text = text.replace(str(folder), "WORK").replace("wherry", "docker").replace("Wherry", "Docker")
    text = re.sub(r"/tmp/compat-\w+/docker/(root|data)/", "STORE/", text)
    # What a shell asks of its terminal, sooner or later
    text = re.sub(r"\x1b\[\d*[A-Za-z]", "", text)
    for pattern, word in _IDS + _TIMES:
        text = re.sub(pattern, word, text)
    return "\n".join(re.sub(r"  +", "  ", line).rstrip() for line in text.split("\n")).strip("\n")


def message(text: str) -> str:
    for pattern in _LEADS:
        text = re.sub(pattern, "", text, flags=re.MULTILINE)
    return "\n".join(line for line in text.split("\n") if line.strip()).rstrip(".")


def _stdout(step: Step, outcome: Outcome, folder: Path) -> list[str]:
    if step.has("any"):
        return []
    lines = normal(outcome.stdout, folder).split("\n")
    lines = [line for line in lines if not any(re.search(drop, line) for drop in step.all("drop"))]
    return sorted(lines) if step.has("sorted") else lines


def compare(step: Step, docker: tuple[Outcome, Path], wherry: tuple[Outcome, Path]) -> str:
    """What differs, as text for a reader; "" when nothing does."""
    found = []
    if docker[0].code != wherry[0].code:
        found.append(f"exit code: docker {docker[0].code}, wherry {wherry[0].code}")
    ours, theirs = _stdout(step, *wherry), _stdout(step, *docker)
    if ours != theirs:
        found += difflib.unified_diff(theirs, ours, "docker's stdout", "wherry's stdout", lineterm="", n=1)
    errors = [message(normal(one.stderr, folder)) for one, folder in (docker, wherry)]
    if patterns := step.all("says"):
        for name, text in zip(("docker", "wherry"), errors, strict=True):
            found += [f"{name}'s stderr does not say {p!r}: {text}" for p in patterns if not re.search(p, text, re.I)]
    elif errors[0] != errors[1] and not step.has("quiet"):
        found += ["stderr:", f"  docker: {errors[0]}", f"  wherry: {errors[1]}"]
    return "\n".join(found)
