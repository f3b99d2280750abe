from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.errors import Conflict, InputError, NotFound
from wherry.network.address import Pool
from wherry.network.ipam import AddressPlan, free_pool, parse_routes
from wherry.network.model import Join, Network, NetworkRequest, Published
from wherry.store.db import Database

OWNER = (1, 1, "boot")
ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
tun0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0
"""


@pytest.fixture
def plan(tmp_path: Path) -> Iterator[AddressPlan]:
    db = Database(str(tmp_path / "state.db"))
    yield AddressPlan(db, "abc123")
    db.close()


def wanted(name: str, subnet: str = "", gateway: str = "", ip_range: str = "") -> Network:
    return Network("", name, 0, "", subnet, gateway, ip_range)


def take(plan: AddressPlan, name: str, network: Network, *ports: Published, ipv4: str = "") -> str:
    joins = [(network, Join(network.name, ipv4=ipv4))]
    return plan.reserve(name, joins, NetworkRequest(name=name), ports, OWNER)[0].endpoint.address


def test_routes_are_read_without_the_default_one() -> None:
    assert [str(pool) for pool in parse_routes(ROUTES)] == ["192.0.2.0/24", "10.0.0.0/8"]


def test_a_pool_avoids_the_hosts_routes() -> None:
    assert str(free_pool("", [])) == "10.208.0.0/20"
    assert str(free_pool("", parse_routes(ROUTES))) == "172.28.0.0/20"
    with pytest.raises(Conflict, match="no free address pool"):
        free_pool("", [Pool.parse("0.0.0.0/0")])


def test_roots_begin_at_different_pools() -> None:
    assert free_pool("aaaa01", []) != free_pool("aaaa02", [])


def test_hundreds_of_networks_find_a_pool(plan: AddressPlan) -> None:
    pools = [Pool.parse(plan.create(wanted(f"n{i}"), []).subnet) for i in range(300)]
    assert len(set(pools)) == 300


def test_names_of_links_fit_the_kernel(plan: AddressPlan) -> None:
    assert len(plan.bridge(999_999)) <= 15
    assert len(plan.link(2**40)) <= 15


def test_an_address_is_not_given_again_at_once(plan: AddressPlan) -> None:
    network = plan.default([])
    first = take(plan, "a", network)
    plan.drop("a")
    assert take(plan, "b", network) != first


def test_a_small_pool_is_used_to_its_last_address_and_then_again(plan: AddressPlan) -> None:
    network = plan.create(wanted("small", "10.9.9.0/29"), [])
    given = [take(plan, str(i), network) for i in range(5)]
    assert given == [f"10.9.9.{i}" for i in range(2, 7)]
    with pytest.raises(Conflict, match="no free address left"):
        take(plan, "late", network)
    plan.drop("3")
    assert take(plan, "late", network) == "10.9.9.5"


def test_a_range_bounds_what_is_chosen_but_not_what_is_asked_for(plan: AddressPlan) -> None:
    network = plan.create(wanted("r", "10.9.9.0/24", "10.9.9.1", "10.9.9.128/30"), [])
    assert {take(plan, str(i), network) for i in range(4)} == {f"10.9.9.{i}" for i in range(128, 132)}
    assert take(plan, "asked", network, ipv4="10.9.9.7") == "10.9.9.7"
    with pytest.raises(Conflict, match="Address already in use"):
        take(plan, "again", network, ipv4="10.9.9.7")
    with pytest.raises(InputError, match="no configured subnet or ip-range contain the IP address"):
        take(plan, "out", network, ipv4="10.9.8.7")


def test_the_unused_default_network_moves_away_from_a_new_route(plan: AddressPlan) -> None:
    network = plan.default([])
    assert plan.default([]).id == network.id
    moved = plan.default([Pool.parse(network.subnet)])
    assert moved.id == network.id
    assert moved.subnet != network.subnet
    take(plan, "a", moved)
    assert plan.default([Pool.parse(moved.subnet)]) == moved, "not while somebody is on it"


def test_a_network_that_overlaps_is_refused(plan: AddressPlan) -> None:
    plan.create(wanted("a", "10.9.0.0/16"), [])
    for subnet, routes in (("10.9.9.0/24", []), ("10.8.0.0/24", [Pool.parse("10.8.0.0/16")])):
        with pytest.raises(Conflict, match="overlaps with other one on this address space"):
            plan.create(wanted("b", subnet), routes)
    with pytest.raises(Conflict, match="network with name a already exists"):
        plan.create(wanted("a"), [])


def test_a_network_is_found_by_name_id_and_prefix(plan: AddressPlan) -> None:
    network = plan.create(wanted("backend"), [])
    assert plan.network("backend") == plan.network(network.id) == plan.network(network.id[:6]) == network
    with pytest.raises(NotFound) as caught:
        plan.network("backnd")
    assert caught.value.hint == "did you mean backend?"


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [("", "", True), ("", "127.0.0.1", True), ("127.0.0.1", "", True), ("127.0.0.1", "10.0.0.1", False)],
)
def test_a_port_belongs_to_one_container_on_each_address(
    plan: AddressPlan, first: str, second: str, clash: bool
) -> None:
    network = plan.default([])
    take(plan, "one", network, Published(80, "tcp", first, 8000))
    take(plan, "udp", network, Published(80, "udp", first, 8000))
    late = Published(80, "tcp", second, 8000)
    if not clash:
        take(plan, "two", network, late)
        return
    with pytest.raises(Conflict, match="8000 failed: port is already allocated by container one"):
        take(plan, "two", network, late)
    assert plan.endpoint("two") is None
    plan.drop("one")
    take(plan, "two", network, late)


def test_racing_threads_get_different_addresses(tmp_path: Path) -> None:
    db = Database(str(tmp_path / "state.db"))
    plan = AddressPlan(db, "")
    network = plan.default([])
    found: list[str] = []
    threads = [threading.Thread(target=lambda i=i: found.append(take(plan, str(i), network))) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 16
    db.close()
