"""Published ports answer where they should, and nowhere else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.integration.network_lab import HOST, OUTSIDE, PROGRAMS, Lab, ask, lab, run
from wherry.errors import Conflict, InputError
from wherry.network.model import Network, NetworkRequest, PortMapping

__all__ = ["lab"]
pytestmark = pytest.mark.requires("root", "ip", "nft")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_port_answers_on_the_lan_address_and_both_loopbacks(lab: Lab, protocol: str) -> None:
    box, attachment = lab.box(PortMapping(80, protocol, "", 8000))
    box.serve(80, protocol)
    assert ask(HOST, 8000, netns=lab.outside, protocol=protocol) == f"{OUTSIDE} 80:hello"
    assert attachment.network
    assert ask("127.0.0.1", 8000, protocol=protocol) == f"{attachment.network.gateway} 80:hello"
    assert ask(HOST, 8000, protocol=protocol).endswith(" 80:hello")
    assert ask("::1", 8000, protocol=protocol).endswith(" 80:hello")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_containers_reach_published_ports_through_the_hosts_address(lab: Lab, protocol: str) -> None:
    box, attachment = lab.box(PortMapping(80, protocol, "", 8000))
    other, _ = lab.box()
    box.serve(80, protocol)
    assert attachment.network
    for address in (HOST, attachment.network.gateway):
        assert ask(address, 8000, netns=other.pid, protocol=protocol).endswith(" 80:hello")
        assert ask(address, 8000, netns=box.pid, protocol=protocol).endswith(" 80:hello"), "hairpin"


def test_a_port_published_on_loopback_does_not_answer_from_outside(lab: Lab) -> None:
    box, _ = lab.box(PortMapping(80, "tcp", "127.0.0.1", 8000), PortMapping(81, "udp", "127.0.0.1", 8001))
    box.serve(80)
    box.serve(81, "udp")
    assert ask("127.0.0.1", 8000).endswith(" 80:hello")
    assert ask("127.0.0.1", 8001, protocol="udp").endswith(" 81:hello")
    assert ask(HOST, 8000, netns=lab.outside) == ""
    assert ask(HOST, 8001, netns=lab.outside, protocol="udp") == ""
    other, _ = lab.box()
    assert ask(HOST, 8000, netns=other.pid) == ""


def send_loopback_packets_to_the_host(netns: int, host: str = HOST) -> None:
    """As a neighbour who attacks: 127.0.0.1 leaves through the wire."""
    run("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1", netns=netns)
    run("ip", "addr", "del", "127.0.0.1/8", "dev", "lo", netns=netns)
    run("ip", "route", "flush", "table", "local", "dev", "lo", netns=netns, check=False)
    run("ip", "route", "add", "127.0.0.1/32", "via", host, "dev", "eth0", netns=netns)


@pytest.mark.parametrize("host_ip", ["127.0.0.1", ""])
def test_packets_from_a_neighbour_to_127_0_0_1_are_dropped(lab: Lab, host_ip: str) -> None:
    box, _ = lab.box(PortMapping(80, "tcp", host_ip, 8000))
    box.serve(80)
    run("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
    send_loopback_packets_to_the_host(lab.outside)
    assert ask("127.0.0.1", 8000, netns=lab.outside) == ""
    run("nft", "flush", "chain", "inet", f"wherry_{lab.paths.tag}", "guard")
    assert ask("127.0.0.1", 8000, netns=lab.outside).endswith(":hello"), "the attack itself works, without the guard"


def test_a_container_does_not_reach_the_loopback_of_its_host(lab: Lab) -> None:
    """The bridge has route_localnet, which would let it."""
    box, attachment = lab.box()
    assert attachment.network
    argv = [sys.executable, "-I", str(PROGRAMS / "echo.py"), "tcp", "127.0.0.1", "9000"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as server:
        assert server.stdout
        assert server.stdout.readline() == b"ready\n"
        send_loopback_packets_to_the_host(box.pid, attachment.network.gateway)
        assert ask("127.0.0.1", 9000, netns=box.pid) == ""
        run("nft", "flush", "chain", "inet", f"wherry_{lab.paths.tag}", "guard")
        assert ask("127.0.0.1", 9000, netns=box.pid).endswith(":hello"), "the attack itself works, without the guard"
        server.kill()


def test_a_port_published_on_one_address_answers_there_only(lab: Lab) -> None:
    run("ip", "addr", "add", "198.51.100.9/24", "dev", "up0")
    box, _ = lab.box(PortMapping(80, "tcp", "198.51.100.9", 8000))
    box.serve(80)
    assert ask("198.51.100.9", 8000, netns=lab.outside) == f"{OUTSIDE} 80:hello"
    assert ask(HOST, 8000, netns=lab.outside) == ""
    assert ask("127.0.0.1", 8000) == ""


def test_an_ipv6_address_can_be_published_on(lab: Lab) -> None:
    box, _ = lab.box(PortMapping(80, "tcp", "::1", 8000))
    box.serve(80)
    assert ask("::1", 8000).endswith(" 80:hello")
    assert ask("127.0.0.1", 8000) == ""


def test_ports_work_when_ipv6_is_off(lab: Lab) -> None:
    run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
    box, _ = lab.box(PortMapping(80, "tcp", "", 8000), PortMapping(80, "udp", "", 8000))
    box.serve(80)
    box.serve(80, "udp")
    assert ask("127.0.0.1", 8000).endswith(" 80:hello")
    assert ask(HOST, 8000, netns=lab.outside, protocol="udp").endswith(" 80:hello")


def test_large_transfers_through_the_relay_arrive_whole(lab: Lab) -> None:
    box, _ = lab.box(PortMapping(80, "tcp", "", 8000))
    box.serve(80)
    text = "wherry" * 15_000
    assert ask("::1", 8000, text=text).endswith(":" + text)


def test_the_relay_serves_many_connections_at_once(lab: Lab) -> None:
    import socket

    box, _ = lab.box(PortMapping(80, "tcp", "", 8000))
    box.serve(80)
    clients = [socket.create_connection(("::1", 8000), timeout=5) for _ in range(200)]
    for number, client in enumerate(clients):
        client.sendall(b"%d" % number)
        client.shutdown(socket.SHUT_WR)
    for number, client in enumerate(clients):
        with client, client.makefile("rb") as answer:
            assert answer.read().endswith(b":%d" % number)


def test_a_port_that_a_container_has_is_refused_with_its_name(lab: Lab) -> None:
    lab.box(PortMapping(80, "tcp", "", 8000), name="web")
    before = lab.networks.book.owners()
    for wanted in (PortMapping(81, "tcp", "", 8000), PortMapping(81, "tcp", "127.0.0.1", 8000)):
        request = NetworkRequest(name="late", ports=(PortMapping(82, "tcp", "", 9000), wanted))
        with pytest.raises(Conflict, match=r"8000 failed: port is already allocated by container web \(0{12}\)"):
            lab.networks.reserve("f" * 64, request)
    assert lab.networks.book.owners() == before
    lab.box(PortMapping(82, "tcp", "", 9000))


def test_a_port_that_a_program_has_is_refused_with_its_name(lab: Lab) -> None:
    lab.boxes.append(box := type(lab.world)())
    import socket

    with socket.create_server(("127.0.0.1", 8000)):
        request = NetworkRequest(ports=(PortMapping(80, "tcp", "", 8000),))
        with pytest.raises(Conflict, match=r"0.0.0.0:8000: bind: address already in use by \S+ \(pid \d+\)"):
            lab.networks.reserve("f" * 64, request)
    assert box.pid


def test_an_address_that_the_host_has_not_is_refused(lab: Lab) -> None:
    with pytest.raises(InputError, match="no interface of this machine has the address"):
        lab.networks.reserve("f" * 64, NetworkRequest(ports=(PortMapping(80, "tcp", "203.0.113.7", 8000),)))


def test_no_other_program_can_take_a_published_port(lab: Lab) -> None:
    import socket

    lab.box(PortMapping(80, "tcp", "", 8000))
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("0.0.0.0", 8000))


def test_ranges_and_free_ports_are_chosen_one_by_one(lab: Lab) -> None:
    pool = PortMapping(80, "tcp", "", 8000, 8001)
    assert [lab.box(pool)[1].published[0].host_port for _ in range(2)] == [8000, 8001]
    with pytest.raises(Conflict, match="8000-8001 failed: all ports are allocated"):
        lab.networks.reserve("f" * 64, NetworkRequest(ports=(pool,)))
    box, attachment = lab.box(PortMapping(80), PortMapping(80, "udp"))
    box.serve(80)
    assert ask(HOST, attachment.published[0].host_port, netns=lab.outside).endswith(" 80:hello")


def test_a_released_port_is_closed_and_can_be_taken_at_once(lab: Lab) -> None:
    box, attachment = lab.box(PortMapping(80, "tcp", "", 8000))
    box.serve(80)
    assert ask(HOST, 8000)
    box.kill()
    lab.networks.release(attachment.container_id)
    assert ask(HOST, 8000) == ""
    again, _ = lab.box(PortMapping(80, "tcp", "", 8000))
    again.serve(80)
    assert ask(HOST, 8000, netns=lab.outside).endswith(" 80:hello")


def test_sockets_come_back_after_the_monitor_died(lab: Lab) -> None:
    box, attachment = lab.box(PortMapping(80, "tcp", "", 8000), relay=False)
    box.serve(80)
    assert ask("::1", 8000) == ""
    listeners = lab.networks.relisten(attachment.container_id)
    box.relay(listeners)
    lab.networks.close_listeners(attachment._replace(listeners=listeners))
    assert ask("::1", 8000).endswith(" 80:hello")


def test_a_udp_client_that_goes_on_reaches_the_next_container(lab: Lab) -> None:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        for text in (b"first", b"second"):
            box, attachment = lab.box(PortMapping(80, "udp", "", 8000))
            box.serve(80, "udp")
            client.sendto(text, (HOST, 8000))
            assert client.recv(100).endswith(b":" + text)
            box.kill()
            lab.networks.release(attachment.container_id)


def test_a_container_with_ipv6_sees_who_asks_over_ipv6(lab: Lab) -> None:
    lab.networks.create(Network("", "six", 0, "", "", "", ipv6=True))
    for where, device, netns in (("2001:db8::1/64", "up0", 0), ("2001:db8::2/64", "eth0", lab.outside)):
        run("ip", "addr", "add", where, "dev", device, "nodad", netns=netns)
    box, attachment = lab.box(PortMapping(80, "tcp", "", 8000), network="six")
    assert attachment.endpoint
    box.start("-c", _PEER6, attachment.endpoint.address6, "80")
    assert ask("2001:db8::1", 8000, netns=lab.outside) == "2001:db8::2"
    assert ask("2001:db8::1", 8000) == "2001:db8::1"
    run("ip", "route", "add", f"{attachment.endpoint.address6}/128", "via", "2001:db8::1", netns=lab.outside)
    assert ask(attachment.endpoint.address6, 80, netns=lab.outside) == "", "but for its published ports it is shut"


_PEER6 = """
import socket, sys
server = socket.create_server((sys.argv[1], int(sys.argv[2])), family=socket.AF_INET6)
print("ready", flush=True)
while True:
    client, peer = server.accept()
    with client:
        while client.recv(4096):
            pass
        client.sendall(peer[0].encode())
"""
