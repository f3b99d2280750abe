from __future__ import annotations

from wherry.network import plan
from wherry.network.model import Endpoint, Network, Published

NETWORK = Network("id", "bridge", 0, "wherry0", "10.208.0.0/20", "10.208.0.1")
INNER = Network("id2", "inner", 1, "wherry1", "10.208.16.0/20", "10.208.16.1", internal=True)
ENDPOINT = Endpoint("c" * 64, "id", "10.208.0.2", 20, "10.208.0.1", "02:42:0a:d0:00:02", "wv-1", "wherry0")


def test_a_bridge_has_its_own_mac_and_no_ipv6_address() -> None:
    assert plan.bridge_lines(NETWORK, 1400).splitlines() == [
        "link add wherry0 mtu 1400 address 02:42:0a:d0:00:01 type bridge forward_delay 0",
        "link set wherry0 addrgenmode none",
        "addr add 10.208.0.1/20 dev wherry0",
        "link set wherry0 up",
    ]


def test_a_container_gets_address_and_route() -> None:
    assert plan.inside_lines(ENDPOINT).splitlines() == [
        "addr add 10.208.0.2/20 dev eth0",
        "link set eth0 addrgenmode none",
        "link set eth0 up",
        "route add default via 10.208.0.1",
    ]
    assert "route" not in plan.inside_lines(ENDPOINT._replace(gateway=""))
    assert "peer name eth0 mtu 1500 address 02:42:0a:d0:00:02 netns 77" in plan.veth_lines(ENDPOINT, 77, 1500)


def test_ports_on_every_address_and_on_one_go_to_different_maps() -> None:
    publications = [
        (Published(80, "tcp", "", 8000), "10.208.0.2"),
        (Published(81, "udp", "0.0.0.0", 8001), "10.208.0.2"),
        (Published(82, "tcp", "127.0.0.1", 8002), "10.208.0.3"),
        (Published(83, "tcp", "::1", 8003), "10.208.0.3"),
    ]
    rules = plan.ruleset("", [NETWORK, INNER], publications, replace=True)
    assert "elements = { tcp . 8000 : 10.208.0.2 . 80, udp . 8001 : 10.208.0.2 . 81 }" in rules
    assert "elements = { 127.0.0.1 . tcp . 8002 : 10.208.0.3 . 82 }" in rules
    assert "8003" not in rules, "IPv6 is the relay's"
    assert 'set internal { type ifname; elements = { "wherry1" } }' in rules
    added = plan.add_ports("", "wherry0", publications).splitlines()
    assert added[0] == 'add element inet wherry bridges { "wherry0" }'
    assert len(added) == 3


def test_a_new_table_must_not_be_there_and_an_old_one_is_replaced_in_one_transaction() -> None:
    assert plan.ruleset("", [NETWORK], [], replace=False).startswith("create table inet wherry\ntable inet wherry {")
    assert plan.ruleset("ab", [NETWORK], [], replace=True).startswith(
        "add table inet wherry_ab\ndelete table inet wherry_ab\ntable inet wherry_ab {"
    )


def test_roots_do_not_match_each_others_bridges() -> None:
    assert plan.pattern("") == "wherry*"
    assert not "wh0e1d2f-0".startswith(plan.pattern("").rstrip("*"))
    assert plan.pattern("0e1d2f") == "wh0e1d2f-*"


def test_the_passage_through_a_firewall_leaves_dockers_bridges_to_docker() -> None:
    rules = plan.pass_rules("", "ip", "filter", "DOCKER-USER")
    assert rules.index('oifname "docker0" return') < rules.index('iifname "wherry*" accept')
    assert rules.endswith("insert rule ip filter DOCKER-USER jump wherry\n")
