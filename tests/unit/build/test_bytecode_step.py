"""Modules are compiled ahead of pip, and count where it put the same bytes."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from wherry.build.ops import bytecode_step as step
from wherry.build.ops.bytecode_step import Shelf


def pyc(path: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(path)))


def test_nothing_is_written_for_what_pip_did_not_install(tmp_path: Path) -> None:
    """What a wheel holds may be there from before: a build requirement that pip fetched, and put elsewhere."""
    path = tmp_path / "lib.py"
    path.write_bytes(b"x = 1\n")
    pyc(path).parent.mkdir()
    pyc(path).write_bytes(b"from before")
    shelf = Shelf(str(tmp_path))
    shelf.put("lib.py", b"x = 1\n")
    assert shelf.good([str(tmp_path / "other.py")]) == {}
    assert pyc(path).read_bytes() == b"from before"


def test_a_fifo_in_a_modules_place_is_not_waited_for(tmp_path: Path) -> None:
    shelf = Shelf(str(tmp_path))
    shelf.put("one.py", b"x = 1\n")
    os.mkfifo(tmp_path / "one.py")
    assert shelf.good([str(tmp_path / "one.py")]) == {}


def test_what_is_no_file_is_not_replaced_and_a_file_is_at_once(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_bytes(b"x = 1\n")
    pyc(path).parent.mkdir()
    os.mkfifo(pyc(path))
    step.write_pyc(str(path), b"x = 1\n", b"code")
    assert pyc(path).is_fifo()
    pyc(path).unlink()
    pyc(path).write_bytes(b"of another machine")
    step.write_pyc(str(path), b"x = 1\n", b"code")
    assert pyc(path).read_bytes().endswith(b"code")
    assert [one.name for one in pyc(path).parent.iterdir()] == [pyc(path).name]


def test_of_two_wheels_with_one_file_the_first_is_kept_and_serves_only_the_same_bytes(tmp_path: Path) -> None:
    shelf = Shelf(str(tmp_path))
    shelf.put("one.py", b"x = 1\n")
    shelf.put("one.py", b"x = 2\n")
    (tmp_path / "one.py").write_bytes(b"x = 2\n")
    assert shelf.good([str(tmp_path / "one.py")]) == {}


@pytest.mark.parametrize(
    ("source", "is_ready"),
    [
        (b"x = 1\n", True), (b"# -*- coding: utf-8 -*-\nx = 1\n", True), (b"\xef\xbb\xbfx = 1\n", True), (b"", True),
        (b"x = '\\w'\n", True), (b"# coding: latin-1\nx = 1\n", False), (b"# coding: big5 (no utf-8)\n", False),
        (b"# vim: fileencoding=utf-8\n", True), (b"#!/bin/sh\n# vim: encoding=big5\n", False),
        (b"def (:\n", False), (b"x = 1\0\n", False), (b"x = '\xff'\n", False), (b"(" * 5000, False),
        (b"return 1\n", False),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_what_the_compiler_complains_of_is_left_to_the_end(source: bytes, is_ready: bool) -> None:
    assert bool(step.compiled("/x/one.py", source)) == is_ready


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("a.py", True), ("a/b.py", True), ("a/.b.py", True), ("a.data/purelib/b.py", False), ("../a.py", False),
        ("a/../b.py", False), ("/a.py", False), ("a//b.py", False), ("./a.py", False), ("a.pyc", False), ("a/", False),
    ],
)  # fmt: skip
def test_only_what_lies_beside_the_packages_is_a_module(name: str, is_one: bool) -> None:
    assert step.is_module(name) == is_one
