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


def faults_between(case: Case, docker: tuple[list[Outcome], Path], wherry: tuple[list[Outcome], Path]) -> list[str]:
    faults = []
    for step, theirs, ours in zip(case.steps, docker[0], wherry[0], strict=True):
        fault = compare(step, (theirs, docker[1]), (ours, wherry[1]))
        if step.has("differs:"):
            fault = "" if fault else "does not differ any more: take it out of docs/differences.md"
        if fault:
            faults.append(f"$ {step.text}\n{fault}")
    return faults


@pytest.mark.requires("root", "runc", "nft", "ip", "busybox", "docker", "dockerd", "docker-registry")
@pytest.mark.parametrize("case", CASES)
def test_docker_and_wherry_do_the_same(case: Case, sides: tuple[Side, Side], request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.id
    with ThreadPoolExecutor(2) as pool:
        docker, wherry = pool.map(lambda side: played(side, case, name), sides)
    faults = faults_between(case, docker, wherry)
    if faults:
        # dockerd loses the output of a short container now and then. It is asked once more; wherry's answer stays
        sides[0].tidy()
        faults = faults_between(case, played(sides[0], case, f"{name} again"), wherry) and faults
    assert not faults, "\n\n".join(["", *faults])
