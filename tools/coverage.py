"""Writes docs/coverage.md: each command and flag of docker's CLI, and what wherry does with it (`make docs`).

    python tools/coverage.py            the page, from the record of docker's help and wherry's own declarations
    python tools/coverage.py --docker   the records anew, by asking the `docker` and `docker-compose` that are installed

The records are tests/cases/docker-cli.txt and docker-compose-cli.txt: a line for each command, with its flags.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tools.cli_reference import cell, verb
from wherry.cli import table
from wherry.cli.unsupported import flag_reason, reason_of

PROJECT = Path(__file__).resolve().parents[1]
TARGET = PROJECT / "docs" / "coverage.md"
RECORD = PROJECT / "tests" / "cases" / "docker-cli.txt"
COMPOSE_RECORD = PROJECT / "tests" / "cases" / "docker-compose-cli.txt"
HEAD = """\
# What of docker's command line there is

<!-- Written by `make docs` from docker's --help and the commands' own declarations: do not edit. -->

Every command of docker's CLI {version}, and of docker-compose {compose}, with its flags. *yes*: it is there and does
what docker's does (what differs on purpose is in [differences](differences.md)); *refused*: it is answered with the
reason that stands here; *no*: it is unknown to wherry. Nothing is ignored silently.
"""
_FLAG = re.compile(r"^\s+(?:-\w, +)?--([\w-]+)", re.MULTILINE)
_LIST = re.compile(r"^(?:\w+ )?Commands:\n((?:  .*\n)+)", re.MULTILINE)
_COMMAND = re.compile(r"^  ([a-z]\S*)\s{2,}\S", re.MULTILINE)


class Command(NamedTuple):
    """One command of docker's. `flags` are sorted, --help left out: every command has it."""

    name: str
    flags: tuple[str, ...]


def asked(program: str, *words: str) -> str:
    done = subprocess.run([program, *words, "--help"], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def from_docker() -> tuple[str, list[Command]]:
    """(version, every command that is no plugin's), by its own help."""
    version = subprocess.run(["docker", "--version"], capture_output=True, text=True, check=True).stdout
    return version.split()[2].rstrip(","), walked("docker")


def from_compose() -> tuple[str, list[Command]]:
    """(version, every command), by its own help."""
    version = subprocess.run(["docker-compose", "version", "--short"], capture_output=True, text=True, check=True)
    found = [Command(f"compose {one.name}", one.flags) for one in walked("docker-compose")]
    return version.stdout.strip(), found


def walked(program: str) -> list[Command]:
    found: list[Command] = []

    def walk(words: tuple[str, ...]) -> None:
        text = asked(program, *words)
        below = [name for part in _LIST.findall(text) for name in _COMMAND.findall(part) if not name.endswith("*")]
        if not below:
            flags = sorted(set(_FLAG.findall(text)) - {"help"})
            found.append(Command(" ".join(words), tuple(flags)))
        for name in below:
            walk((*words, name))

    walk(())
    return sorted(found)


def write_record(record: Path, version: str, commands: list[Command]) -> None:
    lines = [
        f"{record.stem.removesuffix('-cli')} {version}",
        *(f"{one.name}: {' '.join(one.flags)}".rstrip() for one in commands),
    ]
    record.write_text("\n".join(lines) + "\n")


def read_record(record: Path = RECORD) -> tuple[str, list[Command]]:
    head, *lines = record.read_text().splitlines()
    commands = []
    for line in lines:
        name, _, flags = line.partition(":")
        commands.append(Command(name, tuple(flags.split())))
    return head.split()[1], commands


def ours(name: str) -> str:
    """The name under which wherry has the command, or ""."""
    name = table.ALIASES.get(name, name)
    return name if name in table.SUMMARIES else ""


def judged(command: Command) -> list[tuple[str, str, str]]:
    """(flag, "yes" / "refused" / "no", why not) for each flag."""
    there = ours(command.name)
    known = {flag.name for flag in verb(there).flags} if there else set()
    found = []
    for flag in command.flags:
        why = flag_reason(there, flag)
        found.append((flag, "refused" if why else "yes" if flag in known else "no", why))
    return found


def section(command: Command) -> list[str]:
    lines = [f"### docker {command.name}", ""]
    if not (there := ours(command.name)):
        reason = reason_of(command.name)
        return [*lines, f"{reason[:1].upper()}{reason[1:]}." if reason else "Not there.", ""]
    if there != command.name:
        lines += [f"The same as `wherry {there}`.", ""]
    rows = judged(command)
    good = [f"`--{flag}`" for flag, state, _ in rows if state == "yes"]
    if good:
        lines += ["yes: " + ", ".join(good), ""]
    rest = [f"| `--{flag}` | {state} | {cell(why)} |" for flag, state, why in rows if state != "yes"]
    if rest:
        lines += ["| flag | | why |", "|---|---|---|", *rest, ""]
    return lines


def counts(commands: list[Command]) -> list[str]:
    """The table at the top."""
    rows = ["| | docker | yes | refused with a reason | no |", "|---|--:|--:|--:|--:|"]
    there = [one for one in commands if ours(one.name)]
    reasons = sum(1 for one in commands if not ours(one.name) and reason_of(one.name))
    rows.append(f"| commands | {len(commands)} | {len(there)} | {reasons} | {len(commands) - len(there) - reasons} |")
    # `docker container run` and `docker run` have their flags in common: counted once
    once = {ours(one.name): one for one in there}.values()
    states = [state for one in once for _, state, _ in judged(one)]
    numbers = [states.count(one) for one in ("yes", "refused", "no")]
    rows.append(f"| flags of the commands that are there | {len(states)} | " + " | ".join(map(str, numbers)) + " |")
    share = 100 * numbers[0] / len(states)
    return [*rows, "", f"That is {share:.1f} % of the flags, and {100 * (numbers[0] + numbers[1]) / len(states):.1f} % "
            "with those that are answered by a reason.", ""]  # fmt: skip


def page() -> str:
    """The whole page."""
    version, commands = read_record()
    compose, of_compose = read_record(COMPOSE_RECORD)
    commands = sorted([*commands, *of_compose])
    lines = [HEAD.format(version=version, compose=compose), *counts(commands), "## Commands", ""]
    for command in commands:
        lines += section(command)
    own = sorted(set(table.SUMMARIES) - {ours(one.name) for one in commands})
    lines += ["## Commands that docker does not have", "", ", ".join(f"`wherry {one}`" for one in own) + ".", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    if "--docker" in sys.argv:
        write_record(RECORD, *from_docker())
        write_record(COMPOSE_RECORD, *from_compose())
    TARGET.write_text(page())
    print(f"wrote {TARGET}", file=sys.stderr)
