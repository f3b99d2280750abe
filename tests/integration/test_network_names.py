"""Names on networks that the user made, as programs in containers ask for them."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.integration.container_lab import Wherry, eventually
from wherry.runtime.monitor_dns_wire import A, answer, failure, parse

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")
UPSTREAM = "127.0.0.79"


@pytest.fixture
def team(wherry: Wherry) -> Iterator[Wherry]:
    wherry("network", "create", "--subnet", "10.67.0.0/24", "team")
    yield wherry
    wherry.remove_all()
    wherry("network", "rm", "team")


class Upstream:
    """A name server on the host's loopback: it knows far.example, by UDP and by TCP."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((UPSTREAM, 53))
        self._tcp = socket.create_server((UPSTREAM, 53))
        self._over = False
        self._threads = [threading.Thread(target=one) for one in (self._datagrams, self._streams)]
        for thread in self._threads:
            thread.start()

    def _reply(self, data: bytes, way: str) -> bytes:
        question = parse(data)
        assert question
        self.asked.append(f"{way} {question.name}")
        if question.name != "far.example":
            return failure(question, 3)
        return answer(question, [bytes([192, 0, 2, 7])] if question.kind == A else [])

    def _datagrams(self) -> None:
        while True:
            data, client = self._udp.recvfrom(4096)
            if self._over:
                return
            self._udp.sendto(self._reply(data, "udp"), client)

    def _streams(self) -> None:
        while True:
            client, _ = self._tcp.accept()
            with client:
                if self._over:
                    return
                size = int.from_bytes(client.recv(2, socket.MSG_WAITALL), "big")
                data = self._reply(client.recv(size, socket.MSG_WAITALL), "tcp")
                client.sendall(len(data).to_bytes(2, "big") + data)

    def close(self) -> None:
        self._over = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"end", (UPSTREAM, 53))
        socket.create_connection((UPSTREAM, 53)).close()
        for thread in self._threads:
            thread.join()
        self._udp.close()
        self._tcp.close()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


def sleep(wherry: Wherry, name: str, *options: str) -> None:
    wherry("run", "-d", "--name", name, *options, "busybox", "sleep", "1000")


def looked_up(wherry: Wherry, box: str, name: str) -> list[str]:
    out = wherry("exec", box, "nslookup", "-type=a", name, code=None).stdout
    return [line.split()[1] for line in out.splitlines() if line.startswith("Address: ")]


def test_several_with_one_alias_take_turns(team: Wherry) -> None:
    sleep(team, "client", "--network", "team")
    for number in (1, 2, 3):
        sleep(team, f"web{number}", "--network", "team", "--network-alias", "web")
    answers = [looked_up(team, "client", "web") for _ in range(6)]
    assert all(sorted(one) == ["10.67.0.3", "10.67.0.4", "10.67.0.5"] for one in answers)
    assert {one[0] for one in answers} == {"10.67.0.3", "10.67.0.4", "10.67.0.5"}
    team("rm", "-f", "web2")
    assert sorted(looked_up(team, "client", "web")) == ["10.67.0.3", "10.67.0.5"]
    team("rename", "web3", "other")
    assert looked_up(team, "client", "web3") == []
    assert looked_up(team, "client", "other") == looked_up(team, "client", "other.team") == ["10.67.0.5"]


def test_what_is_no_peer_is_asked_of_the_servers_by_udp_and_by_tcp(team: Wherry, upstream: Upstream) -> None:
    sleep(team, "client", "--network", "team", "--dns", "127.0.0.80", "--dns", UPSTREAM, "--dns-search", "a.example")
    assert looked_up(team, "client", "far.example") == ["192.0.2.7"]
    assert "udp far.example" in upstream.asked
    assert looked_up(team, "client", "client.team") == ["10.67.0.2"]
    assert "udp client.team" not in upstream.asked, "nobody else learns the names of peers"
    found = _over_tcp(team.pid("client"), b"\0\x1d" + _query("far.example"))
    assert found.endswith(bytes([192, 0, 2, 7]))
    assert "tcp far.example" in upstream.asked
    assert "search a.example" in team("exec", "client", "cat", "/etc/resolv.conf").stdout


def _query(name: str) -> bytes:
    labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split("."))
    return b"id\1\0\0\1" + bytes(6) + labels + b"\0\0\1\0\1"


