"""Each value of tests/cases/runtime/flags for -v, --mount and --tmpfs, put to docker and to wherry."""

from __future__ import annotations

import json
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.compat.script import message, normal
from tests.compat.sides import Side

CASES = Path(__file__).parents[1] / "cases" / "runtime" / "flags"
FLAGS = {"mount": "--mount", "volume": "-v", "tmpfs": "--tmpfs"}
# docker guards its own data folder, which a bind of /tmp would hold here, and takes a volume plugin for an image
OF_THIS_PLACE = re.compile("within the daemon root|Unable to find image")
Answers = dict[str, tuple[int, str]]


def asked(side: Side, flag: str, values: list[str]) -> Answers:
    """What `create` says to each value. Twenty at once, so that no side has more time than a case."""
    found: Answers = {}
    folder = side.folder / "work" / f"mounts{flag}"
    folder.mkdir()
    for start in range(0, len(values), 20):
        part = values[start : start + 20]
        script = "".join(
            f"docker create --network none {flag} {shlex.quote(value)} busybox >&2; printf '\\n@@ %s\\n' $? >&2\n"
            for value in part
        )
        said = re.split(r"\n@@ (\d+)\n", side.run(script, folder).stderr.decode("utf-8", "replace"))
        for value, text, code in zip(part, said[::2], said[1::2], strict=False):
            lines = [line for line in text.split("\n") if not line.startswith("time=")]
            found[value] = (int(code), message(normal("\n".join(lines), folder)))
        side.run("docker rm -v $(docker ps -aq); docker volume rm $(docker volume ls -q)", folder)
    return found


@pytest.mark.requires("root", "runc", "busybox", "docker", "dockerd")
@pytest.mark.parametrize("name", list(FLAGS))
def test_each_value_gets_dockers_answer(name: str, sides: tuple[Side, Side]) -> None:
    rows = json.loads((CASES / f"{name}.json").read_text())
    values = [row["in"] for row in rows if "docker" not in row]
    with ThreadPoolExecutor(2) as pool:
        docker, wherry = pool.map(lambda side: asked(side, FLAGS[name], values), sides)
    assert len(docker) == len(wherry) == len(values)
    differ = {
        value: (docker[value], wherry[value])
        for value in values
        if docker[value] != wherry[value] and not OF_THIS_PLACE.search(docker[value][1])
    }
    assert not differ, "\n".join(
        f"{value}\n  docker {theirs}\n  wherry {ours}" for value, (theirs, ours) in differ.items()
    )
