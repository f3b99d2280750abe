"""syslog and journald as they go over the wire, the ring before them, and the compressor."""

from __future__ import annotations

import gzip
import os
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.runtime import monitor_log_ring
from wherry.runtime.logs import LogQuery, read
from wherry.runtime.monitor_log import JsonFile
from wherry.runtime.monitor_log_journald import Journald, field
from wherry.runtime.monitor_log_remote import Sender
from wherry.runtime.monitor_log_ring import Ring
from wherry.runtime.monitor_log_squeeze import main as squeeze
from wherry.runtime.monitor_log_syslog import Syslog, header


class NoLoop:
    """A loop whose callbacks the test makes."""

    def __init__(self) -> None:
        self.calls: dict[int, Callable[[int], None]] = {}

    def watch(self, fd: int, events: int, call: Callable[[int], None]) -> None:
        self.calls[fd] = call

    def forget(self, fd: int) -> None:
        self.calls.pop(fd, None)

    def turn(self) -> None:
        """Wait for one of them."""
        ready, _, _ = select.select(list(self.calls), [], [], 20)
        for fd in ready:
            self.calls[fd](1)


def remote(**more: Any) -> dict[str, Any]:
    return {"tag": "web", "host": "box", "format": "", "facility": 3, "network": "", "address": "",
            "tls": {"ca": "", "cert": "", "key": "", "skip": False}} | more  # fmt: skip


NOON = 1_767_268_800_123_456_789


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("", "<30>Jan  1 12:00:00 web[7]: "),
        ("rfc3164", "<30>Jan  1 12:00:00 box web[7]: "),
        ("rfc5424", "<30>1 2026-01-01T12:00:00Z box web 7 web - "),
        ("rfc5424micro", "<30>1 2026-01-01T12:00:00.123456Z box web 7 web - "),
    ],
)
def test_the_head_of_a_message_is_dockers(kind: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert header(remote(format=kind), "stdout", NOON, 7) == text
    assert header(remote(format=kind), "stderr", NOON, 7) == text.replace("<30>", "<27>")
    assert header(remote(format=kind, facility=19), "stdout", NOON, 7) == text.replace("<30>", "<158>")


def test_times_are_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XXX-5:30")
    time.tzset()
    assert "2026-01-01T17:30:00+05:30" in header(remote(format="rfc5424"), "stdout", NOON, 7)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Path]:
    """Paths of sockets have room for 107 bytes."""
    before = Path.cwd()
    os.chdir(tmp_path)
    yield Path(".")
    os.chdir(before)


def messages(data: bytes) -> list[bytes]:
    return [line.split(b": ", 1)[1] for line in data.splitlines()]


