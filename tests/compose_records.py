"""What docker-compose's `config` said of each case in tests/cases/compose/config: read by tests, and recorded anew by
`python -m tests.compose_records`, which asks the docker-compose that is installed.

=== what the case shows
$ --format json             optional: what stands behind `config`
services: {a: {image: x}}   compose.yaml
-- other.yaml --            optional: another file
-- differs: why --          optional: we say something else on purpose, and the record is ours
-- docker 0 --              recorded: the exit code, and standard output, or the error for another code than 0
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.compose_files import ENVIRONMENT

__all__ = ["Record", "ask_docker", "ask_wherry", "records"]

FOLDER = Path(__file__).parent / "cases" / "compose" / "config"
HOME = "/home/me"


class Said(NamedTuple):
    code: int
    text: str


class Record(NamedTuple):
    name: str
    arguments: list[str]
    files: dict[str, str]
    differs: str
    said: Said

    def lay_out(self, folder: Path) -> None:
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def records() -> list[Record]:
    """All cases, named FILE: TITLE."""
    return [record for path in sorted(FOLDER.glob("*.txt")) for record in _of_file(path)]


def _of_file(path: Path) -> list[Record]:
    return [_parsed(path.stem, text) for text in re.split(r"^=== ", path.read_text(), flags=re.M)[1:]]


def _parsed(stem: str, text: str) -> Record:
    title, _, body = text.partition("\n")
    first, *parts = re.split(r"^-- (.+) --\n", body, flags=re.M)
    arguments = ""
    if first.startswith("$ "):
        arguments, _, first = first.removeprefix("$ ").partition("\n")
    files, differs, said = {"compose.yaml": first}, "", Said(-1, "")
    for name, section in zip(parts[::2], parts[1::2], strict=True):
        if name.startswith("docker "):
            said = Said(int(name.split()[1]), section.rstrip("\n"))
        elif name.startswith("differs: "):
            differs = name.removeprefix("differs: ")
        else:
            files[name] = section
    return Record(f"{stem}: {title.strip()}", shlex.split(arguments), files, differs, said)


def ask_docker(record: Record, folder: Path) -> Said:
    """Ask docker-compose."""
    record.lay_out(folder)
    done = subprocess.run(
        ["docker-compose", "config", *record.arguments],
        cwd=folder, env={**ENVIRONMENT, "HOME": HOME}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    text = done.stdout
    if {"--services", "--volumes", "--images", "--profiles"} & {*record.arguments}:
        text = "\n".join(sorted(text.splitlines()))  # docker-compose's order is another one each time
    errors = "\n".join(line for line in done.stderr.splitlines() if line and not line.startswith("time="))
    return _plain(Said(done.returncode, errors if done.returncode else text), folder)


def ask_wherry(record: Record, folder: Path) -> Said:
    """Ask the command, without a process of its own."""
    import io

    from wherry.cli.compose_config import VERB, run
    from wherry.cli.flags import parse
    from wherry.cli.render import Output
    from wherry.errors import WherryError
    from wherry.settings import Paths, Settings

    class Engine:
        settings = Settings(Paths("/r", "/run/r"), {**ENVIRONMENT, "HOME": HOME}, 0, str(folder))

    record.lay_out(folder)
    stdout, stderr = io.StringIO(), io.StringIO()
    out = Output(stdout, stderr, {})
    try:
        code = run(Engine(), parse("wherry compose config", VERB, record.arguments), out)  # type: ignore[arg-type]
    except WherryError as fault:
        return _plain(Said(fault.exit_code, str(fault)), folder)
    return _plain(Said(code, stdout.getvalue()), folder)


def _plain(said: Said, folder: Path) -> Said:
    text = said.text.replace(str(folder), "{dir}").replace(str(folder.parent), "{above}")
    return Said(said.code, text.rstrip("\n"))


def main() -> int:
    """Record all cases anew; those that differ are asked of wherry."""
    changed = 0
    for path in sorted(FOLDER.glob("*.txt")):
        head, *texts = re.split(r"^=== ", path.read_text(), flags=re.M)
        made = [head]
        for text in texts:
            record = _parsed(path.stem, text)
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name).resolve() / "case"
                folder.mkdir()
                said = ask_wherry(record, folder) if record.differs else ask_docker(record, folder)
            changed += said != record.said
            bare = re.split(r"^-- docker ", text, flags=re.M)[0].rstrip("\n")
            made.append(f"{bare}\n-- docker {said.code} --\n{said.text}\n\n")
        path.write_text("=== ".join(made).rstrip("\n") + "\n")
    print(f"{changed} records changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
