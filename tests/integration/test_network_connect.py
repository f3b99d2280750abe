"""`network connect` and `disconnect`, and several networks at once, with real containers."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.container_lab import Wherry, eventually

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")


@pytest.fixture
def nets(wherry: Wherry) -> Iterator[Wherry]:
    """Networks one (10.66.1.0/24), two (10.66.2.0/24 and fd66:2::/64) and inner (internal)."""
    wherry("network", "create", "--subnet", "10.66.1.0/24", "one")
    wherry("network", "create", "--subnet", "10.66.2.0/24", "--ipv6", "--subnet", "fd66:2::/64", "two")
    wherry("network", "create", "--internal", "--subnet", "10.66.3.0/24", "inner")
    yield wherry
    wherry.remove_all()
    wherry("network", "rm", "one", "two", "inner")


def sleep(wherry: Wherry, name: str, *options: str) -> None:
    wherry("run", "-d", "--name", name, *options, "busybox", "sleep", "1000")


def addresses(wherry: Wherry, name: str) -> dict[str, list[str]]:
    """By interface, lo left out."""
    found: dict[str, list[str]] = {}
    for line in wherry("exec", name, "ip", "-o", "addr").stdout.splitlines():
        words = line.split()
        if words[1] != "lo" and "link" not in words[4:8]:
            found.setdefault(words[1], []).append(words[3].split("/")[0])
    return found


def gateway(wherry: Wherry, name: str) -> str:
    routes = wherry("exec", name, "ip", "route").stdout
    return next((line.split()[2] for line in routes.splitlines() if line.startswith("default")), "")


def networks(wherry: Wherry, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(wherry("container", "inspect", name).stdout)[0]
    found: dict[str, Any] = document["NetworkSettings"]["Networks"]
    return found


def test_a_running_container_comes_on_and_off_a_network_at_once(nets: Wherry) -> None:
    sleep(nets, "web", "--network", "one")
    sleep(nets, "db", "--network", "two")
    nets("network", "connect", "--alias", "front", "--ip", "10.66.2.9", "two", "web")
    assert addresses(nets, "web") == {"eth0": ["10.66.1.2"], "eth1": ["10.66.2.9", "fd66:2::3"]}
    assert gateway(nets, "web") == "10.66.2.1", "docker's choice: both families before one"
    assert nets("exec", "db", "ping", "-c", "1", "-W", "2", "front").stdout.count("1 packets received") == 1
    assert "10.66.2.9" in nets("exec", "web", "cat", "/etc/hosts").stdout
    assert networks(nets, "web")["two"]["Aliases"] == ["front"]
    assert [one["Name"] for one in json.loads(nets("network", "inspect", "two").stdout)[0]["Containers"].values()] == [
        "db", "web",
    ]  # fmt: skip
    nets("network", "disconnect", "two", "web")
    assert addresses(nets, "web") == {"eth0": ["10.66.1.2"]}
    assert gateway(nets, "web") == "10.66.1.1"
    assert "10.66.2.9" not in nets("exec", "web", "cat", "/etc/hosts").stdout
    assert "NXDOMAIN" in nets("exec", "db", "nslookup", "front", code=1).stdout
    assert list(networks(nets, "web")) == ["one"]


def test_a_container_of_the_default_bridge_learns_to_ask_for_names(nets: Wherry) -> None:
    sleep(nets, "web")
    sleep(nets, "db", "--network", "one")
    assert "127.0.0.11" not in nets("exec", "web", "cat", "/etc/resolv.conf").stdout
    nets("network", "connect", "one", "web")
    eventually(
        lambda: nets("exec", "web", "nslookup", "-type=a", "db", code=None).returncode == 0, "it asks its monitor"
    )
    assert gateway(nets, "web") != "10.66.1.1", "bridge comes before one"


def test_a_container_may_leave_all_networks_and_come_back(nets: Wherry) -> None:
    sleep(nets, "web", "-p", "80")
    nets("network", "disconnect", "bridge", "web")
    assert addresses(nets, "web") == {}
    nets("network", "connect", "one", "web")
    assert addresses(nets, "web") == {"eth0": ["10.66.1.2"]}
    nets("network", "disconnect", "one", "web")
    nets("restart", "-t", "0", "web")
    assert addresses(nets, "web") == {}, "it is on none when it starts again"


def test_a_published_port_follows_its_container(nets: Wherry) -> None:
    from tests.integration.test_network_run import fetch

    script = "exec nc -ll -p 80 -e echo hello"
    nets("run", "-d", "--name", "web", "-p", "80", "busybox", "sh", "-c", script)
    port = int(nets("port", "web", "80/tcp").stdout.splitlines()[0].rpartition(":")[2])
    eventually(lambda: fetch("127.0.0.1", port) == "hello\n", "it answers")
    nets("network", "connect", "one", "web")
    nets("network", "disconnect", "bridge", "web")
    for address in ("127.0.0.1", "::1"):
        eventually(lambda address=address: fetch(address, port) == "hello\n", f"it answers on {address}")  # type: ignore[misc]


def test_stopped_and_created_containers_start_where_they_were_put(nets: Wherry) -> None:
    nets("create", "--name", "web", "--network", "one", "busybox", "sleep", "1000")
    nets("network", "connect", "--ip6", "fd66:2::9", "two", "web")
    nets("network", "disconnect", "one", "web")
    said = nets("network", "disconnect", "one", "web", code=1).stderr
    assert "is not connected to the network one" in said
    nets("start", "web")
    assert addresses(nets, "web") == {"eth0": ["10.66.2.2", "fd66:2::9"]}
    nets("stop", "-t", "0", "web")
    nets("network", "connect", "inner", "web")
    nets("network", "rm", "one")
    nets("network", "create", "--subnet", "10.66.1.0/24", "one")
    nets("start", "web")
    assert addresses(nets, "web") == {"eth0": ["10.66.2.2", "fd66:2::9"], "eth1": ["10.66.3.2"]} or addresses(
        nets, "web"
    ) == {"eth0": ["10.66.2.3", "fd66:2::9"], "eth1": ["10.66.3.2"]}


def test_several_networks_at_run(nets: Wherry) -> None:
    first = "name=two,alias=x,ip=10.66.2.20,ip6=fd66:2::20"
    sleep(nets, "web", "--network", first, "--network", "name=one,ip=10.66.1.20,mac-address=02:42:aa:bb:cc:dd")
    assert addresses(nets, "web") == {"eth0": ["10.66.2.20", "fd66:2::20"], "eth1": ["10.66.1.20"]}
    assert networks(nets, "web")["one"]["MacAddress"] == "02:42:aa:bb:cc:dd"
    for peer in ("one", "two"):
        assert nets("run", "--rm", "--network", peer, "busybox", "ping", "-c", "1", "-W", "2", "web").returncode == 0
    assert nets("run", "--rm", "--network", "two", "busybox", "nslookup", "x").stdout.count("10.66.2.20") == 1
    assert "NXDOMAIN" in nets("run", "--rm", "--network", "one", "busybox", "nslookup", "x", code=1).stdout


def test_networks_stay_apart_though_a_container_is_on_both(nets: Wherry) -> None:
    sleep(nets, "both", "--network", "one", "--network", "two")
    sleep(nets, "db", "--network", "two")
    where = networks(nets, "db")["two"]["IPAddress"]
    nets("run", "--rm", "--network", "one", "busybox", "ping", "-c", "1", "-W", "1", where, code=1)
    nets("run", "--rm", "--network", "inner", "busybox", "ping", "-c", "1", "-W", "1", where, code=1)
    nets("run", "--rm", "--network", "two", "busybox", "ping", "-c", "1", "-W", "2", where)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("connect", "one", "web"), "endpoint with name web already exists in network one"),
        (("connect", "nosuch", "web"), "network nosuch not found"),
        (("connect", "one", "nosuch"), "No such container: nosuch"),
        (("connect", "host", "web"), "cannot be disconnected from host network or connected to host network"),
        (("connect", "none", "web"), "one of the networks in private (none) mode"),
        (("connect", "--ip", "10.99.0.1", "two", "web"), "no configured subnet or ip-range contain the IP address"),
        (("connect", "--ip", "foo", "two", "web"), "invalid IPv4 address: foo"),
        (("connect", "--alias", "x", "bridge", "web"), "network-scoped alias is supported only for containers in user"),
        (("disconnect", "two", "web"), "is not connected to network two"),
        (("disconnect", "nosuch", "web"), "network nosuch not found"),
        (("disconnect", "-f", "one", "nosuch"), "endpoint nosuch not found"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(nets: Wherry, words: tuple[str, ...], complaint: str) -> None:
    sleep(nets, "web", "--network", "one")
    assert complaint in nets("network", *words, code=1).stderr
    assert addresses(nets, "web") == {"eth0": ["10.66.1.2"]}
    assert list(networks(nets, "web")) == ["one"]


def test_modes_without_networks_can_not_be_connected(nets: Wherry) -> None:
    sleep(nets, "web")
    sleep(nets, "host", "--network", "host")
    sleep(nets, "shares", "--network", "container:web")
    sleep(nets, "alone", "--network", "none")
    for name in ("host", "shares"):
        assert (
            "sharing network namespace with another container" in nets("network", "connect", "one", name, code=1).stderr
        )
    assert "private (none) mode" in nets("network", "connect", "one", "alone", code=1).stderr
    nets("network", "disconnect", "none", "alone")
    nets("network", "connect", "one", "alone")
    assert addresses(nets, "alone") == {"eth0": ["10.66.1.2"]}


def test_a_command_that_is_killed_leaves_a_container_on_its_networks_and_nothing_else(nets: Wherry) -> None:
    chance = random.Random(5)
    sleep(nets, "web", "--network", "one")
    for number in range(12):
        verb = "disconnect" if "two" in networks(nets, "web") and number % 2 else "connect"
        child = nets.spawn("network", verb, "two", "web", start_new_session=True)
        time.sleep(0.05 + chance.random() * 0.2)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        nets("ps")
        eventually(lambda: _agree(nets), f"rows, links and interfaces agree after {verb}")
        nets("exec", "web", "ping", "-c", "1", "-W", "2", "10.66.1.1")
    nets("network", "disconnect", "two", "web", code=None)
    nets("network", "connect", "two", "web")
    assert len(addresses(nets, "web")) == 2


def _agree(wherry: Wherry) -> bool:
    """What is inspected is what the container has, and the host has a link for each."""
    wherry("ps")
    inside = sorted(text for texts in addresses(wherry, "web").values() for text in texts if ":" not in text)
    said = sorted(one["IPAddress"] for one in networks(wherry, "web").values() if one["IPAddress"])
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    return inside == said and links.count(f"wv{wherry.paths.tag}-") == len(inside)


def test_three_hundred_networks_have_pools_of_their_own(wherry: Wherry) -> None:
    with wherry.engine() as engine:
        from wherry.network.model import Network

        try:
            for number in range(300):
                engine.networks.create(Network("", f"many{number}", 0, "", "", ""))
            subnets = {one.subnet for one in engine.networks.all() if one.name.startswith("many")}
            assert len(subnets) == 300
            assert wherry("run", "--rm", "--network", "many299", "busybox", "ip", "route").stdout.startswith("default")
        finally:
            engine.networks.prune(lambda one: one.name.startswith("many"))
