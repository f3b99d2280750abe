"""Containers reach the world, and not each other's networks; nothing is left when they end, however they end."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.integration.network_lab import HOST, OUTSIDE, PROGRAMS, Box, Lab, ask, lab, run, settled
from wherry.errors import Conflict, NotFound, RuntimeFailure
from wherry.network.model import Network, NetworkRequest, PortMapping
from wherry.runtime.monitor_dns_names import Names
from wherry.runtime.monitor_dns_wire import A, Question

__all__ = ["lab"]
pytestmark = pytest.mark.requires("root", "ip", "nft")


def user_network(lab: Lab, name: str, *, internal: bool = False) -> Network:
    return lab.networks.create(Network("", name, 0, "", "", "", internal=internal))


def test_a_container_reaches_the_world_under_the_hosts_address(lab: Lab) -> None:
    lab.world.serve(7000)
    box, _ = lab.box()
    assert ask(OUTSIDE, 7000, netns=box.pid) == f"{HOST} 7000:hello"


def test_containers_on_one_network_reach_each_other(lab: Lab) -> None:
    one, attachment = lab.box()
    one.serve(80)
    other, second = lab.box()
    assert attachment.endpoint
    assert second.endpoint
    assert ask(attachment.endpoint.address, 80, netns=other.pid) == f"{second.endpoint.address} 80:hello"


def test_networks_are_isolated_from_each_other_and_from_outside(lab: Lab) -> None:
    user_network(lab, "back")
    one, attachment = lab.box(PortMapping(81, "tcp", "", 8000), network="back")
    one.serve(80)
    one.serve(81)
    other, _ = lab.box()
    assert attachment.endpoint
    where = attachment.endpoint.address
    run("ip", "route", "add", f"{where}/32", "via", HOST, netns=lab.outside)
    assert ask(where, 80, netns=other.pid) == ""
    assert ask(where, 80, netns=lab.outside) == ""
    assert ask(where, 80).endswith("80:hello"), "the host itself may"
    assert ask(HOST, 8000, netns=other.pid).endswith("81:hello"), "a published port is for all"


def test_an_internal_network_has_no_way_out(lab: Lab) -> None:
    lab.world.serve(7000)
    user_network(lab, "inner", internal=True)
    box, attachment = lab.box(network="inner")
    peer, _ = lab.box(network="inner")
    box.serve(80)
    assert attachment.endpoint
    assert ask(attachment.endpoint.address, 80, netns=peer.pid).endswith("80:hello")
    assert ask(OUTSIDE, 7000, netns=box.pid) == ""
    run("ip", "route", "add", "default", "via", str(attachment.network and attachment.network.gateway), netns=box.pid)
    assert ask(OUTSIDE, 7000, netns=box.pid) == "", "also when it adds the route itself"


_FORWARD = "{ type filter hook forward priority filter; policy drop; }"
FIREWALLS = {
    "ufw": f"add table ip filter; add chain ip filter FORWARD {_FORWARD}",
    "docker": f"add table ip filter; add chain ip filter FORWARD {_FORWARD}; add chain ip filter DOCKER-USER;"
    "add rule ip filter DOCKER-USER return; add rule ip filter FORWARD jump DOCKER-USER",
    "nftables.conf": f"add table inet site; add chain inet site passing {_FORWARD}",
}


@pytest.mark.parametrize("firewall", FIREWALLS)
def test_a_firewall_that_drops_forwarded_packets_is_passed_and_left_as_it_was(lab: Lab, firewall: str) -> None:
    run("nft", FIREWALLS[firewall])
    lab.rules = run("nft", "list", "ruleset")
    lab.world.serve(7000)
    box, attachment = lab.box(PortMapping(80, "tcp", "", 8000))
    box.serve(80)
    assert ask(OUTSIDE, 7000, netns=box.pid) == f"{HOST} 7000:hello"
    assert ask(HOST, 8000, netns=lab.outside) == f"{OUTSIDE} 80:hello"
    box.kill()
    lab.networks.release(attachment.container_id)
    assert settled(lambda: not lab.leftovers()), lab.leftovers()


def test_dockers_networks_stay_closed_to_ours(lab: Lab) -> None:
    run("nft", FIREWALLS["docker"])
    lab.rules = run("nft", "list", "ruleset")
    docker = Box()
    lab.boxes.append(docker)
    run("ip", "link", "add", "docker0", "type", "veth", "peer", "name", "eth0", "netns", str(docker.pid))
    for device, where, netns in (("docker0", "172.17.0.1/16", 0), ("eth0", "172.17.0.2/16", docker.pid)):
        run("ip", "addr", "add", where, "dev", device, netns=netns)
        run("ip", "link", "set", device, "up", netns=netns)
    run("ip", "route", "add", "default", "via", "172.17.0.1", netns=docker.pid)
    docker.serve(80)
    box, _ = lab.box()
    assert ask("172.17.0.2", 80).endswith("80:hello")
    assert ask("172.17.0.2", 80, netns=box.pid) == ""


def test_rules_that_a_firewall_flushed_come_back_with_the_next_container(lab: Lab) -> None:
    first, _ = lab.box(PortMapping(80, "tcp", "", 8000))
    first.serve(80)
    lab.world.serve(7000)
    run("nft", "flush", "ruleset")
    second, _ = lab.box()
    assert ask(OUTSIDE, 7000, netns=second.pid) == f"{HOST} 7000:hello"
    assert ask(HOST, 8000, netns=lab.outside).endswith("80:hello")


def test_names_of_peers_follow_who_is_there(lab: Lab, tmp_path: Path) -> None:
    user_network(lab, "team")
    path = str(tmp_path / "names")
    _, first = lab.box(network="team", name="db", names=path)
    box, second = lab.box(network="team", name="api")
    known = Names(path)

    def found(name: str) -> list[str] | None:
        records = known.find(Question(b"id", name, A, b"", 512, 0))
        return None if records is None else [socket.inet_ntoa(one) for one in records]

    assert first.endpoint
    assert second.endpoint
    for name in ("api", "api.team"):
        assert found(name) == [second.endpoint.address]
    assert found("db") == [first.endpoint.address], "and itself"
    lab.networks.rename(second.container_id, "web")
    assert found("web") == [second.endpoint.address]
    assert found("api") is None
    box.kill()
    lab.networks.release(second.container_id)
    assert found("web") is None


def test_a_network_in_use_cannot_be_removed(lab: Lab) -> None:
    user_network(lab, "team")
    box, attachment = lab.box(network="team")
    with pytest.raises(Conflict, match="has active endpoints"):
        lab.networks.remove("team")
    assert lab.networks.prune() == ()
    box.kill()
    lab.networks.release(attachment.container_id)
    assert lab.networks.prune() == ("team",)
    with pytest.raises(NotFound, match="network team not found"):
        lab.networks.reserve("f" * 64, NetworkRequest("team"))


def test_the_default_pool_moves_away_from_a_route_that_came_later(lab: Lab) -> None:
    box, attachment = lab.box()
    assert attachment.network
    box.kill()
    lab.networks.release(attachment.container_id)
    assert settled(lambda: not lab.leftovers())
    run("ip", "route", "add", attachment.network.subnet, "via", OUTSIDE)
    _, again = lab.box()
    assert again.network
    assert again.network.subnet != attachment.network.subnet


def test_a_failed_plumbing_leaves_nothing(lab: Lab) -> None:
    attachment = lab.networks.reserve("a" * 64, NetworkRequest(ports=(PortMapping(80, "tcp", "", 8000),)))
    with pytest.raises(RuntimeFailure, match="cannot connect the container"):
        lab.networks.plumb(attachment, 999_999_999)
    lab.networks.close_listeners(attachment)
    assert settled(lambda: not lab.leftovers()), lab.leftovers()


def test_release_does_nothing_the_second_time(lab: Lab) -> None:
    box, attachment = lab.box()
    box.kill()
    for _ in range(3):
        lab.networks.release(attachment.container_id)
    lab.networks.release("0" * 64)


def test_sixteen_at_once_all_get_their_own_address_and_leave_nothing(lab: Lab) -> None:
    faults: list[BaseException] = []
    addresses: list[str] = []

    def live(number: int) -> None:
        box = Box()
        try:
            request = NetworkRequest(ports=(PortMapping(80),))
            attachment = lab.networks.reserve(f"{number:02x}" * 32, request)
            lab.networks.plumb(attachment, box.pid)
            lab.networks.close_listeners(attachment)
            assert attachment.endpoint
            addresses.append(attachment.endpoint.address)
            assert "eth0" in run("ip", "-br", "addr", netns=box.pid)
        except BaseException as fault:
            faults.append(fault)
        finally:
            box.kill()
            lab.networks.release(f"{number:02x}" * 32)

    threads = [threading.Thread(target=live, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert len(set(addresses)) == 16
    assert settled(lambda: not lab.leftovers()), lab.leftovers()


def _group(pgid: int) -> bool:
    """Whether any process of it is left."""
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_command_leaves_nothing_after_the_next_sweep(lab: Lab) -> None:
    chance = random.Random(7)
    for _ in range(12):
        box = Box()
        argv = [sys.executable, str(PROGRAMS / "plumb.py"), lab.paths.root, str(box.pid)]
        child = subprocess.Popen(
            argv, start_new_session=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        )
        time.sleep(0.04 + chance.random() * 0.12)
        with_group = chance.random() < 0.5
        os.killpg(child.pid, signal.SIGKILL) if with_group else child.kill()
        child.wait()
        # What it had started goes on without it, and a link made after the sweep is for the one after that
        assert settled(lambda group=child.pid: not _group(group)), "its ip or nft ends"
        box.kill()
        lab.networks.sweep(lambda _: False)
        assert settled(lambda: not lab.leftovers()), lab.leftovers()


def test_a_sweep_keeps_what_is_alive(lab: Lab) -> None:
    box, attachment = lab.box(PortMapping(80, "tcp", "", 8000))
    box.serve(80)
    lab.networks.sweep(lambda _: False)
    assert ask(HOST, 8000, netns=lab.outside).endswith("80:hello"), "this process, which started it, lives"
    with lab.engine.db.write() as conn:
        conn.execute("UPDATE sandbox SET owner_pid = 999999999")
    lab.networks.sweep(lambda name: name == attachment.container_id)
    assert ask(HOST, 8000, netns=lab.outside).endswith("80:hello")


def test_a_build_step_lives_as_long_as_its_builder(lab: Lab) -> None:
    lab.world.serve(7000)
    box = Box()
    lab.boxes.append(box)
    lab.networks.attach_step("step-1", box.pid)
    assert ask(OUTSIDE, 7000, netns=box.pid) == f"{HOST} 7000:hello"
    lab.networks.sweep(lambda _: False)
    assert lab.networks.of("step-1")
    with lab.engine.db.write() as conn:
        conn.execute("UPDATE sandbox SET owner_pid = 999999999")
    lab.networks.sweep(lambda _: True)
    assert lab.networks.of("step-1") is None


def test_two_roots_share_a_host(lab: Lab, tmp_path: Path) -> None:
    from wherry.engine import Engine
    from wherry.settings import Paths

    one, _ = lab.box(PortMapping(80, "tcp", "", 8000))
    one.serve(80)
    paths = Paths.for_user({}, 0, str(tmp_path / "other"))
    with Engine(lab.engine.settings._replace(paths=paths), lab.engine.host) as engine:
        box = Box()
        request = NetworkRequest(ports=(PortMapping(80, "tcp", "", 8001),))
        attachment = engine.networks.reserve("b" * 64, request)
        engine.networks.plumb(attachment, box.pid)
        engine.networks.close_listeners(attachment)
        box.serve(80)
        assert ask(HOST, 8001, netns=lab.outside).endswith("80:hello")
        with pytest.raises(Conflict, match="address already in use"):
            engine.networks.reserve("c" * 64, NetworkRequest(ports=(PortMapping(80, "tcp", "", 8000),)))
        box.kill()
        engine.networks.release("b" * 64)
    assert settled(lambda: run("ip", "-br", "link").count("wh") == 1)
    assert ask(HOST, 8000, netns=lab.outside).endswith("80:hello")
    os.unlink(f"{paths.run}/network.lock")
    os.rmdir(paths.run)


@pytest.mark.parametrize(("firewall", "who"), [("ufw", "ip filter FORWARD"), ("docker", "docker")])
def test_doctor_says_which_firewall_is_passed(lab: Lab, firewall: str, who: str) -> None:
    from wherry.engine.doctor_network import examine

    assert examine(lab.engine.settings, lab.engine.host) == []
    run("nft", FIREWALLS[firewall])
    lab.rules = run("nft", "list", "ruleset")
    lab.box()
    (found,) = examine(lab.engine.settings, lab.engine.host)
    assert (found.name, found.status, found.purpose) == ("firewall", "ok", who)


def test_doctor_finds_the_bridge_of_a_root_that_was_deleted(lab: Lab) -> None:
    from wherry.engine.doctor_network import examine

    lab.box()
    run("ip", "link", "add", "whabcdef-0", "type", "bridge")
    (found,) = examine(lab.engine.settings, lab.engine.host)
    assert "whabcdef-0" in found.note
    for command in found.hint.split("; "):
        run("sh", "-c", command, check=False)
    assert examine(lab.engine.settings, lab.engine.host) == []


def test_asking_for_rules_of_bridges_changes_nothing() -> None:
    from wherry.host.linux import LinuxHost
    from wherry.network import apply

    before = subprocess.run(["nft", "list", "tables"], capture_output=True, check=True).stdout
    assert apply.takes_bridge_rules(LinuxHost({"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}))
    assert subprocess.run(["nft", "list", "tables"], capture_output=True, check=True).stdout == before
