from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InputError
from wherry.network import dns
from wherry.network.model import FileRequest

HOST = """# a comment
nameserver 127.0.0.53
nameserver 192.0.2.53
nameserver fd00::1
search a.example b.example
options edns0
"""


def servers(host: str, **request: tuple[str, ...]) -> list[str]:
    return dns.nameservers(dns.resolv_conf(host, FileRequest("h", **request), own_netns=True))


def test_resolvers_that_a_container_cannot_reach_are_left_out() -> None:
    assert servers(HOST) == ["192.0.2.53"]


def test_a_host_with_loopback_resolvers_only_gets_dockers_fallback() -> None:
    assert servers("nameserver 127.0.0.1\nnameserver ::1\n") == list(dns.FALLBACK)
    assert servers("") == list(dns.FALLBACK)


def test_the_hosts_namespace_keeps_the_hosts_resolvers() -> None:
    text = dns.resolv_conf(HOST, FileRequest("h"), own_netns=False)
    assert dns.nameservers(text) == ["127.0.0.53", "192.0.2.53", "fd00::1"]


def test_search_and_options_are_kept_unless_given() -> None:
    assert "search a.example b.example\noptions edns0\n" in dns.resolv_conf(HOST, FileRequest("h"), own_netns=True)
    given_ = FileRequest("h", dns=("127.0.0.1",), dns_search=("x.example",), dns_options=("ndots:2",))
    text = dns.resolv_conf(HOST, given_, own_netns=True)
    assert text.splitlines()[1:] == ["nameserver 127.0.0.1", "search x.example", "options ndots:2"]


def test_a_lone_dot_means_no_search_list() -> None:
    assert "search" not in dns.resolv_conf(HOST, FileRequest("h", dns_search=(".",)), own_netns=True).split("\n", 1)[1]


def test_hosts_names_the_container_and_what_was_added() -> None:
    request = FileRequest("web", "example.org", ("db:10.0.0.9", "gw:host-gateway", "six:[fd00::9]", "eq=10.0.0.8"))
    lines = dns.hosts(request, "10.208.0.2", "10.208.0.1").splitlines()
    assert lines[0] == "127.0.0.1\tlocalhost"
    assert lines[6:] == [
        "10.0.0.9\tdb", "10.208.0.1\tgw", "fd00::9\tsix", "10.0.0.8\teq", "10.208.0.2\tweb.example.org web",
    ]  # fmt: skip


def test_without_a_network_there_is_no_own_address() -> None:
    assert dns.hosts(FileRequest("web"), "", "").splitlines()[-1] == "ff02::2\tip6-allrouters"
    with pytest.raises(InputError, match="needs a network with a gateway"):
        dns.hosts(FileRequest("web", extra_hosts=("gw:host-gateway",)), "", "")


def test_the_hosts_file_is_kept_in_the_hosts_namespace() -> None:
    text = dns.with_extra(
        "127.0.0.1 localhost\n10.0.0.1 mine", FileRequest("h", extra_hosts=("a:1.2.3.4",)), "127.0.0.1"
    )
    assert text == "127.0.0.1 localhost\n10.0.0.1 mine\n1.2.3.4\ta\n"


def test_peers_come_and_go_and_what_the_container_wrote_stays() -> None:
    one = dns.with_peers("127.0.0.1\tlocalhost\n", [("10.0.0.2", ("db", "0123")), ("10.0.0.3", ("api",))])
    assert "10.0.0.2\tdb 0123\n10.0.0.3\tapi\n" in one
    own = one + "10.9.9.9\tmine\n"
    two = dns.with_peers(own, [("10.0.0.3", ("api",))])
    assert "db" not in two
    assert two.endswith("10.9.9.9\tmine\n")
    assert dns.with_peers(own, []) == "127.0.0.1\tlocalhost\n10.9.9.9\tmine\n"


@given(st.text(), st.lists(st.tuples(st.sampled_from(["10.0.0.2"]), st.tuples(st.sampled_from(["a", "b"])))))
def test_renewing_peers_twice_changes_nothing(text: str, peers: list[tuple[str, tuple[str]]]) -> None:
    once = dns.with_peers(text, peers)
    assert dns.with_peers(once, peers) == once
