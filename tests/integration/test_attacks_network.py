"""What a container with NET_RAW might try on its network, and a neighbour of the host.

`both` shows that it fails, and that it is our rule that it fails by: without it the attack succeeds.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.integration.network_lab import HOST, PROGRAMS, Box, Lab, ask, lab, run, settled
from wherry.errors import Conflict
from wherry.network.address import mac_of
from wherry.network.model import Attachment, Network, NetworkRequest, PortMapping

__all__ = ["lab"]
pytestmark = pytest.mark.requires("root", "ip", "nft")


class Listener:
    """A program that hears datagrams: in a box, or on the host itself."""

    def __init__(self, address: str, port: int, box: Box | None = None) -> None:
        inside = ["nsenter", f"--net=/proc/{box.pid}/ns/net"] if box else []
        argv = [*inside, sys.executable, "-I", str(PROGRAMS / "hear.py"), address, str(port)]
        self._program = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self._program.stdout
        assert self._program.stdout.readline() == "ready\n"
        self._heard: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._program.stdout
        for line in self._program.stdout:
            self._heard.append(line.strip())

    def hears(self, text: str) -> bool:
        return settled(lambda: any(text in line for line in self._heard), timeout_s=1)

    def stop(self) -> None:
        self._program.kill()
        self._program.wait()
        self._reader.join()
        assert self._program.stdout
        self._program.stdout.close()


def send(box: Box, *argv: str) -> None:
    """A frame out of that container."""
    run("nsenter", f"--net=/proc/{box.pid}/ns/net", sys.executable, "-I", str(PROGRAMS / "frame.py"), *argv)


def address(attachment: Attachment) -> str:
    assert attachment.endpoint
    return attachment.endpoint.address


def mac(attachment: Attachment) -> str:
    assert attachment.endpoint
    return attachment.endpoint.mac


def gateway(attachment: Attachment) -> str:
    assert attachment.network
    return attachment.network.gateway


def expose(lab: Lab, family: str, chain: str) -> None:
    run("nft", "flush", "chain", family, f"wherry_{lab.paths.tag}", chain)


def neighbour(box: Box, of: str) -> str:
    """The MAC that a container believes an address has."""
    words = run("ip", "neigh", "show", of, netns=box.pid).split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else ""


def both(attack: Callable[[], bool], expose: Callable[[], None]) -> None:
    """It fails, and it is our rule that it fails by."""
    assert not attack()
    expose()
    assert attack(), "the attack does not even work without the rule: this test shows nothing"


def test_a_container_can_not_pass_for_the_hosts_loopback(lab: Lab) -> None:
    box, attachment = lab.box(PortMapping(80, "tcp", "", 8000))
    heard = Listener("0.0.0.0", 5000)

    def attack() -> bool:
        bridge = mac_of(gateway(attachment))
        send(box, "udp", bridge, mac(attachment), "127.0.0.1", gateway(attachment), "5000", "as root")
        return heard.hears("127.0.0.1 as root")

    assert attachment.endpoint
    # The kernel has a check of its own, which some switch off for VPNs and load balancers
    run("sysctl", "-qw", f"net.ipv4.conf.{attachment.endpoint.bridge}.accept_local=1")
    both(attack, lambda: expose(lab, "inet", "guard"))
    heard.stop()


def test_a_container_can_not_take_a_neighbours_traffic_by_arp(lab: Lab) -> None:
    victim, at = lab.box()
    server, wanted = lab.box()
    thief, own = lab.box()
    server.serve(80)
    assert ask(address(wanted), 80, netns=victim.pid)

    def attack(claimed: str) -> bool:
        send(thief, "arp", mac(at), mac(own), claimed, address(at))
        return settled(lambda: neighbour(victim, claimed) == mac(own), timeout_s=0.5)

    assert not attack(gateway(at))
    both(lambda: attack(address(wanted)), lambda: expose(lab, "bridge", "port"))


def test_a_container_can_not_send_under_a_neighbours_address(lab: Lab) -> None:
    victim, at = lab.box()
    _, wanted = lab.box()
    thief, own = lab.box()
    heard = Listener("0.0.0.0", 5000, victim)

    def attack() -> bool:
        send(thief, "udp", mac(at), mac(own), address(wanted), address(at), "5000", "forged")
        return heard.hears(f"{address(wanted)} forged")

    both(attack, lambda: expose(lab, "bridge", "port"))
    heard.stop()


def test_a_container_can_not_draw_a_neighbours_frames_by_its_mac(lab: Lab) -> None:
    victim, at = lab.box()
    server, wanted = lab.box()
    thief, own = lab.box()
    server.serve(80)
    assert ask(address(wanted), 80, netns=victim.pid)
    assert own.endpoint

    def attack() -> bool:
        send(thief, "udp", mac(at), mac(wanted), address(own), address(at), "9", "here I am")
        lines = [line for line in run("bridge", "fdb", "show").splitlines() if line.startswith(mac(wanted))]
        return any(f"dev {own.endpoint and own.endpoint.link} " in line for line in lines)

    both(attack, lambda: expose(lab, "bridge", "port"))


def test_an_address_that_is_nobodys_may_be_used(lab: Lab) -> None:
    """Virtual addresses, nested containers, VPN routers."""
    peer, _ = lab.box()
    box, own = lab.box()
    assert own.endpoint
    extra = own.endpoint.address.rpartition(".")[0] + ".250"
    run("ip", "addr", "add", f"{extra}/{own.endpoint.prefix}", "dev", "eth0", netns=box.pid)
    box.start(str(PROGRAMS / "echo.py"), "tcp", extra, "80")
    assert ask(extra, 80, netns=peer.pid).endswith("80:hello")


def advertised(pid: int) -> bool:
    return settled(lambda: "fe80::bad" in run("ip", "-6", "route", netns=pid), timeout_s=1)


def test_a_container_can_not_pass_for_an_ipv6_router(lab: Lab) -> None:
    """CVE-2020-10749. Twice kept off: the frame is dropped, and nobody would listen."""
    lab.networks.create(Network("", "six", 0, "", "", "", ipv6=True))
    victim, _ = lab.box(network="six")
    thief, own = lab.box(network="six")
    run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=2", netns=victim.pid)

    def attack() -> bool:
        send(thief, "ra", mac(own), "fd00:bad::")
        return advertised(victim.pid)

    both(attack, lambda: expose(lab, "bridge", "port"))
    assert "fe80::bad" not in run("ip", "-6", "route"), "the host itself does not listen"


def test_containers_do_not_listen_to_ipv6_routers(lab: Lab) -> None:
    lab.networks.create(Network("", "six", 0, "", "", "", ipv6=True))
    for network in ("bridge", "six"):
        attachment = lab.networks.reserve("e" * 64, NetworkRequest(network))
        box = Box()
        lab.boxes.append(box)
        for name, value in lab.networks.sysctls(attachment).items():
            run("sysctl", "-qw", f"{name}={value}", netns=box.pid)
        lab.networks.plumb(attachment, box.pid)
        thief, own = lab.box(network=network)
        expose(lab, "bridge", "port")
        send(thief, "ra", mac(own), "fd00:bad::")
        assert not advertised(box.pid)
        assert ("inet6" in run("ip", "addr", "show", "eth0", netns=box.pid)) == (network == "six")
        box.kill()
        lab.networks.release("e" * 64)


def test_a_container_can_not_take_a_neighbours_ipv6_address(lab: Lab) -> None:
    lab.networks.create(Network("", "six", 0, "", "", "", ipv6=True))
    victim, _ = lab.box(network="six")
    _, wanted = lab.box(network="six")
    thief, own = lab.box(network="six")
    assert wanted.endpoint
    target = wanted.endpoint.address6
    ask(target, 80, netns=victim.pid)
    assert settled(lambda: neighbour(victim, target) == mac(wanted))

    def attack() -> bool:
        send(thief, "na", mac(own), target)
        return settled(lambda: neighbour(victim, target) == mac(own), timeout_s=0.5)

    both(attack, lambda: expose(lab, "bridge", "port"))


def test_networks_with_ipv6_are_isolated_too(lab: Lab) -> None:
    for name in ("one", "two"):
        lab.networks.create(Network("", name, 0, "", "", "", ipv6=True))
    server, at = lab.box(network="one")
    peer, _ = lab.box(network="one")
    other, _ = lab.box(network="two")
    assert at.endpoint
    server.start("-c", _ECHO6, at.endpoint.address6, "80")
    assert ask(at.endpoint.address6, 80, netns=peer.pid) == "six"

    def attack() -> bool:
        return ask(at.endpoint.address6 if at.endpoint else "", 80, netns=other.pid) == "six"

    both(attack, lambda: expose(lab, "inet", "forward"))


_ECHO6 = """
import socket, sys
server = socket.create_server((sys.argv[1], int(sys.argv[2])), family=socket.AF_INET6)
print("ready", flush=True)
while True:
    with server.accept()[0] as client:
        # All of it: with bytes unread, closing would be a reset
        while client.recv(4096):
            pass
        client.sendall(b"six")
