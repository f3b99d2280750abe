"""Detach keys, and the last words of a monitor."""

from __future__ import annotations

import socket
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InputError
from wherry.runtime import monitor_kernel as kernel
from wherry.runtime.attach import DetachKeys, Streams, pump


def test_the_default_is_ctrl_p_ctrl_q() -> None:
    assert DetachKeys("").feed(b"ab\x10\x11cd") == (b"ab", True)


def test_a_sequence_may_come_in_pieces() -> None:
    keys = DetachKeys("")
    assert keys.feed(b"x\x10") == (b"x", False)
    assert keys.feed(b"\x11") == (b"", True)


def test_what_only_began_like_it_is_passed_on() -> None:
    keys = DetachKeys("")
    assert keys.feed(b"\x10") == (b"", False)
    assert keys.feed(b"z") == (b"\x10z", False)


@pytest.mark.parametrize(
    ("spec", "keys"), [("a", b"a"), ("ctrl-a,b", b"\x01b"), ("ctrl-@", b"\0"), ("ctrl-[", b"\x1b")]
)
def test_other_keys(spec: str, keys: bytes) -> None:
    assert DetachKeys(spec).feed(keys) == (b"", True)


@pytest.mark.parametrize("spec", ["ctrl-", "ctrl-1", "ab", "ctrl-p,,q"])
def test_keys_that_are_none(spec: str) -> None:
    with pytest.raises(InputError, match="invalid detach keys"):
        DetachKeys(spec)


@given(st.lists(st.binary(max_size=8), max_size=8), st.sampled_from(["a,a,b", "a,b,a", "ctrl-p,ctrl-q"]))
def test_without_the_sequence_nothing_is_lost(pieces: list[bytes], spec: str) -> None:
    keys = DetachKeys(spec)
    sequence = {"a,a,b": b"aab", "a,b,a": b"aba", "ctrl-p,ctrl-q": b"\x10\x11"}[spec]
    out, whole = b"", b"".join(pieces)
    for piece in pieces:
        passed, found = keys.feed(piece)
        out += passed
        if found:
            assert whole.startswith(out + sequence)
            return
    assert sequence not in whole
    assert whole.startswith(out)
    assert sequence.startswith(whole[len(out) :])


def test_wants_names_the_joined_streams() -> None:
    assert Streams().wants == ""
    assert Streams(0, -1, 2).wants == "ie"


def test_the_end_is_heard_though_the_monitor_left_our_input_unread() -> None:
    ours, theirs = kernel.socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.send(b"I")
    theirs.send(b"Oout")
    theirs.send(b'x{"code":7,"again_ns":0}')
    theirs.close()
    with tempfile.TemporaryFile() as out:
        ending = pump(ours, Streams(stdout=out.fileno()), lambda signo: None)
        out.seek(0)
        assert out.read() == b"out"
    assert ending.record is not None
    assert ending.record["code"] == 7
