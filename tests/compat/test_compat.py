"""Each case of `cases/`, run by docker and by wherry: the same output, messages, exit codes and effects."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.compat.script import Case, Outcome, bash, cases_of, compare, outcomes, write_files
from tests.compat.sides import Side

CASES = [
    pytest.param(case, id=f"{path.stem}: {case.title}")
    for path in sorted((Path(__file__).parent / "cases").glob("*.txt"))
    for case in cases_of(path)
]


def played(side: Side, case: Case, name: str) -> tuple[list[Outcome], Path]:
    folder = side.folder / "work" / re.sub(r"\W+", "-", name)
    folder.mkdir()
    write_files(case, folder)
    done = side.run(bash(case), folder)
    found = outcomes(done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
    assert len(found) == len(case.steps), f"{side.name} did not come to an end: {case.steps[len(found)].text}"
    return found, folder


@pytest.mark.requires("root", "runc", "nft", "ip", "busybox", "docker", "dockerd", "docker-registry")
@pytest.mark.parametrize("case", CASES)
def test_docker_and_wherry_do_the_same(case: Case, sides: tuple[Side, Side], request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.id
    with ThreadPoolExecutor(2) as pool:
        (docker, there), (wherry, here) = pool.map(lambda side: played(side, case, name), sides)
    faults = []
    for step, theirs, ours in zip(case.steps, docker, wherry, strict=True):
        fault = compare(step, (theirs, there), (ours, here))
        if step.has("differs:"):
            fault = "" if fault else "does not differ any more: take it out of docs/differences.md"
        if fault:
            faults.append(f"$ {step.text}\n{fault}")
    assert not faults, "\n\n".join(["", *faults])
