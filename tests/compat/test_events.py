"""The same commands through docker and wherry are told as the same events."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from tests.compat.sides import Side

pytestmark = pytest.mark.requires("root", "docker", "dockerd", "runc", "nft", "ip", "busybox")
HEX = re.compile(r"(sha256:)?[0-9a-f]{64}")

# One line after the other, errors and all
SCRIPTS = {
    "a life": """
        docker run -d --name life -v kept:/kept -v /anonymous --label tier=front --network none busybox sleep 60
        docker exec life true
        docker exec life sh -c 'exit 3'
        docker pause life
        docker unpause life
        docker rename life death
        docker kill -s USR1 death
        docker top death
        docker stop -t 0 death
        docker start death
        docker restart -t 0 death
        docker rm -fv death
        docker volume rm kept
    """,
    "ends": """
        docker run --rm --name brief --network none busybox sh -c 'exit 7'
        docker create --name made --network none busybox false
        docker start -a made
        docker stop made
        docker kill made
        docker rm made
        docker run --name lost --network none busybox /nope
        docker rm lost
        docker run -d --name thrice --network none --restart on-failure:2 busybox sh -c 'exit 3'
        docker wait thrice; sleep 1
        docker rm thrice
        docker run -d --name paused --network none busybox sleep 60
        docker pause paused
        docker stop -t 0 paused
        docker start paused
        docker pause paused
        docker kill paused
        docker rm paused
    """,
    "networks and volumes": """
        docker network create told
        docker run -d --name member --network told busybox sleep 60
        docker network connect bridge member
        docker network disconnect bridge member
        docker rm -f member
        docker network rm told
        docker volume create --label a=b told
        docker volume create told
        docker volume rm told
        docker volume create pruned
        docker volume prune -af
        docker network create pruned
        docker network prune -f
    """,
    "images": """
        docker tag busybox told:1
        docker save -o told.tar told:1
        docker rmi told:1
        docker run -d --name committed --network none busybox sleep 60
        docker commit -m words committed told:2
        docker cp committed:/etc/passwd copy
        docker cp copy committed:/tmp/copy
        docker export -o whole.tar committed
        docker rm -f committed
        docker rmi told:2
        docker import whole.tar told:3
        docker rmi told:3
        docker container prune -f
    """,
    "health": """
        docker run -d --name well --network none --health-cmd 'test -e /ok' --health-interval 400ms --health-retries 1 \
            busybox sleep 60
        for i in $(seq 60); do docker ps | grep -q '(unhealthy)' && break; sleep 0.1; done
        docker exec well touch /ok
        for i in $(seq 60); do docker ps | grep -q '(healthy)' && break; sleep 0.1; done
        docker rm -f well
    """,
}  # fmt: skip


def told(side: Side, script: str) -> list[dict[str, Any]]:
    folder = side.folder / "work"
    side.run("docker volume prune -af", folder)
    start = side.run("date +%s.%N", folder).stdout.decode().strip()
    # Each has the whole time of a case, on a busy machine
    for line in script.strip().splitlines():
        side.run(line, folder)
    # A container with --rm goes a moment after the command that saw its end; and docker's "0s" is the second's begin
    said = side.run(f"sleep 1.2; docker events --since {start} --until 0s --format json", folder)
    assert said.returncode == 0, said.stderr
    return [json.loads(line) for line in said.stdout.decode().splitlines()]


def plain(event: dict[str, Any]) -> tuple[str, ...]:
    """Without what is another each time: ids and times; the JSON's keys stay."""
    attributes = {
        name: "ID" if HEX.fullmatch(value) else value
        for name, value in event["Actor"]["Attributes"].items()
        if name not in ("execDuration", "reclaimed")
    }
    keys = ",".join(event) + ";" + ",".join(sorted(event["Actor"]["Attributes"]))
    values = " ".join(f"{name}={value}" for name, value in sorted(attributes.items()))
    return event["Type"], event["Action"], values, keys


def sequence(events: list[dict[str, Any]], kind: str, *without: str) -> list[str]:
    return [one["Action"] for one in events if one["Type"] == kind and one["Action"] not in without]


# What docker alone tells. At each restart by its policy it takes a container off its networks and puts it back; that a
# running container leaves a network is told twice
DOCKERS = {
    "ends": {("network", "connect"), ("network", "disconnect")},
    "networks and volumes": {("network", "disconnect")},
}  # fmt: skip


def differences(name: str, docker: list[dict[str, Any]], wherry: list[dict[str, Any]]) -> list[str]:
    count = [Counter(map(plain, events)) for events in (docker, wherry)]
    if name == "health":
        # How often it was probed is a matter of time
        count = [Counter(set(one)) for one in count]
    only = {"docker": count[0] - count[1], "wherry": count[1] - count[0]}
    for one in list(only["docker"]):
        if one[:2] in DOCKERS.get(name, ()):
            del only["docker"][one]
    faults = [f"{who}: {n} x {one}" for who, found in only.items() for one, n in found.items()]
    # docker tells a stop before or after the death, and that a container goes on after a pause, as it comes
    order = [sequence(events, "container", "stop", "unpause") for events in (docker, wherry)]
    if name != "health" and order[0] != order[1]:
        faults.append(f"docker: {order[0]}\nwherry: {order[1]}")
    return faults


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_same_events_are_told(sides: tuple[Side, Side], name: str) -> None:
    docker, wherry = (told(side, SCRIPTS[name]) for side in sides)
    faults = differences(name, docker, wherry)
    if faults:
        # dockerd does not always come to an end in time on a busy machine: it is asked once more; wherry's answer stays
        sides[0].tidy()
        faults = differences(name, told(sides[0], SCRIPTS[name]), wherry) and faults
    assert not faults, "\n".join(faults)
