from __future__ import annotations

from wherry.network import plan, rules
from wherry.network.model import Endpoint, Joined, Network, Published
from wherry.network.rules import Owned, Publication

NETWORK = Network("id", "bridge", 0, "wherry0", "10.208.0.0/20", "10.208.0.1")
INNER = Network("id2", "inner", 1, "wherry1", "10.208.16.0/20", "10.208.16.1", internal=True)
ENDPOINT = Endpoint("c" * 64, "id", "10.208.0.2", 20, "10.208.0.1", "02:42:0a:d0:00:02", "wv-1", "wherry0")
JOINED = Joined(NETWORK, ENDPOINT)


def test_a_bridge_has_its_own_mac_and_no_ipv6_address() -> None:
    assert plan.bridge_lines(NETWORK, 1400).splitlines() == [
        "link add wherry0 mtu 1400 address 02:42:0a:d0:00:01 type bridge forward_delay 0",
        "link set wherry0 addrgenmode none",
        "addr add 10.208.0.1/20 brd + dev wherry0",
        "link set wherry0 up",
    ]


def test_a_container_gets_address_and_route() -> None:
    assert plan.inside_lines([JOINED], JOINED).splitlines() == [
        "addr add 10.208.0.2/20 brd + dev eth0",
        "link set eth0 addrgenmode none",
        "link set eth0 up",
        "route replace default via 10.208.0.1 dev eth0",
    ]
    assert "route" not in plan.inside_lines([JOINED], None)
    assert "peer name eth0 mtu 1500 address 02:42:0a:d0:00:02 netns 77" in plan.veth_lines(JOINED, 77, 1500)


def test_ipv6_addresses_are_used_at_once_and_lead_out() -> None:
    network = NETWORK._replace(ipv6=True, subnet6="fd00:7::/64", gateway6="fd00:7::1")
    six = JOINED._replace(
        network=network, endpoint=ENDPOINT._replace(address6="fd00:7::2", prefix6=64, gateway6="fd00:7::1")
    )
    assert "addr add fd00:7::1/64 dev wherry0 nodad\n" in plan.bridge_lines(network, 1500)
    lines = plan.inside_lines([six], six)
    assert "addr add fd00:7::2/64 dev eth0 nodad\n" in lines
    assert "route replace default via fd00:7::1 dev eth0\n" in lines


def test_a_networks_options_are_told_to_its_links() -> None:
    options = {"com.docker.network.driver.mtu": "1400", "com.docker.network.bridge.enable_icc": "false"}
    network = NETWORK._replace(options=options)
    assert "mtu 1400 " in plan.bridge_lines(network, 1500)
    assert "hairpin on isolated on\n" in plan.veth_lines(JOINED._replace(network=network), 7, 1500)
    assert "isolated" not in plan.veth_lines(JOINED, 7, 1500)


def test_the_way_out_is_dockers_choice_both_families_first_and_then_by_name() -> None:
    def on(name: str, gateway: str = "10.0.0.1", gateway6: str = "") -> Joined:
        return Joined(NETWORK._replace(name=name), ENDPOINT._replace(gateway=gateway, gateway6=gateway6))

    def chosen(*joined: Joined) -> str:
        way = plan.gateway_of(joined)
        return way.network.name if way else ""

    assert chosen(on("b"), on("a")) == "a"
    assert chosen(on("a"), on("b", gateway6="fd00::1")) == "b"
    assert chosen(on("a", gateway=""), on("b")) == "b", "an internal one leads nowhere"
    assert chosen(on("a", gateway="")) == ""


def test_ports_on_every_address_and_on_one_go_to_different_maps() -> None:
    publications = [
        Publication(Published(80, "tcp", "", 8000), "10.208.0.2"),
        Publication(Published(81, "udp", "0.0.0.0", 8001), "10.208.0.2"),
        Publication(Published(82, "tcp", "127.0.0.1", 8002), "10.208.0.3"),
        Publication(Published(83, "tcp", "::1", 8003), "10.208.0.3"),
    ]
    text = plan.ruleset("", [NETWORK, INNER], publications, replace=True)
    assert "elements = { tcp . 8000 : 10.208.0.2 . 80, udp . 8001 : 10.208.0.2 . 81 }" in text
    assert "elements = { 127.0.0.1 . tcp . 8002 : 10.208.0.3 . 82 }" in text
    assert "8003" not in text, "[::1] is the relay's"
    assert 'set internal { type ifname; elements = { "wherry1" } }' in text
    added = plan.add_ports("", [JOINED], publications, bridge=False).splitlines()
    assert added[0] == 'add element inet wherry bridges { "wherry0" }'
    assert len(added) == 3


