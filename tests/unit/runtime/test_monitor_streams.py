"""What clients of a monitor say is heard to the end."""

from __future__ import annotations

import socket

from wherry.runtime import monitor_kernel as kernel
from wherry.runtime.monitor_streams import Client, Clients, Loop


class Heard:
    """The clients of a monitor, and what they said."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.loop = Loop()
        self.clients = Clients(self.loop, lambda _, packet: self.packets.append(packet))

    def join(self) -> tuple[Client, kernel.Socket]:
        ours, theirs = kernel.socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return self.clients.add(theirs, "ioe", owner=True), ours

    def listen(self) -> None:
        for _ in range(5):
            self.loop.turn(0)


def test_input_of_a_client_that_left_output_unread() -> None:
    heard = Heard()
    _, ours = heard.join()
    heard.clients.send(b"O", b"unread")
    ours.send(b"Ilast")
    ours.close()
    heard.listen()
    assert heard.packets == [b"Ilast", b""]
    assert heard.clients.owner() is None


def test_input_of_a_client_that_is_found_gone_by_sending() -> None:
    heard = Heard()
    client, ours = heard.join()
    ours.send(b"Ilast")
    ours.send(b"C")
    ours.close()
    heard.clients.send(b"O", b"too late")
    assert heard.clients.is_drained()
    heard.listen()
    assert heard.packets == [b"Ilast", b""]
    assert client.cleans
    assert not client.alive