def test_lines_go_out_as_datagrams_and_empty_ones_do_not(short: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("s")
        syslog = Syslog(remote(network="unixgram", address="s"))
        syslog.begin()
        syslog.add("stdout", b"one\n\ntwo with a\ttab\r\nun")
        syslog.add("stderr", b"err\n")
        syslog.add("stdout", b"finished")
        syslog.flush()
        got = [server.recv(1 << 16) for _ in range(4)]
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.recv(1)
    assert [one.split(b": ", 1)[1] for one in got] == [b"one\n", b"two with a\ttab\r\n", b"err\n", b"unfinished\n"]
    assert [one[:4] for one in got] == [b"<30>", b"<30>", b"<27>", b"<30>"]
    assert syslog.dropped == 0


@pytest.mark.parametrize("network", ["tcp", "unix"])
def test_streams_carry_lines_and_are_made_again_when_they_break(network: str, short: Path) -> None:
    family = socket.AF_UNIX if network == "unix" else socket.AF_INET
    with socket.socket(family) as server:
        server.bind("s" if network == "unix" else ("127.0.0.1", 0))
        server.listen()
        address = "s" if network == "unix" else f"127.0.0.1:{server.getsockname()[1]}"
        syslog = Syslog(remote(network=network, address=address))
        syslog.begin()
        syslog.add("stdout", b"one\n")
        first = server.accept()[0]
        assert messages(first.recv(1000)) == [b"one"]
        first.close()
        sent = 0
        # What goes into a connection whose other end is closed is lost, until the kernel says so
        server.settimeout(0.05)
        second = None
        while second is None and sent < 200:
            syslog.add("stdout", b"again\n")
            sent += 1
            try:
                second = server.accept()[0]
            except TimeoutError:
                continue
        assert second is not None
        second.settimeout(5)
        assert messages(second.recv(1000))[0] == b"again"
        second.close()
        syslog.flush()


@pytest.mark.parametrize(
    ("network", "address", "said"),
    [
        ("unix", "nosuch", "dial unix nosuch: connect: no such file or directory"),
        ("tcp", "127.0.0.1:1", "dial tcp 127.0.0.1:1: connect: connection refused"),
    ],
)
def test_a_server_that_is_not_there_is_told_in_dockers_words(
    network: str, address: str, said: str, short: Path
) -> None:
    with pytest.raises(OSError, match=said) as fault:
        Syslog(remote(network=network, address=address)).begin()
    assert (fault.value.filename, fault.value.strerror) == ("failed to initialize logging driver", said)


class Kept(Sender):
    """Keeps what it is to send."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, bytes, bool]] = []

    def send(self, stream: str, line: bytes, *, is_part: bool) -> bool:
        self.sent.append((stream, line, is_part))
        return True


def test_a_very_long_line_goes_in_parts() -> None:
    sender = Kept()
    sender.add("stdout", b"x" * 20000)
    sender.add("stdout", b"y\nz\n")
    assert [(len(line), part) for _, line, part in sender.sent] == [(16384, True), (3617, False), (1, False)]
    exact = Kept()
    exact.add("stdout", b"x" * 16384 + b"\n\n")
    assert [(len(line), part) for _, line, part in exact.sent] == [(16384, True), (0, False)]


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=20), st.integers(1, 30))
def test_lines_are_the_same_in_any_pieces(lines: list[bytes], step: int) -> None:
    data, sender = b"\n".join(lines), Kept()
    for at in range(0, len(data), step):
        sender.add("stdout", data[at : at + step])
    sender.flush()
    assert [line for _, line, _ in sender.sent] == [line for line in data.split(b"\n") if line]


def parsed(message: bytes) -> dict[str, bytes]:
    """systemd's native protocol, read as its page describes it."""
    fields, at = {}, 0
    while at < len(message):
        end = message.index(b"\n", at)
        name, equals, value = message[at:end].partition(b"=")
        at = end + 1
        if not equals:
            length = int.from_bytes(message[at : at + 8], "little")
            value = message[at + 8 : at + 8 + length]
            assert message[at + 8 + length : at + 9 + length] == b"\n"
            at += 9 + length
        fields[name.decode()] = value
    return fields


def journal(short: Path) -> tuple[socket.socket, Journald]:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind("j")
    fields = [["CONTAINER_NAME", "web"], ["SYSLOG_IDENTIFIER", "tag"], ["MULTI", "two\nlines"]]
    driver = Journald({"socket": "j", "fields": fields, "epoch": "abc"})
    driver.begin()
    return server, driver


def test_a_line_is_a_datagram_of_the_journals_protocol(short: Path) -> None:
    server, driver = journal(short)
    driver.add("stdout", b"hello \xff\n")
    driver.add("stderr", b"bad\0\n")
    first, second = parsed(server.recv(1 << 16)), parsed(server.recv(1 << 16))
    driver.flush()
    server.close()
    assert (first["MESSAGE"], first["PRIORITY"], first["CONTAINER_NAME"]) == (b"hello \xff", b"6", b"web")
    assert (first["SYSLOG_IDENTIFIER"], first["MULTI"]) == (b"tag", b"two\nlines")
    assert (second["MESSAGE"], second["PRIORITY"]) == (b"bad\0", b"3")
    assert len(first["SYSLOG_TIMESTAMP"]) == len("2026-01-01T00:00:00.000000000Z")
    assert [first["CONTAINER_LOG_ORDINAL"], second["CONTAINER_LOG_ORDINAL"]] == [b"1", b"2"]
    assert "CONTAINER_PARTIAL_MESSAGE" not in first


def test_parts_of_a_line_belong_together_in_the_journal(short: Path) -> None:
    server, driver = journal(short)
    driver.add("stdout", b"x" * 40000 + b"\n")
    got = [parsed(server.recv(1 << 16)) for _ in range(3)]
    driver.flush()
    server.close()
    assert [len(one["MESSAGE"]) for one in got] == [16384, 16384, 7232]
    assert len({one["CONTAINER_PARTIAL_ID"] for one in got}) == 1
    assert [one["CONTAINER_PARTIAL_ORDINAL"] for one in got] == [b"1", b"2", b"3"]
    assert [one["CONTAINER_PARTIAL_LAST"] for one in got] == [b"false", b"false", b"true"]
    assert [one.get("CONTAINER_PARTIAL_MESSAGE") for one in got] == [b"true", b"true", None]


def test_a_ring_that_must_not_fail_begins_without_its_server(short: Path) -> None:
    def make() -> Syslog:
        return Syslog(remote(network="unix", address="nosuch"))

    with pytest.raises(OSError, match="no such file"):
        Ring(make, 100, NoLoop(), -1, waits=True)  # type: ignore[arg-type]
    ring = Ring(make, 100, NoLoop(), -1, waits=True, strict=False)  # type: ignore[arg-type]
    ring.add("stdout", b"one\n")
    ring.flush()
    assert ring._driver.dropped == 1


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example"])
@pytest.mark.parametrize("network", ["udp", "tcp", "tcp+tls"])
def test_a_name_that_no_host_can_have_is_said_and_nobody_waits(network: str, host: str) -> None:
    def make() -> Syslog:
        return Syslog(remote(network=network, address=f"{host}:514"))

    with pytest.raises(OSError, match=f"lookup {host}: no such host"):
        Ring(make, 100, NoLoop(), -1, waits=True)  # type: ignore[arg-type]


def test_whatever_a_driver_raises_at_its_begin_nobody_waits_for_it() -> None:
    class Broken(Kept):
        def begin(self) -> None:
            raise ValueError("no such thing")

    with pytest.raises(OSError, match="no such thing"):
        Ring(Broken, 100, NoLoop(), -1, waits=True)  # type: ignore[arg-type]


@given(st.binary(max_size=60))
def test_any_value_is_read_back_from_a_field(value: bytes) -> None:
    assert parsed(field("NAME", value)) == {"NAME": value}


def test_a_machine_without_a_journal_says_so(short: Path) -> None:
    with pytest.raises(OSError, match="journald is not enabled on this host"):
        Journald({"socket": "nosuch", "fields": [], "epoch": ""}).begin()


def test_a_journal_that_went_away_costs_lines_and_nothing_else(short: Path) -> None:
    server, driver = journal(short)
    server.close()
    driver.add("stdout", b"one\ntwo\n")
    assert driver.dropped == 2


class Gate(Kept):
    """Lets nothing through before it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.mine, self.theirs = os.pipe()

    def send(self, stream: str, line: bytes, *, is_part: bool) -> bool:
        os.read(self.mine, 1)
        return super().send(stream, line, is_part=is_part)

    def open(self, lines: int) -> None:
        os.write(self.theirs, b"." * lines)


def ringed(max_bytes: int, *, waits: bool) -> tuple[Ring, Gate, NoLoop]:
    gate, loop = Gate(), NoLoop()
    return Ring(lambda: gate, max_bytes, loop, -1, waits=waits), gate, loop  # type: ignore[arg-type]


def test_a_full_ring_makes_the_container_wait_until_half_of_it_is_gone() -> None:
    ring, gate, loop = ringed(100, waits=True)
    told: list[str] = []
    ring.on_room = lambda: told.append("room")
    for _ in range(10):
        assert not ring.is_full()
        ring.add("stdout", b"123456789\n")
    assert ring.is_full()
    gate.open(10)
    loop.turn()
    assert told == ["room"]
    ring.flush()
    assert len(gate.sent) == 10
    # A restart of the container
    gate.open(1)
    ring.add("stdout", b"again\n")
    ring.flush()
    assert gate.sent[-1] == ("stdout", b"again", False)


def test_a_full_ring_that_does_not_wait_drops_and_counts() -> None:
    ring, gate, _ = ringed(50, waits=False)
    for _ in range(30):
        ring.add("stdout", b"123456789\n")
        assert not ring.is_full()
    gate.open(30)
    ring.flush()
    assert len(gate.sent) + gate.dropped == 30
    assert 5 <= len(gate.sent) <= 12


def test_a_thread_that_was_given_up_takes_nothing_of_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_log_ring, "_LAST_WORDS_S", 0.05)
    gates = [Gate(), Gate()]
    left = list(gates)
    ring = Ring(lambda: left.pop(0), 100, NoLoop(), -1, waits=True)  # type: ignore[arg-type]
    ring.add("stdout", b"stuck\n")
    ring.flush()
    ring.add("stdout", b"of the next run\n")
    gates[0].open(9)
    gates[1].open(9)
    monkeypatch.setattr(monitor_log_ring, "_LAST_WORDS_S", 20)
    ring.flush()
    assert gates[0].sent in ([], [("stdout", b"stuck", False)])
    assert gates[1].sent == [("stdout", b"of the next run", False)]
    assert ring._size == 0


def test_what_the_ring_of_a_file_dropped_is_said_in_it(tmp_path: Path) -> None:
    path = str(tmp_path / "container.log")
    plan = {"path": path, "max_bytes": 0, "max_files": 1, "squeezer": [], "attrs": {}}
    ring = Ring(lambda: JsonFile(plan, None), 1000, NoLoop(), -1, waits=False)  # type: ignore[arg-type]
    with ring._guard:  # as if its thread were slow
        ring._lost, ring._is_idle = 3, False
    ring._more.release()
    ring.add("stdout", b"one\n")
    ring.flush()
    assert ("stderr", b"[wherry: 3 lines were not logged: the buffer of its log driver was full]\n") in list(
        read(path, LogQuery(), lambda: False)
    )


def test_the_compressor_keeps_which_file_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "container.log.1"
    source.write_bytes(b"x" * 10000)
    found = source.stat()
    monkeypatch.setattr(sys, "argv", ["-c", str(source), str(tmp_path / "container.log.squeeze")])
    monkeypatch.setattr(os, "nice", lambda _: 0)
    squeeze()
    (result,) = [file for file in tmp_path.iterdir() if "squeezed" in file.name]
    assert result.name == f"container.log.squeezed-{found.st_ino}"
    assert gzip.decompress(result.read_bytes()) == b"x" * 10000
    assert f"{found.st_ino}-{found.st_mtime_ns}".encode() + b"\0" in result.read_bytes()[:64]