def test_ports_of_containers_with_ipv6_are_rewritten_there_too() -> None:
    publications = [
        Publication(Published(80, "tcp", "", 8000), "10.208.0.2", "fd00::2"),
        Publication(Published(81, "tcp", "fd00:9::1", 8001), "10.208.0.2", "fd00::2"),
        Publication(Published(82, "tcp", "::1", 8002), "10.208.0.2", "fd00::2"),
        Publication(Published(83, "tcp", "127.0.0.1", 8003), "10.208.0.2", "fd00::2"),
    ]
    text = plan.ruleset("", [NETWORK], publications, replace=True)
    assert "ipv6_addr . inet_service; elements = { tcp . 8000 : fd00::2 . 80 }" in text
    assert "elements = { fd00:9::1 . tcp . 8001 : fd00::2 . 81 }" in text
    assert "8002" not in text
    assert "fd00::2 . 83" not in text


def test_a_new_table_must_not_be_there_and_an_old_one_is_replaced_in_one_transaction() -> None:
    assert plan.ruleset("", [NETWORK], [], replace=False).startswith("create table inet wherry\ntable inet wherry {")
    assert plan.ruleset("ab", [NETWORK], [], replace=True).startswith(
        "add table inet wherry_ab\ndelete table inet wherry_ab\ntable inet wherry_ab {"
    )
    assert plan.ruleset("", [NETWORK], [], replace=False, claims=[]).startswith(
        "create table inet wherry\ncreate table bridge wherry\n"
    )


def test_a_port_of_a_bridge_may_claim_its_own_addresses_and_the_gateway_is_nobodys() -> None:
    text = plan.ruleset("", [NETWORK], [], replace=True, claims=[Owned("wv-1", "02:42:0a:d0:00:02", "10.208.0.2")])
    assert "set ipv4 { type ipv4_addr; elements = { 10.208.0.1, 10.208.0.2 } }" in text
    assert 'set own_ipv4 { type ifname . ipv4_addr; elements = { "wv-1" . 10.208.0.2 } }' in text
    assert 'iifname != "wv-*" accept' in text
    assert 'add element bridge wherry own_mac { "wv-1" . 02:42:0a:d0:00:02 }' in plan.add_ports("", [JOINED], [])


def test_containers_that_must_not_talk_can_not_do_so_by_the_gateway_either() -> None:
    shut = NETWORK._replace(options={"com.docker.network.bridge.enable_icc": "false"})
    assert "set intra { type ifname . ifname;  }" in plan.ruleset("", [shut], [], replace=True)


def test_a_network_without_masquerading_keeps_its_addresses() -> None:
    plain = NETWORK._replace(options={"com.docker.network.bridge.enable_ip_masquerade": "false"})
    assert "set subnets { type ipv4_addr; flags interval;  }" in plan.ruleset("", [plain], [], replace=True)


def test_a_bridge_with_a_name_of_the_users_passes_other_firewalls_too() -> None:
    assert 'iifname "mine0" accept' in rules.pass_rules("", "ip", "filter", "FORWARD", ["mine0"])


def test_roots_do_not_match_each_others_bridges() -> None:
    assert plan.pattern("") == "wherry*"
    assert not "wh0e1d2f-0".startswith(plan.pattern("").rstrip("*"))
    assert plan.pattern("0e1d2f") == "wh0e1d2f-*"


def test_the_passage_through_a_firewall_leaves_dockers_bridges_to_docker() -> None:
    rules = plan.pass_rules("", "ip", "filter", "DOCKER-USER")
    assert rules.index('oifname "docker0" return') < rules.index('iifname "wherry*" accept')
    assert rules.endswith("insert rule ip filter DOCKER-USER jump wherry\n")
