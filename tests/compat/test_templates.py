"""The templates of tests/cases/gotemplate, given to docker and to wherry.

`commands.txt`: both command lines, on objects made alike. `language.jsonl`: docker again on the data that wherry's unit
tests use; an answer of docker's that changed shows here.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.compat.script import message, normal
from tests.compat.sides import Side

ROOT = Path(__file__).parents[1]
CASES = ROOT / "cases" / "gotemplate"
PAGE = ROOT.parent / "docs" / "formatting.md"
WRAPPED = "{{with .Metadata.Metadata.AdditionalFields.D}}%s{{end}}"
SETUP = r"""
docker volume create --label k=v --label com.example.my-key=w data
docker network create --subnet 10.55.0.0/24 --gateway 10.55.0.1 --label tier=back back
docker run -d --name web --hostname web --label com.example.tier=front --label 'z=<x>' -e A=1 -v data:/data \
  -v /etc:/host:ro -p 127.0.0.1:18080:80 --network back --restart on-failure:3 --memory 64m \
  --health-cmd true --health-interval 1h busybox sleep 1000
docker create --name made busybox sh -c 'echo "a  b"'
docker run --name done busybox sh -c 'exit 3' || true
"""
# Other tests count what there is
END = "docker rm -f web made done && docker network rm back && docker volume rm data"


class Group(NamedTuple):
    """One command, and its templates as (mark, template, why it differs)."""

    command: str
    templates: tuple[tuple[str, str, str], ...]


def groups() -> list[Group]:
    found: list[Group] = []
    for line in (CASES / "commands.txt").read_text().splitlines():
        if line.startswith("$ "):
            found.append(Group(line[2:], ()))
        elif line and found:
            mark = line[0] if line.startswith("~ ") else ""
            text, _, why = line.removeprefix("~ ").partition(" ! ")
            found[-1] = found[-1]._replace(templates=(*found[-1].templates, (mark, text, why)))
    return found


GROUPS = groups()


def test_there_are_more_than_200_and_each_difference_is_on_the_page() -> None:
    templates = [one for group in GROUPS for one in group.templates]
    assert len(templates) > 200
    assert [why for _, _, why in templates if why and why not in PAGE.read_text()] == []


@pytest.fixture(scope="module")
def made(sides: tuple[Side, Side]) -> Iterator[tuple[Side, Side]]:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda side: side.must(SETUP), sides))
        yield sides
        list(pool.map(lambda side: side.must(END), sides))


def answers(side: Side, group: Group) -> list[tuple[int, str, str]]:
    """(exit code, stdout, stderr) of each template; some at a time, as a side gives each script its time."""
    found: list[tuple[int, str, str]] = []
    for start in range(0, len(group.templates), 25):
        marks = "code=$?; printf '\\n@@ %s\\n' $code; printf '\\n@@ %s\\n' $code >&2"
        words = [text for _, text, _ in group.templates[start : start + 25]]
        script = "".join(f"{group.command} {shlex.quote(text)}; {marks}\n" for text in words)
        done = side.run(script, side.folder / "work")
        outs = re.split(r"\n@@ (\d+)\n", done.stdout.decode("utf-8", "replace"))
        errs = re.split(r"\n@@ \d+\n", done.stderr.decode("utf-8", "replace"))
        found += [(int(code), out, err) for out, code, err in zip(outs[::2], outs[1::2], errs, strict=False)]
    assert len(found) == len(group.templates), f"{side.name}: {group.command}"
    return found


def alike(answer: tuple[int, str, str], mark: str, folder: Path) -> tuple[int, str, str]:
    code, out, err = answer
    out = normal(out, folder)
    if mark:
        out = re.sub(r"[0-9]+", "9", out)
    return code, out, message(normal(err, folder))


@pytest.mark.requires("root", "runc", "nft", "ip", "busybox", "docker", "dockerd")
@pytest.mark.parametrize("group", GROUPS, ids=[group.command for group in GROUPS])
def test_docker_and_wherry_print_the_same(group: Group, made: tuple[Side, Side]) -> None:
    with ThreadPoolExecutor(2) as pool:
        docker, wherry = pool.map(lambda side: answers(side, group), made)
    faults = []
    for (mark, text, why), theirs, ours in zip(group.templates, docker, wherry, strict=True):
        one, other = (alike(answer, mark, side.folder) for answer, side in zip((theirs, ours), made, strict=True))
        if (one == other) == bool(why):
            faults.append(f"{text}\n  docker: {one}\n  wherry: {other}" if not why else f"{text}: differs no more")
    assert not faults, "\n".join(["", *faults])


@pytest.mark.requires("docker")
def test_docker_still_answers_as_the_unit_tests_expect(tmp_path: Path) -> None:
    folder = tmp_path / "contexts" / "meta" / hashlib.sha256(b"data").hexdigest()
    folder.mkdir(parents=True)
    data = json.loads((CASES / "data.json").read_text())
    (folder / "meta.json").write_text(
        json.dumps({"Name": "data", "Metadata": {"D": data}, "Endpoints": {"docker": {"Host": "unix:///none"}}})
    )

    def ask(case: tuple[str, str, str]) -> str:
        template, kind, text = case
        argv = ["docker", "--config", str(tmp_path), "context", "inspect", "data", "-f", WRAPPED % template]
        done = subprocess.run(argv, capture_output=True, check=False)
        said = done.stderr.decode("utf-8", "replace").strip().removeprefix("template parsing error: ")
        found = ["error", said] if done.returncode else ["out", done.stdout.decode("utf-8", "replace")[:-1]]
        return "" if found == [kind, text] else f"{template}\n  docker: {found}\n  case:   {[kind, text]}"

    cases = [json.loads(line) for line in (CASES / "language.jsonl").read_text().splitlines()]
    with ThreadPoolExecutor(4) as pool:
        assert not list(filter(None, pool.map(ask, cases)))
