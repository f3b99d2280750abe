"""The agent that a step sees: it lists and signs, and the rest never reaches the user's agent."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from wherry.build.graph import RunMount
from wherry.build.secrets import SshSource
from wherry.engine.build_ssh import Agents, exchange, is_allowed
from wherry.errors import InputError
from wherry.host.fake import FakeHost
from wherry.settings import Paths, Settings


class Exchange:
    """A client, and an agent that answers each message with itself and keeps what it was asked."""

    def __init__(self) -> None:
        self.client, theirs = socket.socketpair()
        self.client.settimeout(10)
        ours, self.agent = socket.socketpair()
        self.asked: list[bytes] = []
        self._threads = [threading.Thread(target=act) for act in (lambda: self._relay(theirs, ours), self._answer)]
        for thread in self._threads:
            thread.start()

    def _relay(self, theirs: socket.socket, ours: socket.socket) -> None:
        with theirs, ours, suppress(OSError):
            exchange(theirs, ours)

    def _answer(self) -> None:
        with self.agent:
            while message := self.agent.recv(65536):
                self.asked.append(message)
                self.agent.sendall(message)

    def ask(self, message: bytes) -> bytes:
        self.client.sendall(message)
        return self.client.recv(65536)

    def close(self) -> None:
        self.client.close()
        for thread in self._threads:
            thread.join(10)


@pytest.fixture
def ends() -> Iterator[Exchange]:
    ends = Exchange()
    yield ends
    ends.close()


def agents(folder: Path, *sources: SshSource, **env: str) -> Agents:
    return Agents(Settings(Paths(str(folder), str(folder)), env, 0, str(folder)), FakeHost(), sources)


def test_listing_and_signing_reach_the_agent_and_nothing_else_does(ends: Exchange) -> None:
    listing, signing, removing = b"\0\0\0\1\x0b", b"\0\0\0\3\x0dab", b"\0\0\0\1\x13"
    assert ends.ask(listing) == listing
    assert ends.ask(signing) == signing
    assert ends.ask(removing) == b"\0\0\0\1\5"
    assert ends.asked == [listing, signing]


@pytest.mark.parametrize("kind", [1, 9, 17, 18, 19, 20, 21, 22, 23, 25, 26, 27, 255])
def test_no_message_that_changes_the_agent_is_allowed(kind: int) -> None:
    assert not is_allowed(bytes([kind]))


def test_a_message_beyond_ssh_agents_own_limit_ends_the_connection(ends: Exchange) -> None:
    assert ends.ask((1 << 20).to_bytes(4, "big")) == b""
    assert not ends.asked


def test_an_agent_that_is_gone_ends_the_connection(ends: Exchange) -> None:
    ends.agent.shutdown(socket.SHUT_RDWR)
    assert ends.ask(b"\0\0\0\1\x0b") == b""


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    """Something that listens."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "agent"))
        yield tmp_path / "agent"


@pytest.mark.usefixtures("agent")
def test_the_socket_has_the_mounts_owner_and_mode_and_may_lie_deep(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    mount = RunMount("ssh", "/s", id="a", mode=0o666, uid=os.getuid(), gid=os.getgid())
    ours = agents(tmp_path, SshSource("a", ("agent",)))
    assert ours.ids == {"a"}
    with ours.socket(mount, str(deep)) as path:
        assert os.stat(path).st_mode & 0o777 == 0o666
    assert not list(deep.iterdir())


@pytest.mark.usefixtures("agent")
def test_what_is_no_agent_and_no_key_is_told_before_the_build(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    for source, says in (
        (SshSource("default"), "invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set"),
        (SshSource("a", ("none",)), "stat none: no such file or directory"),
        (SshSource("a", ("text",)), "failed to parse text: ssh: no key found"),
        (SshSource("a", ("agent", "key")), "only single socket allowed"),
        (SshSource("a", ("key", "agent")), "only single socket allowed"),
    ):
        with pytest.raises(InputError, match=says):
            agents(tmp_path, source)
    assert agents(tmp_path, SshSource("a", ("key",))).ids == {"a"}
    assert agents(tmp_path, SshSource("default"), SSH_AUTH_SOCK=str(tmp_path / "agent")).ids == {"default"}
