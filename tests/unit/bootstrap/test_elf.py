from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from wherry.bootstrap import elf

SELF = Path(os.path.realpath(sys.executable)).read_bytes()


def test_this_interpreter_asks_for_the_c_library() -> None:
    found = elf.read(SELF)
    assert found is not None
    assert "libc.so.6" in found.needed
    assert found.machine in {62, 183}


@example(39, b"\x80")
@given(st.integers(0, 4096), st.binary(min_size=0, max_size=8))
def test_a_damaged_file_is_none_or_read_and_never_a_crash(at: int, junk: bytes) -> None:
    data = SELF[:at] + junk + SELF[at + len(junk) : 8192]
    elf.read(data)
    elf.read(junk)


def test_a_text_file_is_no_elf() -> None:
    assert elf.read(b"#!/bin/sh\n") is None


OLD = "/root/.pyenv/versions/3.10.13"


def test_a_path_below_the_old_prefix_moves_and_keeps_its_length_and_its_tail() -> None:
    data = b"x\0" + OLD.encode() + b"/lib/python3.10\0y"
    new = elf.with_prefix(data, OLD, "/usr/local")
    assert len(new) == len(data)
    assert os.path.normpath(new.split(b"\0")[1]) == b"/usr/local/lib/python3.10"
    assert b"pyenv" not in new


def test_a_version_that_the_linker_merged_into_the_end_of_the_prefix_stays() -> None:
    # Seen: sys.version became "///////", since PY_VERSION was the tail of PREFIX
    data = b"\0" + OLD.encode() + b"\0"
    new = elf.with_prefix(data, OLD, "/usr/local")
    assert new.endswith(b"/3.10.13\0")
    assert len(new) == len(data)
    assert b"pyenv" not in new


def test_a_longer_name_that_only_begins_like_the_prefix_is_left_alone() -> None:
    data = b"\0" + OLD.encode() + b"4/lib\0"
    assert elf.with_prefix(data, OLD, "/usr/local") == data


def test_nothing_changes_when_the_new_prefix_does_not_fit() -> None:
    assert elf.with_prefix(b"/opt/p/lib\0", "/opt/p", "/usr/local") == b"/opt/p/lib\0"


@given(st.binary(max_size=60), st.sampled_from([b"/", b"\0", b":", b"'", b"z"]))
def test_the_size_never_changes(noise: bytes, end: bytes) -> None:
    data = noise + OLD.encode() + end + noise
    assert len(elf.with_prefix(data, OLD, "/usr/local")) == len(data)
