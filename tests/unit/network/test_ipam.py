from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
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


def test_containers_that_run_during_an_upgrade_keep_their_network(tmp_path: Path) -> None:
    """An older version wrote `endpoint` and `published`, and knew of one network only."""
    path = str(tmp_path / "state.db")
    with closing(Database(path)) as db:
        AddressPlan(db, "").create(wanted("back", "10.9.0.0/24"), [])
        with db.write() as conn:
            conn.execute(
                "INSERT INTO endpoint (container_id, network, address, mac, name, hostname, aliases, hosts_path,"
                " owner_pid, owner_start, owner_boot)"
                " VALUES ('c1', 1, '10.9.0.7', 'm', 'web', 'h', '[\"www\"]', '/h', 5, 6, 'b')"
            )
            conn.execute("INSERT INTO published VALUES ('tcp', 8000, '', 'c1', 80)")
            # As a database is that this version has not opened yet
            conn.execute("PRAGMA user_version = 1")
    with closing(Database(path)) as db:
        plan = AddressPlan(db, "")
        (one,) = plan.joined("c1")
        assert (one.endpoint.address, one.endpoint.device, one.aliases) == ("10.9.0.7", "eth0", ("www",))
        assert plan.published("c1") == (Published(80, "tcp", "", 8000),)
        assert [owner[0] for owner in plan.owners()] == ["c1"]
        plan.drop("c1")
    with closing(Database(path)) as db:
        with db.write() as conn:
            conn.execute("PRAGMA user_version = 1")
        db.close()
        assert AddressPlan(db, "").joined("c1") == (), "it is moved once"


def test_a_container_is_on_several_networks_once_each(plan: AddressPlan) -> None:
    one, two = (plan.create(wanted(name, f"10.9.{number}.0/24"), []) for number, name in enumerate(("one", "two")))
    request = NetworkRequest(name="web")
    joined = plan.reserve("c1", [(one, Join("one")), (two, Join("two", ("x",)))], request, [], OWNER)
    assert [(j.endpoint.address, j.endpoint.device) for j in joined] == [("10.9.0.2", "eth0"), ("10.9.1.2", "eth1")]
    with pytest.raises(Conflict, match="endpoint with name web already exists in network two"):
        plan.join("c1", two, Join("two"), "me")
    assert plan.leave("c1", one.number)
    again = plan.join("c1", one, Join("one"), "me")
    assert (again.endpoint.device, plan.unfinished()) == ("eth2", [("c1", one.number, "me")])
    plan.made("c1", one.number)
    assert plan.unfinished() == []
    assert [member.names for member in plan.members(two.number)] == [("web", "x", "c1")]


def test_ports_are_those_of_a_network_with_a_way_out(plan: AddressPlan) -> None:
    inner = plan.create(wanted("inner", "10.9.1.0/24")._replace(internal=True), [])
    outer = plan.create(wanted("outer", "10.9.2.0/24"), [])
    port = Published(80, "tcp", "", 8000)
    plan.reserve("c1", [(inner, Join("inner")), (outer, Join("outer"))], NetworkRequest(), [port], OWNER)
    assert [row[1] for row in plan.publications()] == ["10.9.2.2"]
    plan.leave("c1", outer.number)
    assert [row[1] for row in plan.publications()] == ["10.9.1.2"]
    plan.leave("c1", inner.number)
    assert plan.publications() == []


def test_ipv6_is_given_from_a_pool_of_the_users_or_a_random_one(plan: AddressPlan) -> None:
    chosen = plan.create(wanted("a")._replace(ipv6=True), [])
    assert chosen.subnet6.startswith("fd")
    assert chosen.gateway6 == chosen.subnet6.removesuffix("/64") + "1"
    assert chosen.subnet6 != plan.create(wanted("b")._replace(ipv6=True), []).subnet6
    mine = plan.create(wanted("c")._replace(ipv6=True, subnet6="fd00:9::/64", aux={"x": "fd00:9::2"}), [])
    (one,) = plan.reserve("c1", [(mine, Join("c"))], NetworkRequest(), [], OWNER)
    assert (one.endpoint.address6, one.endpoint.prefix6, one.endpoint.gateway6) == ("fd00:9::3", 64, "fd00:9::1")
    with pytest.raises(Conflict, match="Address already in use"):
        plan.reserve("c2", [(mine, Join("c", ipv6="fd00:9::3"))], NetworkRequest(), [], OWNER)
    assert plan.sandbox("c2") is None, "nothing is kept"
    with pytest.raises(Conflict, match="overlaps"):
        plan.create(wanted("d")._replace(ipv6=True, subnet6="fd00:9::/72"), [])
    kept = plan.create(wanted("e")._replace(subnet6="fd00:8::/64"), [])
    assert kept.pool6 == "", "docker keeps it, and does not use it without --ipv6"


def test_auxiliary_addresses_are_given_to_nobody(plan: AddressPlan) -> None:
    network = plan.create(wanted("a", "10.9.9.0/29")._replace(aux={"x": "10.9.9.1", "y": "10.9.9.3"}), [])
    assert network.gateway == "10.9.9.2"
    assert [take(plan, str(i), network) for i in range(3)] == ["10.9.9.4", "10.9.9.5", "10.9.9.6"]


def test_small_pools_are_cut_when_a_vpn_has_all_the_large_ones(plan: AddressPlan) -> None:
    routes = [Pool.parse("10.0.0.0/8")]
    pools = [Pool.parse(plan.create(wanted(f"n{i}"), routes).subnet) for i in range(300)]
    assert len({str(pool) for pool in pools}) == 300
    assert not any(one.overlaps(other) for at, one in enumerate(pools) for other in pools[:at])
    assert {pool.prefix for pool in pools} == {20, 24, 27}


def test_a_configuration_takes_no_addresses_and_stays_while_it_is_used(plan: AddressPlan) -> None:
    plan.create(wanted("conf", "10.9.0.0/24")._replace(config_only=True), [])
    made = plan.create(wanted("made", "10.9.0.0/24")._replace(config_from="conf"), [])
    with pytest.raises(Conflict, match='configuration network "conf" is in use'):
        plan.remove(plan.network("conf"))
    plan.remove(made)
    plan.remove(plan.network("conf"))


@pytest.mark.parametrize("ipv4", ["", "10.9.0.7"])
def test_a_network_that_goes_while_it_is_joined_is_not_found(plan: AddressPlan, ipv4: str) -> None:
    """It was looked up before; and the number of one that went is given again."""
    gone = plan.create(wanted("gone", "10.9.0.0/24"), [])
    plan.remove(gone)
    with pytest.raises(NotFound, match="network gone not found"):
        take(plan, "box", gone, ipv4=ipv4)
    heir = plan.create(wanted("heir", "10.9.0.0/24"), [])
    assert heir.number == gone.number
    with pytest.raises(NotFound, match="network gone not found"):
        take(plan, "box", gone, ipv4=ipv4)
    assert take(plan, "box", heir, ipv4=ipv4).startswith("10.9.0.")


def test_a_network_that_went_has_no_number_and_nobody_is_on_it(
    plan: AddressPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left and removed by another client between the two looks of `joined`."""
    network = plan.create(wanted("gone", "10.9.0.0/24"), [])
    take(plan, "box", network)
    look = plan.numbered

    def late(number: int) -> Network | None:
        plan.leave("box", number)
        plan.remove(network)
        return look(number)

    monkeypatch.setattr(plan, "numbered", late)
    assert plan.joined("box") == ()
    assert look(network.number) is None
