"""Modules are compiled ahead of pip, and written where it put the same bytes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from wherry.build.ops import bytecode_step as step
from wherry.build.ops.bytecode_step import Shelf


def pyc(path: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(path)))


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    shelf = Shelf(str(tmp_path))
    for name in ("one.py", "two.py", "three.py"):
        shelf.put("a.whl", name, b"x = 1\n")
    return shelf


def test_what_is_unpacked_is_written_at_once_in_the_wheels_order(shelf: Shelf, tmp_path: Path) -> None:
    one, two, three = (tmp_path / f"{name}.py" for name in ("one", "two", "three"))
    three.write_bytes(b"x = 1\n")
    shelf.write_early()
    assert not pyc(three).exists()
    one.write_bytes(b"x = 1\n")
    two.write_bytes(b"x =")  # pip is in the middle of it
    shelf.write_early()
    assert [pyc(path).exists() for path in (one, two, three)] == [True, False, False]
    two.write_bytes(b"x = 1\n")
    shelf.write_early()
    assert [pyc(path).exists() for path in (one, two, three)] == [True, True, True]


def test_nothing_is_written_early_that_holds_the_sources_time(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    (tmp_path / "one.py").write_bytes(b"x = 1\n")
    shelf.write_early()
    assert not pyc(tmp_path / "one.py").exists()


def test_what_was_written_for_a_file_that_changed_or_went_is_taken_back(shelf: Shelf, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.py" for name in ("one", "two", "three")]
    for path in paths:
        path.write_bytes(b"x = 1\n")
    shelf.write_early()
    paths[0].write_bytes(b"x = 2\n")
    paths[1].unlink()
    pyc(paths[1]).unlink()
    assert shelf.good([str(path) for path in (paths[0], paths[2])]) == [str(paths[2])]
    assert [pyc(path).exists() for path in paths] == [False, False, True]


def test_a_pyc_that_the_wheel_brings_later_is_replaced_at_the_end(shelf: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_bytes(b"x = 1\n")
    shelf.write_early()
    made = pyc(path).read_bytes()
    pyc(path).unlink()
    pyc(path).write_bytes(b"of another machine")
    good = shelf.good([str(path)])
    assert (good, pyc(path).read_bytes()) == ([str(path)], b"of another machine")
    step.write_pyc(good[0], *shelf.rest(good)[good[0]])
    assert pyc(path).read_bytes() == made


def test_of_two_wheels_with_one_file_the_first_is_kept_and_serves_only_the_same_bytes(tmp_path: Path) -> None:
    shelf = Shelf(str(tmp_path))
    shelf.put("a.whl", "one.py", b"x = 1\n")
    shelf.put("b.whl", "one.py", b"x = 2\n")
    (tmp_path / "one.py").write_bytes(b"x = 2\n")
    assert shelf.good([str(tmp_path / "one.py")]) == []


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
