"""Writes docs/cli.md from the commands' own declarations (wherry.cli.table and each module's VERB): `make docs`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from wherry.cli import main, table
from wherry.cli.flags import Flag, Verb

TARGET = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
HEAD = """\
# Commands

<!-- Written by `make docs` from the commands' own declarations: do not edit. -->

Every command of this version with its flags, as `wherry COMMAND --help` prints them. Names, flags, messages and exit
codes are docker's (`wherry compose`'s are docker-compose's: 16 for a wrong flag, 14 for a file that is not there or not
right); where wherry has one of its own, docker has none of that name. Flags may stand before or behind the
arguments, but for `run`, `create` and `exec`, where everything behind the image or container belongs to its command.

Exit codes: 0; 1 when a command failed; 125 for a wrong flag and when a container could not be started; 126 and 127 when
its command could not be executed or was not found; the container's own with `run`, `start -a` and `exec`; 130 after
Ctrl-C.
"""


def verb(name: str) -> Verb:
    """The declaration of a command."""
    declared = import_module(f"wherry.cli.{table.SUMMARIES[name][0]}").VERB
    found = declared[name] if isinstance(declared, dict) else declared
    assert isinstance(found, Verb)
    return found


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def flag_row(flag: Flag) -> str:
    names = f"`-{flag.short}`, `--{flag.name}`" if flag.short else f"`--{flag.name}`"
    kind = f" {flag.type_name}" if flag.type_name else ""
    default = f" (default `{flag.default}`)" if flag.default not in ("", 1) else ""
    default = " (on unless `=false`)" if flag.kind == "bool" and flag.default else default
    again = "; may be given again" if flag.kind == "list" else ""
    return f"| {names}{kind} | {cell(flag.help)}{default}{again} |"


def section(name: str) -> str:
    one = verb(name)
    aliases = sorted(alias for alias, to in table.ALIASES.items() if to == name)
    parts = [f"## wherry {name}", "", f"{one.summary}.", "", "```text", f"wherry {name} {one.usage}", "```"]
    if aliases:
        parts += ["", "Also: " + ", ".join(f"`wherry {alias}`" for alias in aliases) + "."]
    if one.flags:
        parts += ["", "| flag | what |", "|---|---|", *(flag_row(flag) for flag in sorted(one.flags, key=by_name))]
    if one.examples:
        parts += ["", "Examples:", "", *(f"    {line}" for line in one.examples)]
    return "\n".join(parts)


def by_name(flag: Flag) -> str:
    return flag.name


def reference() -> str:
    """The whole page."""
    names = sorted(table.SUMMARIES)
    index = ["| command | what |", "|---|---|"]
    index += [f"| [{name}](#wherry-{name.replace(' ', '-')}) | {cell(table.SUMMARIES[name][1])} |" for name in names]
    options = ["Options of `wherry` itself, before the command:", "", "| flag | what |", "|---|---|"]
    options += [flag_row(flag) for flag in sorted(main._GLOBAL.flags, key=by_name)]
    for group in table.OPTIONS:
        options += ["", f"Options of `wherry {group}`, before its command:", "", "| flag | what |", "|---|---|"]
        options += [flag_row(flag) for flag in sorted(main._options_of(group).flags, key=by_name)]
    return "\n".join([HEAD, *index, "", *options, "", "\n\n".join(section(name) for name in names), ""])


if __name__ == "__main__":
    TARGET.write_text(reference())
    print(f"wrote {TARGET}", file=sys.stderr)
