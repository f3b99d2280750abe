"""Networks through the command line, with real containers; the traffic stays on this machine."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from tests.integration.container_lab import Wherry, eventually

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")


def fetch(address: str, port: int) -> str:
    """What a server sends, or "" when nobody answers."""
    try:
        with socket.create_connection((address, port), timeout=2) as client, client.makefile("rb") as answer:
            return answer.read().decode()
    except OSError:
        return ""


def serve(wherry: Wherry, name: str, *options: str) -> str:
    """A container that answers "hello" on port 80."""
    script = "exec nc -ll -p 80 -e echo hello"
    return wherry("run", "-d", "--name", name, *options, "busybox", "sh", "-c", script).stdout.strip()


@pytest.fixture
def team(wherry: Wherry) -> Iterator[str]:
    wherry("network", "create", "--label", "a=b", "team")
    yield "team"
    wherry.remove_all()
    assert wherry("network", "rm", "team").stdout == "team\n"


def test_a_published_port_answers_on_both_loopbacks_until_the_container_is_gone(wherry: Wherry) -> None:
    serve(wherry, "web", "-p", "80")
    port = int(wherry("port", "web", "80/tcp").stdout.splitlines()[0].rpartition(":")[2])
    eventually(lambda: fetch("127.0.0.1", port) == "hello\n", "it answers on IPv4")
    assert fetch("::1", port) == "hello\n"
    taken = wherry("run", "--rm", "-p", f"{port}:80", "busybox", "true", code=125)
    assert f"0.0.0.0:{port} failed: port is already allocated by container web (" in taken.stderr
    wherry("rm", "-f", "web")
    assert fetch("127.0.0.1", port) == ""
    assert fetch("::1", port) == ""


def test_containers_of_a_users_network_know_each_other_by_name(wherry: Wherry, team: str) -> None:
    serve(wherry, "db", "--network", team, "--network-alias", "database")
    for name in ("db", "database"):
        script = f"for i in 1 2 3 4 5; do nc -w 2 {name} 80 && exit; sleep 0.2; done; exit 1"
        assert wherry("run", "--rm", "--network", team, "busybox", "sh", "-c", script).stdout == "hello\n"
    wherry("run", "--rm", "busybox", "nc", "-w", "1", "db", "80", code=1)
    assert "has active endpoints" in wherry("network", "rm", team, code=1).stderr
    found = json.loads(wherry("network", "inspect", team).stdout)[0]
    assert [one["Name"] for one in found["Containers"].values()] == ["db"]
    assert found["Labels"] == {"a": "b"}


def test_a_later_container_is_known_to_an_earlier_one_until_it_is_gone(wherry: Wherry, team: str) -> None:
    serve(wherry, "first", "--network", team)
    second = serve(wherry, "second", "--network", team)
    for name in ("second", second[:12], "second.team"):
        assert wherry("exec", "first", "nslookup", "-type=a", name).stdout.count("Address: 10.") == 1
    wherry("rm", "-f", "second")
    assert "NXDOMAIN" in wherry("exec", "first", "nslookup", "second", code=1).stdout


def test_exec_is_in_the_network_of_its_container(wherry: Wherry) -> None:
    serve(wherry, "web")
    inside = wherry("exec", "web", "ip", "-o", "link").stdout
    assert [line.split(":")[1].split("@")[0].strip() for line in inside.splitlines()] == ["lo", "eth0"]
    wherry("rm", "-f", "web")


def test_none_host_and_another_containers_network(wherry: Wherry) -> None:
    links = "ls /sys/class/net; cat /proc/net/dev"
    alone = wherry("run", "--rm", "--network", "none", "busybox", "sh", "-c", "ip -o link").stdout
    assert [line.split(":")[1].strip() for line in alone.splitlines()] == ["lo"]
    mine = [name for _, name in socket.if_nameindex()]
    seen = wherry("run", "--rm", "--network", "host", "busybox", "sh", "-c", links).stdout
    assert all(name in seen for name in mine if not name.startswith("w"))
    serve(wherry, "web")
    script = "for i in 1 2 3 4 5; do nc -w 2 127.0.0.1 80 && exit; sleep 0.2; done; exit 1"
    shared = wherry("run", "--rm", "--network", "container:web", "busybox", "sh", "-c", script)
    assert shared.stdout == "hello\n"
    wherry("rm", "-f", "web")


def test_the_list_is_dockers(wherry: Wherry, team: str) -> None:
    lines = wherry("network", "ls").stdout.splitlines()
    assert lines[0].split() == ["NETWORK", "ID", "NAME", "DRIVER", "SCOPE"]
    assert [line.split()[1:] for line in lines[1:]] == [
        ["bridge", "bridge", "local"],
        ["host", "host", "local"],
        ["none", "null", "local"],
        [team, "bridge", "local"],
    ]
    assert wherry("network", "create", team, code=1).stderr == f"wherry: network with name {team} already exists\n"
    assert "pre-defined network" in wherry("network", "rm", "bridge", code=1).stderr
    assert "did you mean team?" in wherry("network", "inspect", "taem", code=1).stderr
    assert "invalid network name" in wherry("network", "create", "../x", code=1).stderr


def test_the_next_container_gets_the_port_of_the_one_that_was_just_stopped(wherry: Wherry) -> None:
    serve(wherry, "web0", "-p", "80")
    port = wherry("port", "web0", "80/tcp").stdout.splitlines()[0].rpartition(":")[2]
    for number in range(1, 5):
        wherry("stop", "-t", "0", f"web{number - 1}")
        serve(wherry, f"web{number}", "-p", f"{port}:80")
