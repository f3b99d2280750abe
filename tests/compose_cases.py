"""Cases of Compose files: tests/cases/compose/*/*.txt, read by the unit tests and by those that ask docker-compose.

=== what the case shows
-- compose.yaml --
services: ...                   any number of files, in folders too; \\ufeff and \\r at a line's end are those
-- command --
-f compose.yaml                 what stands before `config`; `cd FOLDER` as its first line changes the folder
-- shell --
NAME=value                      the shell's variables
-- warnings --
The "A" variable is not set.    all that are told, in any order
-- want --
name: case                      what `config` prints, with {dir} for the folder of the case
-- error --
compose.yaml:3:5                or instead: where ours is, or "-"
the message                     ours; the next section says docker-compose's when it hasn't the same in it
-- docker --
some words
-- differs --                   docker-compose isn't asked: why
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

from wherry.compose.emit_yaml import emit
from wherry.compose.load import LoadRequest, load
from wherry.compose.present import plain_project
from wherry.errors import WherryError

__all__ = ["Case", "Result", "ask_docker", "ask_wherry", "cases"]

ROOT = Path(__file__).parent / "cases" / "compose"
_TALK = {"command", "shell", "warnings", "want", "error", "docker", "differs", "stdin"}


class Case(NamedTuple):
    name: str
    files: dict[str, str]
    talk: dict[str, str]

    def lay_out(self, folder: Path) -> Path:
        """Write the files; gives the folder that the command runs in."""
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            written = text.replace("\\ufeff", "\ufeff").replace("\\r\n", "\r\n")
            path.write_bytes(written.encode())
        words = self.command
        return folder / words[1] if words[:1] == ["cd"] else folder

    @property
    def command(self) -> list[str]:
        return shlex.split(self.talk.get("command", ""))

    @property
    def flags(self) -> list[str]:
        words = self.command
        return words[2:] if words[:1] == ["cd"] else words

    @property
    def shell(self) -> dict[str, str]:
        lines = self.talk.get("shell", "").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    @property
    def warnings(self) -> list[str]:
        return sorted(self.talk.get("warnings", "").splitlines())


class Result(NamedTuple):
    output: str
    error: str
    where: str
    warnings: list[str]


def cases(folder: str) -> list[Case]:
    """All cases of a folder, named FILE: TITLE."""
    found = []
    for path in sorted((ROOT / folder).glob("*.txt")):
        for text in re.split(r"^=== ", path.read_text(), flags=re.M)[1:]:
            title, _, body = text.partition("\n")
            parts = re.split(r"^-- (.+) --\n", body, flags=re.M)[1:]
            sections = dict(zip(parts[::2], parts[1::2], strict=True))
            files = {name: text for name, text in sections.items() if name not in _TALK}
            talk = {name: text.rstrip("\n") + "\n" for name, text in sections.items() if name in _TALK}
            found.append(Case(f"{path.stem}: {title.strip()}", files, talk))
    return found


def request(case: Case, cwd: Path, home: Path) -> LoadRequest:
    keys = {"-f": "files", "--env-file": "env_files", "--profile": "profiles"}
    single = {"-p": "project_name", "--project-directory": "project_directory"}
    fields: dict[str, object] = {}
    words = iter(case.flags)
    for word in words:
        if word in keys:
            fields[keys[word]] = (*fields.get(keys[word], ()), next(words))  # type: ignore[misc]
        else:
            fields[single[word]] = next(words)
    return LoadRequest(current_dir=str(cwd), environment={"HOME": str(home)} | case.shell, **fields)  # type: ignore[arg-type]


def ask_wherry(case: Case, folder: Path) -> Result:
    cwd = case.lay_out(folder)
    told: list[str] = []
    try:
        project = load(request(case, cwd, folder), stdin=lambda: case.talk.get("stdin", "").encode(), warn=told.append)
    except WherryError as fault:
        where = getattr(fault, "where", None) or "-"
        return Result("", _plain(str(fault), folder), _plain(where, folder), _told(told, folder))
    # As `config`: so that what it writes may be read again
    output = emit(plain_project(project, as_json=False)).replace("$", "$$")
    return Result(_plain(output, folder), "", "", _told(told, folder))


def _plain(text: str, folder: Path) -> str:
    return text.replace(f"{folder}/", "{dir}/").replace(str(folder), "{dir}")


def _told(texts: list[str], folder: Path) -> list[str]:
    return sorted({_plain(text, folder) for text in texts})


def ask_docker(case: Case, folder: Path) -> Result:
    cwd = case.lay_out(folder)
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)} | case.shell
    done = subprocess.run(
        ["docker-compose", *case.flags, "config"],
        cwd=cwd, env=env, capture_output=True, check=False, input=case.talk.get("stdin", "").encode(),
    )  # fmt: skip
    told, said = [], []
    for line in done.stderr.decode().splitlines():
        if found := re.fullmatch(r'time="[^"]*" level=warning msg="((?:[^"\\]|\\.)*)"', line):
            told.append(re.sub(r"\\(.)", r"\1", found[1]))
        else:
            said.append(line)
    return Result(_plain(done.stdout.decode(), folder), _plain("\n".join(said), folder), "", _told(told, folder))