"""


def test_a_port_published_on_loopback_is_not_there_for_a_neighbour_with_a_route(lab: Lab) -> None:
    """The neighbour sends packets to 127.0.0.1 over the wire (CVE-2020-8558)."""
    box, _ = lab.box(PortMapping(80, "tcp", "127.0.0.1", 8000))
    box.serve(80)
    run("sysctl", "-qw", "net.ipv4.conf.up0.route_localnet=1")
    run("sysctl", "-qw", "net.ipv4.conf.eth0.route_localnet=1", "net.ipv4.conf.all.route_localnet=1", netns=lab.outside)
    run("ip", "addr", "del", "127.0.0.1/8", "dev", "lo", netns=lab.outside)
    run("ip", "route", "add", "127.0.0.1/32", "via", HOST, "dev", "eth0", netns=lab.outside)
    assert ask("127.0.0.1", 8000).endswith("80:hello")
    assert ask("127.0.0.1", 8000, netns=lab.outside) == ""
    assert ask(HOST, 8000, netns=lab.outside) == ""


def test_one_port_goes_to_one_of_many_that_race_for_it(lab: Lab) -> None:
    won: list[Attachment] = []
    lost: list[str] = []
    start = threading.Barrier(8)

    def race(number: int) -> None:
        start.wait()
        try:
            won.append(
                lab.networks.reserve(f"{number:02x}" * 32, NetworkRequest(ports=(PortMapping(80, "tcp", "", 8000),)))
            )
        except Conflict as fault:
            lost.append(fault.message)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)
    assert all("8000" in message for message in lost)
    for attachment in won:
        lab.networks.close_listeners(attachment)
        lab.networks.release(attachment.container_id)


def test_containers_that_must_not_talk_do_not(lab: Lab) -> None:
    options = {"com.docker.network.bridge.enable_icc": "false"}
    lab.networks.create(Network("", "shut", 0, "", "", "", options=options))
    server, at = lab.box(network="shut")
    other, own = lab.box(network="shut")
    server.serve(80)
    assert ask(address(at), 80).endswith("80:hello"), "the host may"
    assert ask(address(at), 80, netns=other.pid) == ""
    run("ip", "route", "add", f"{address(at)}/32", "via", gateway(own), netns=other.pid)
    assert ask(address(at), 80, netns=other.pid) == "", "nor by way of the gateway"


def test_the_rules_hold_while_containers_come_and_go(lab: Lab) -> None:
    victim, at = lab.box()
    thief, own = lab.box()
    for _ in range(3):
        server, wanted = lab.box()
        server.serve(80)
        assert ask(address(wanted), 80, netns=victim.pid)
        send(thief, "arp", mac(at), mac(own), address(wanted), address(at))
        time.sleep(0.05)
        assert neighbour(victim, address(wanted)) == mac(wanted)
        server.kill()
        lab.networks.release(wanted.container_id)
    with suppress(AssertionError):
        run("ip", "neigh", "flush", "all", netns=victim.pid)
