"""engine.networks without a kernel: modes that need none, docker's shapes, names that can't be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.engine import Engine
from wherry.engine import networks_create as creating
from wherry.engine import networks_show as show
from wherry.errors import Conflict, InputError, NotFound
from wherry.host.fake import FakeHost
from wherry.network.model import FileRequest, Network, NetworkRequest, Published
from wherry.settings import Paths, Settings


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    paths = Paths(str(tmp_path / "root"), str(tmp_path / "run"))
    with Engine(Settings(paths, {}, 0, "/"), FakeHost()) as made:
        yield made


def wanted(name: str, subnet: str = "", gateway: str = "", ip_range: str = "") -> Network:
    return Network("", name, 0, "", subnet, gateway, ip_range)


@pytest.mark.parametrize(
    ("mode", "netns", "joins"), [("none", "own", ""), ("host", "host", ""), ("container:abc", "container", "abc")]
)
def test_modes_without_a_bridge_reserve_nothing(engine: Engine, mode: str, netns: str, joins: str) -> None:
    attachment = engine.networks.reserve("c" * 64, NetworkRequest(mode))
    assert (attachment.netns, attachment.joins, attachment.endpoint) == (netns, joins, None)
    engine.networks.plumb(attachment, 1)
    engine.networks.release("c" * 64)
    assert engine.networks.book.owners() == []
    assert isinstance(engine.host, FakeHost)
    assert engine.host.calls == []


def test_the_hosts_network_has_the_hosts_name_files(engine: Engine) -> None:
    attachment = engine.networks.reserve("c" * 64, NetworkRequest("host"))
    files = engine.networks.files(attachment, FileRequest("web", extra_hosts=("a:1.2.3.4",)))
    assert files.hosts.endswith("1.2.3.4\ta\n")
    assert files.hostname == "web\n"


def test_an_unknown_network_is_refused_before_anything_is_taken(engine: Engine) -> None:
    with pytest.raises(NotFound, match="network nope not found"):
        engine.networks.reserve("c" * 64, NetworkRequest("nope"))


def test_ports_are_shown_for_both_families_and_exposed_ones_without_a_place() -> None:
    published = [Published(80, "tcp", "", 8000), Published(80, "tcp", "127.0.0.1", 8001)]
    assert show.bindings(published, ("80/tcp", "9/udp")) == {
        "80/tcp": [
            {"HostIp": "0.0.0.0", "HostPort": "8000"},
            {"HostIp": "::", "HostPort": "8000"},
            {"HostIp": "127.0.0.1", "HostPort": "8001"},
        ],
        "9/udp": None,
    }


def test_a_container_that_does_not_run_is_on_its_network_with_empty_fields() -> None:
    found = show.settings(None, NetworkRequest("back", aliases=("db",)), ("80/tcp",))
    assert (found["IPAddress"], found["Ports"]) == ("", {})
    assert isinstance(networks := found["Networks"], dict)
    assert (networks["back"]["Aliases"], networks["back"]["IPAddress"]) == (["db"], "")


def test_a_container_that_shares_anothers_network_is_on_none() -> None:
    assert show.settings(None, NetworkRequest("container:abc"), ())["Networks"] == {}


@pytest.mark.parametrize("name", ["bridge", "host", "none", "default"])
def test_predefined_names_are_taken(name: str) -> None:
    with pytest.raises(Conflict, match="predefined"):
        creating.check(wanted(name))


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (wanted("a b"), "invalid network name"),
        (wanted("container:x"), "invalid network name"),
        (wanted("build step"), "invalid network name"),
        (wanted("n", "", "10.0.0.1"), "must have a corresponding subnet"),
        (wanted("n", "10.0.0.0/31"), "has no room"),
        (wanted("n", "10.0.0.0/24", "10.0.1.1"), "no matching subnet for gateway"),
        (wanted("n", "10.0.0.0/24", "", "10.0.1.0/28"), "no matching subnet for range"),
        (wanted("n", "10.0.0.0"), "invalid CIDR address"),
    ],
)
def test_what_makes_no_network_is_refused(network: Network, words: str) -> None:
    with pytest.raises(InputError, match=words):
        creating.check(network)


def test_dockers_three_networks_come_first(engine: Engine) -> None:
    engine.networks.create(wanted("mine", "10.77.0.0/24"))
    assert [one.name for one in engine.networks.all()] == ["bridge", "host", "none", "mine"]
    assert engine.networks.inspect("mine")["IPAM"] == {
        "Driver": "default", "Options": {}, "Config": [{"Subnet": "10.77.0.0/24", "Gateway": "10.77.0.1"}],
    }  # fmt: skip
    assert engine.networks.inspect("none")["Driver"] == "null"
    for name in creating.PREDEFINED:
        with pytest.raises(Conflict, match="pre-defined"):
            engine.networks.remove(name)
    assert engine.networks.prune() == ("mine",)


@pytest.mark.parametrize("mode", ["host", "none", "container:abc"])
def test_an_address_that_nobody_would_look_at_is_refused(engine: Engine, mode: str) -> None:
    with pytest.raises(InputError, match="user specified IP address is supported on user defined networks only"):
        engine.networks.reserve("c" * 64, NetworkRequest(mode, ipv4="10.0.0.9"))
