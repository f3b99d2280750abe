"""--network and what stands beside it, in docker's words."""

from __future__ import annotations

import pytest

from wherry.errors import InputError
from wherry.runtime.options import NetworkJoin, RunOptions
from wherry.runtime.parse_networks import fields, link, mac_address, network, settle

NOTHING = NetworkJoin("")


def test_a_plain_word_is_a_name_and_pairs_say_more() -> None:
    assert network("back") == NetworkJoin("back")
    assert network("name=back,alias=a,ALIAS=b,ip=10.0.0.9,ip6=fd00::9,mac-address=02-42-AA-bb-cc-dd") == NetworkJoin(
        "back", ("a", "b"), "10.0.0.9", "fd00::9", "02:42:aa:bb:cc:dd"
    )
    assert network("name=back,link-local-ip=169.254.1.1,driver-opt=a=b").driver_opts == ("a=b",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name=n1,foo=bar", "invalid field key foo"),
        ("alias=x", "network name/id is not specified"),
        ("n1,alias=x", "invalid field n1"),
        ("name=n1,mac-address=zz", "zz is not a valid mac address"),
        (" ", "no name set for network"),
    ],
)
def test_what_is_wrong_is_named(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        network(text)


@pytest.mark.parametrize(
    ("joins", "beside", "complaint"),
    [
        ([NetworkJoin("a", ("x",))], NetworkJoin("", ("y",)), "both --network-alias and per-network alias"),
        ([NetworkJoin("a", ip="10.0.0.1")], NetworkJoin("", ip="10.0.0.2"), "both --ip and per-network IPv4 address"),
        ([], NetworkJoin("", ("y",)), "aliases are only supported for user-defined networks"),
        ([NetworkJoin("host")], NetworkJoin("", links=("a:b",)), "links are only supported for user-defined networks"),
        ([NetworkJoin("a"), NetworkJoin("a")], NOTHING, 'network "a" is specified multiple times'),
        ([NetworkJoin("a"), NetworkJoin("host")], NOTHING, "both user-defined and non-user-defined network-modes"),
        ([NetworkJoin("container:x"), NetworkJoin("a")], NOTHING, "both user-defined and non-user-defined"),
    ],
)
def test_what_does_not_fit_together_is_refused(joins: list[NetworkJoin], beside: NetworkJoin, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        settle(joins, beside)


def test_what_stands_beside_is_the_first_networks() -> None:
    found = settle([NetworkJoin("a"), NetworkJoin("b", ("x",))], NetworkJoin("", ("y",), "10.0.0.2"))
    assert found == (NetworkJoin("a", ("y",), "10.0.0.2"), NetworkJoin("b", ("x",)))
    options = RunOptions(**fields(found))
    assert options.networks == found
    assert RunOptions.from_json(options.to_json()) == options


def test_one_network_needs_no_list() -> None:
    assert fields(settle([NetworkJoin("a", ("x",))], NOTHING))["networks"] is None


def test_links_have_an_alias_at_last() -> None:
    assert [link(text) for text in ("db", "db:", "db:x", "/db")] == ["db:db", "db:db", "db:x", "/db:db"]
    with pytest.raises(InputError, match="bad format for links: a:b:c"):
        link("a:b:c")


def test_mac_addresses_are_read_as_go_does() -> None:
    assert mac_address("02:42:AC:11:00:02") == "02:42:ac:11:00:02"
    for text in ("zz", "02:42:ac:11:00", "02:42:ac:11:00:0g", "2:42:ac:11:00:02"):
        with pytest.raises(InputError, match="is not a valid mac address"):
            mac_address(text)
