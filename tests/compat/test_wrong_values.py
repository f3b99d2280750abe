"""Docker about the lines of tests/integration/test_wrong_values.py: the codes that they say are docker's are."""

from __future__ import annotations

import shlex

import pytest

from tests.compat.sides import Side
from tests.integration.test_wrong_values import lines

_SETUP = """
docker run -d --name box --network none busybox sleep 1000; docker create --name box2 --network none busybox
docker create --name box3 busybox; docker network create net; docker volume create vol
mkdir ctx; echo FROM busybox > ctx/Dockerfile; cp ../../base.tar .
"""


@pytest.mark.requires("root", "runc", "nft", "ip", "busybox", "docker", "dockerd")
def test_docker_refuses_a_sample_of_them_with_these_codes(sides: tuple[Side, Side]) -> None:
    docker = sides[0]
    folder = docker.folder / "work" / "wrong-values"
    folder.mkdir()
    # What docker takes would make containers and networks, and flags that it lacks tell nothing
    asked = [line for line in lines() if line.docker and line.argv[:2] != ["builder", "prune"]][::4]
    assert len(asked) > 60
    script = _SETUP + "".join(f"docker {shlex.join(line.argv)} > /dev/null 2>&1; echo code $?\n" for line in asked)
    try:
        done = docker.run(f"{{ {script} }} 2> /dev/null", folder)
        codes = [int(text.split()[1]) for text in done.stdout.decode().splitlines() if text.startswith("code ")]
        assert len(codes) == len(asked)
        found = [f"{shlex.join(line.argv)}: {code}, not {line.docker}"
                 for line, code in zip(asked, codes, strict=True) if code != line.docker]  # fmt: skip
        assert not found, "\n".join(found)
    finally:
        docker.tidy()
        docker.run("docker network rm net; docker volume rm vol", folder)
