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
    lines = dns.hosts(request, ["10.208.0.2"], "10.208.0.1").splitlines()
    assert lines[0] == "127.0.0.1\tlocalhost"
    assert lines[6:] == [
        "10.0.0.9\tdb", "10.208.0.1\tgw", "fd00::9\tsix", "10.0.0.8\teq", "10.208.0.2\tweb.example.org web",
    ]  # fmt: skip


def test_without_a_network_there_is_no_own_address() -> None:
    assert dns.hosts(FileRequest("web"), [], "").splitlines()[-1] == "ff02::2\tip6-allrouters"
    with pytest.raises(InputError, match="needs a network with a gateway"):
        dns.hosts(FileRequest("web", extra_hosts=("gw:host-gateway",)), [], "")


def test_the_hosts_file_is_kept_in_the_hosts_namespace() -> None:
    text = dns.with_extra(
        "127.0.0.1 localhost\n10.0.0.1 mine", FileRequest("h", extra_hosts=("a:1.2.3.4",)), "127.0.0.1"
    )
    assert text == "127.0.0.1 localhost\n10.0.0.1 mine\n1.2.3.4\ta\n"


def test_a_link_of_old_follows_its_container_and_what_the_user_wrote_stays() -> None:
    text = "127.0.0.1\tlocalhost\n10.0.0.2\tdb 0123 postgres\n10.9.9.9\tmine\n"
    moved = dns.with_name(text, address="10.0.0.7", names="db 0123 postgres")
    assert moved == "127.0.0.1\tlocalhost\n10.9.9.9\tmine\n10.0.0.7\tdb 0123 postgres\n"


@given(st.text(), st.sampled_from(["db", "db web"]))
def test_renewing_a_link_twice_changes_nothing(text: str, names: str) -> None:
    once = dns.with_name(text, address="10.0.0.2", names=names)
    assert dns.with_name(once, address="10.0.0.2", names=names) == once


def test_own_addresses_come_and_go_with_the_networks() -> None:
    text = "127.0.0.1\tlocalhost\n10.0.0.2\tweb\n"
    more = dns.with_addresses(text, ["10.1.0.2", "fd00::2"], "web")
    assert more == text + "10.1.0.2\tweb\nfd00::2\tweb\n"
    assert dns.without_addresses(more, ["10.1.0.2", "fd00::2"]) == text


def test_a_container_with_a_resolver_asks_it_alone_and_names_need_no_dot() -> None:
    host = "nameserver 10.0.0.1\nsearch corp.example\noptions rotate\n"
    text = dns.resolver_conf(host, FileRequest("h"))
    assert text.splitlines()[1:] == ["nameserver 127.0.0.11", "search corp.example", "options rotate ndots:0"]
    chosen = dns.resolver_conf(host, FileRequest("h", dns_search=(".",), dns_options=("ndots:3",)))
    assert chosen.splitlines()[1:] == ["nameserver 127.0.0.11", "options ndots:3"]
    assert dns.to_resolver(text) == text