def _over_tcp(pid: int, data: bytes) -> bytes:
    """What 127.0.0.11 answers in the network of that process."""
    import subprocess
    import sys

    script = (
        "import socket,sys; s=socket.create_connection(('127.0.0.11',53),5); s.sendall(sys.stdin.buffer.read());"
        "n=int.from_bytes(s.recv(2,socket.MSG_WAITALL),'big'); sys.stdout.buffer.write(s.recv(n,socket.MSG_WAITALL))"
    )
    argv = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-I", "-c", script]
    return subprocess.run(argv, input=data, capture_output=True, check=True, timeout=20).stdout


def test_a_container_without_a_way_out_asks_nobody(team: Wherry, upstream: Upstream) -> None:
    team("network", "create", "--internal", "inner")
    try:
        sleep(team, "client", "--network", "inner", "--dns", UPSTREAM)
        sleep(team, "peer", "--network", "inner")
        assert looked_up(team, "client", "peer")
        assert looked_up(team, "client", "far.example") == []
        assert upstream.asked == []
        team("network", "connect", "team", "client")
        assert looked_up(team, "client", "far.example") == ["192.0.2.7"], "it has one now"
    finally:
        team.remove_all()
        team("network", "rm", "inner")


def test_a_container_can_serve_names_itself(team: Wherry) -> None:
    """A DNS server of the container's own has port 53 of all its addresses."""
    script = "nc -ll -p 53 -e echo mine & nc -lu -p 53 & exec sleep 1000"
    team("run", "-d", "--name", "dns", "--network", "team", "busybox", "sh", "-c", script)
    sleep(team, "client", "--network", "team")
    assert looked_up(team, "dns", "client") == ["10.67.0.3"]
    assert team("exec", "client", "nc", "-w", "2", "dns", "53").stdout == "mine\n"


def test_names_come_back_when_the_monitor_was_killed(team: Wherry) -> None:
    sleep(team, "client", "--network", "team")
    sleep(team, "db", "--network", "team")
    os.kill(team.monitor_pid("client"), signal.SIGKILL)
    eventually(lambda: looked_up(team, "client", "db") == ["10.67.0.3"], "another monitor answers")


def test_links_of_old_are_lines_and_variables_that_follow_the_other_end(team: Wherry) -> None:
    sleep(team, "db", "--expose", "5432", "-e", "USER_NAME=x")
    ip = team("exec", "db", "hostname", "-i").stdout.strip()
    sleep(team, "web", "--link", "db:store")
    hosts = team("exec", "web", "cat", "/etc/hosts").stdout
    assert [line.split()[1::2] for line in hosts.splitlines() if line.startswith(f"{ip}\t")] == [["store", "db"]]
    env = dict(line.split("=", 1) for line in team("exec", "web", "env").stdout.splitlines())
    assert env["STORE_PORT"] == env["STORE_PORT_5432_TCP"] == f"tcp://{ip}:5432"
    assert (env["STORE_PORT_5432_TCP_ADDR"], env["STORE_PORT_5432_TCP_PORT"]) == (ip, "5432")
    assert (env["STORE_NAME"], env["STORE_ENV_USER_NAME"]) == ("/web/store", "x")
    team("restart", "-t", "0", "db")
    now = team("exec", "db", "hostname", "-i").stdout.strip()
    assert now != ip
    assert f"{now}\tstore " in team("exec", "web", "cat", "/etc/hosts").stdout
    team("stop", "-t", "0", "db")
    said = team("run", "--rm", "--link", "db", "busybox", "true", code=125).stderr
    assert "Cannot link to a non running container: /db AS /" in said
    assert "could not get container for nosuch" in team("run", "--rm", "--link", "nosuch", "busybox", code=125).stderr


def test_a_link_on_a_users_network_is_a_name_for_one_container(team: Wherry) -> None:
    sleep(team, "db", "--network", "team")
    sleep(team, "web", "--network", "team", "--link", "db:store")
    sleep(team, "other", "--network", "team")
    assert looked_up(team, "web", "store") == ["10.67.0.2"]
    assert looked_up(team, "other", "store") == []
    assert "STORE" not in team("exec", "web", "env").stdout


def test_who_shares_a_network_shares_its_names(team: Wherry) -> None:
    sleep(team, "web", "--network", "team", "--hostname", "front")
    sleep(team, "db", "--network", "team")
    shared = team("run", "--rm", "--network", "container:web", "busybox", "sh", "-c", "hostname; nslookup -type=a db")
    assert shared.stdout.startswith("front\n")
    assert "Address: 10.67.0.3" in shared.stdout
