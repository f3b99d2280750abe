"""The PORTS column of `ps`."""

from __future__ import annotations

from wherry.engine.containers_list import port_column


def test_ports_that_follow_each_other_are_one_range() -> None:
    places = [(port, "udp", "0.0.0.0", port) for port in (9001, 9002, 9003)]
    assert port_column(places) == ("0.0.0.0:9001-9003->9001-9003/udp",)


def test_a_port_with_another_number_on_the_host_comes_last() -> None:
    places = [(80, "tcp", "127.0.0.1", 8080), (7000, "tcp", "", 0)]
    assert port_column(places) == ("7000/tcp", "127.0.0.1:8080->80/tcp")


def test_a_gap_ends_a_range() -> None:
    assert port_column([(1, "tcp", "", 0), (2, "tcp", "", 0), (4, "tcp", "", 0)]) == ("1-2/tcp", "4/tcp")
