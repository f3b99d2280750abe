from __future__ import annotations

import os
import socket
import threading

import pytest

from wherry.errors import Conflict, HostError, InputError, Unsupported
from wherry.network import ports
from wherry.network.model import PortMapping, Published

TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0
   1: 0100007F:1F40 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4343 1 0 100 0 0 10 0
"""


def nobody(_: Published) -> None:
    return None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
        return number


def test_sockets_of_a_port_are_found_in_the_kernels_table() -> None:
    assert ports.socket_inodes(TABLE, 8000, listening=True) == {"4242"}
    assert ports.socket_inodes(TABLE, 8000, listening=False) == {"4242", "4343"}
    assert ports.socket_inodes(TABLE, 8001, listening=True) == set()


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_bound_port_is_refused_and_nothing_stays_open(protocol: str) -> None:
    port = free_port()
    bound = ports.bind_all([PortMapping(80, protocol, "127.0.0.1", port)], nobody)
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(Conflict, match=f"listen {protocol} 127.0.0.1:{port}: bind: address already in use by"):
        ports.bind_all([PortMapping(1, protocol), PortMapping(2, protocol, "127.0.0.1", port)], nobody)
    assert set(os.listdir("/proc/self/fd")) == before
    os.close(bound[0][1])


def test_of_many_at_once_one_has_the_port_and_the_others_are_told() -> None:
    for _ in range(12):
        port, start = free_port(), threading.Barrier(4)
        found: list[int | Exception] = []

        def take(port: int = port, start: threading.Barrier = start, found: list[int | Exception] = found) -> None:
            start.wait()
            try:
                found.append(ports.listen(Published(80, "tcp", "127.0.0.1", port))[1])
            except Exception as fault:
                found.append(fault)

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        fds = [one for one in found if isinstance(one, int)]
        for fd in fds:
            os.close(fd)
        assert len(fds) == 1
        assert {type(one) for one in found} == {int, Conflict}


def test_the_answer_keeps_the_order_of_the_request() -> None:
    port = free_port()
    bound = ports.bind_all([PortMapping(1), PortMapping(2, host_port=port), PortMapping(3, "udp")], nobody)
    assert [one.container_port for one, _ in bound] == [1, 2, 3]
    assert bound[1][0].host_port == port
    assert all(one.host_port for one, _ in bound)
    for _, fd in bound:
        os.close(fd)


def test_a_start_that_has_bound_the_port_is_named_once_it_is_in_the_book() -> None:
    port = free_port()
    ((_, fd),) = ports.bind_all([PortMapping(80, "tcp", "127.0.0.1", port)], nobody)
    answers: list[Conflict | None] = [None, None, Conflict("port is already allocated by container demo-a-1")]

    with pytest.raises(Conflict, match="already allocated by container demo-a-1"):
        ports.bind_all([PortMapping(80, "tcp", "127.0.0.1", port)], lambda _: answers.pop(0))
    os.close(fd)


def test_a_range_skips_ports_that_containers_have() -> None:
    port = free_port()
    busy = {port}

    def blame(one: Published) -> Conflict | None:
        return Conflict("taken") if one.host_port in busy else None

    (published, fd), *_ = ports.bind_all([PortMapping(80, "tcp", "127.0.0.1", port, port + 20)], blame)
    assert port < published.host_port <= port + 20
    os.close(fd)


def test_what_cannot_be_published_says_why() -> None:
    with pytest.raises(Unsupported, match="ports of dccp can't be published"):
        ports.bind_all([PortMapping(80, "dccp")], nobody)
    with pytest.raises(InputError, match=r"no interface of this machine has the address 203\.0\.113\.7"):
        ports.bind_all([PortMapping(80, "tcp", "203.0.113.7", 8000)], nobody)


def test_sctp_is_published_where_the_kernel_has_it_and_else_the_kernel_is_named() -> None:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        with pytest.raises(HostError, match="this kernel has no sctp"):
            ports.bind_all([PortMapping(80, "sctp", "127.0.0.1")], nobody)
        return
    ((published, fd),) = ports.bind_all([PortMapping(80, "sctp", "127.0.0.1")], nobody)
    os.close(fd)
    assert published.host_port > 0
