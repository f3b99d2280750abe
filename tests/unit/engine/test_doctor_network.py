"""Firewalls that a machine may have, as `nft list ruleset` shows them, and what doctor says of each."""

from __future__ import annotations

import pytest

from wherry.engine.doctor_network import base_chains, firewall, stale_bridges

UFW = """\
table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy drop;
		counter packets 5 bytes 400 jump ufw-before-input
	}
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
		counter packets 0 bytes 0 jump ufw-before-forward
	}
	chain ufw-before-input {
	}
}
"""
DOCKER = """\
table ip filter {
	chain DOCKER-USER {
		counter packets 0 bytes 0 return
	}
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
		counter packets 0 bytes 0 jump DOCKER-USER
	}
}
"""
FIREWALLD = """\
table inet firewalld {
	chain filter_FORWARD {
		type filter hook forward priority filter + 10; policy accept;
		ct state { established, related } accept
		reject with icmpx admin-prohibited
	}
}
"""
SITE = """\
table inet site {
	chain passing {
		type filter hook forward priority filter; policy accept;
		ct state established accept
		counter packets 3 bytes 120 drop comment "the rest"
	}
}
"""
OURS = """\
table inet wherry_abc123 {
	chain forward {
		type filter hook forward priority filter - 5; policy accept;
		oifname @bridges drop
	}
}
"""


def said(listing: str) -> list[tuple[str, str]]:
    return [(one.name, one.status) for one in firewall(listing)]


def test_nothing_is_said_of_a_machine_without_a_firewall_or_with_our_rules_alone() -> None:
    assert said("") == said(OURS) == []


def test_ufw_is_passed_and_what_that_means_is_said() -> None:
    found = list(firewall(UFW + OURS))
    assert [(one.name, one.status) for one in found] == [("firewall", "ok"), ("firewall input", "ok")]
    assert "published ports pass ufw's rules by" in found[0].note
    assert "127.0.0.1" in found[0].hint


def test_a_chain_that_drops_by_default_is_named() -> None:
    assert [one.purpose for one in firewall(DOCKER)] == ["docker"]
    plain = DOCKER.replace("DOCKER-USER", "mine").replace("table ip filter", "table inet site")
    assert [one.purpose for one in firewall(plain)] == ["inet site FORWARD"]


def test_firewalld_needs_the_users_hand() -> None:
    found = list(firewall(FIREWALLD))
    assert [(one.name, one.status) for one in found] == [("firewalld", "warning")]
    assert "--add-interface=wherry0" in found[0].hint


def test_a_chain_that_refuses_by_its_last_rule_is_a_warning_with_the_rule_to_add() -> None:
    found = list(firewall(SITE))
    assert [(one.name, one.status) for one in found] == [("firewall", "warning")]
    assert "inet site passing" in found[0].note
    assert 'nft insert rule inet site passing iifname "wherry*" accept' in found[0].hint


def test_chains_are_read_with_hook_policy_and_rules() -> None:
    (one,) = base_chains(SITE)
    assert (one.where, one.hook, one.policy) == ("inet site passing", "forward", "accept")
    assert one.rules == ("ct state established accept", "drop")


@pytest.mark.parametrize(
    ("links", "stale"),
    [
        (["lo", "eth0"], []),
        (["whabc123-0"], ["whabc123-0"]),
        (["whabc123-0", "wvabc123-5"], []),
        (["wh0e1d2f-0", "wh0e1d2f-1"], []),
        (["wherry0", "whatever", "whabc123-x"], []),
    ],
)
def test_a_bridge_without_links_is_left_over_unless_it_is_our_own(links: list[str], stale: list[str]) -> None:
    assert stale_bridges(links, "0e1d2f") == stale
