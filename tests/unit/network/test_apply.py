from __future__ import annotations

import os
from pathlib import Path

import pytest

from wherry.errors import RuntimeFailure
from wherry.host import Command, Completed
from wherry.host.fake import FakeHost
from wherry.network import apply
from wherry.network.model import Endpoint, Joined, Network

ENDPOINT = Endpoint("c" * 64, "id", "10.208.0.2", 20, "10.208.0.1", "02:42:0a:d0:00:02", "wv-none-1", "wh-none-0")
JOINED = Joined(Network("n", "n", 0, "wh-none-0", "10.208.0.0/20", "10.208.0.1"), ENDPOINT)

IPTABLES = """table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy accept;
	}
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
	}
%s}
table ip nat {
	chain PREROUTING {
		type nat hook prerouting priority dstnat; policy accept;
	}
}
table inet wherry {
	chain forward {
		type filter hook forward priority filter - 5; policy accept;
	}
}
"""


def test_a_chain_that_drops_forwarded_packets_is_found() -> None:
    assert apply.foreign_chains(IPTABLES % "") == [("ip", "filter", "FORWARD")]
    assert apply.foreign_chains(IPTABLES.replace("drop", "accept") % "") == []


def test_dockers_chain_for_others_is_preferred() -> None:
    assert apply.foreign_chains(IPTABLES % "\tchain DOCKER-USER {\n\t}\n") == [("ip", "filter", "DOCKER-USER")]


def test_jumps_are_found_by_their_text() -> None:
    listing = "\t\tjump wherry # handle 7\n\t\tcounter jump other # handle 8\n\t\tjump wherry_ab # handle 9\n"
    assert apply.jump_handles(listing, "wherry") == ["7"]


def test_a_passage_is_recorded_opened_and_closed(tmp_path: Path) -> None:
    sent: list[str] = []

    def answer(command: Command) -> Completed:
        sent.append(" ".join(command.argv) + " " + (command.stdin or b"").decode())
        return Completed(0, b"\t\tjump wherry # handle 7\n", b"")

    record = str(tmp_path / "passages")
    firewall = apply.Firewall(FakeHost(answer=answer), "", record)
    firewall.close()
    assert not sent
    firewall.open(IPTABLES % "")
    assert "insert rule ip filter FORWARD jump wherry" in sent[-1]
    assert Path(record).read_text() == "ip filter FORWARD\n"
    firewall.close()
    assert "delete rule ip filter FORWARD handle 7\ndelete chain ip filter wherry" in sent[-1]
    assert not os.path.exists(record)


def test_the_error_says_what_ip_said() -> None:
    host = FakeHost(answer=lambda _: Completed(1, b"", b"RTNETLINK answers: No such process\nmore"))
    with pytest.raises(RuntimeFailure, match="cannot connect the container to wh-none-0: RTNETLINK answers: No such"):
        apply.connect(host, [JOINED], 77, 1500, [], [])


def test_commands_beside_end_before_the_fault_is_raised() -> None:
    host = FakeHost(answer=lambda command: Completed(command.argv[0] == "ip", b"", b"bad"))
    with pytest.raises(RuntimeFailure):
        apply.connect(host, [JOINED], 77, 1500, [], [apply.nft("x")])
    assert ("run", ("nft", "-f", "-")) in host.calls


def test_the_links_are_set_up_host_side_first() -> None:
    host = FakeHost()
    apply.connect(host, [JOINED], 77, 1500, [], [])
    inside = ("nsenter", "--net=/proc/77/ns/net", "ip", "-batch", "-")
    assert host.calls == [("run", ("ip", "-batch", "-")), ("run", inside)]


def test_removal_is_one_child_that_holds_the_lock(tmp_path: Path) -> None:
    host = FakeHost()
    path = str(tmp_path / "lock")
    with open(path, "wb") as lock:
        apply.drop(host, "delete table inet wherry\n", ["wv-1", "wherry0"], (lock.fileno(), path))
        apply.drop(host, "", ["wv-1"], (lock.fileno(), path))
    away = "printf 'link del dev wv-1\\nlink del dev wherry0\\n' | ip -force -batch - 2>/dev/null"
    whole = away + ' & nft -f - && wait && : >"$1"; wait'
    some = "printf 'link del dev wv-1\\n' | ip -force -batch - 2>/dev/null"
    assert host.calls == [("spawn", ("sh", "-c", script, "sh", path)) for script in (whole, some)]


def test_rules_that_do_not_fit_in_a_pipe_are_written_first(tmp_path: Path) -> None:
    host = FakeHost()
    with open(tmp_path / "lock", "wb") as lock:
        apply.drop(host, "x" * 100_000, [], (lock.fileno(), "lock"))
    assert [verb for verb, _ in host.calls] == ["run", "spawn"]


def test_the_mtu_is_that_of_the_default_routes_device() -> None:
    assert apply.uplink_mtu("Iface\n") == 1500
    assert apply.uplink_mtu("Iface\nlo 00000000 0 0003 0 0 0 00000000 0 0 0\n") == 1500, "never above"
