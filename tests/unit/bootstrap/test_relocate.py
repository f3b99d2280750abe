from __future__ import annotations

import os
from pathlib import Path

import pytest

from wherry.bootstrap.pythons import Python
from wherry.bootstrap.relocate import copy, link, remove_bytecode


@pytest.fixture
def old(tmp_path: Path) -> Python:
    """A prefix with an interpreter of 3.10 and much else."""
    prefix = tmp_path / "home" / "me" / ".pyenv" / "versions" / "3.10.13"
    files = {
        "bin/python3.10": b"\x7fELF" + bytes(60) + str(prefix).encode() + b"/lib\0",
        "bin/pip3.10": b"#!" + str(prefix).encode() + b"/bin/python3.10\n",
        "bin/python3.10-config": b"#!/bin/sh\nprefix=" + str(prefix).encode() + b"\n",
        "bin/psql": b"not python's",
        "lib/libpython3.10.so.1.0": b"\x7fELF",
        "lib/libpq.so": b"not python's",
        "lib/python3.10/os.py": b"# os\n",
        "lib/python3.10/_sysconfigdata.py": f"build = {{'prefix': '{prefix}'}}\n".encode(),
        "lib/python3.10/__pycache__/os.cpython-310.pyc": b"\0",
        "lib/python3.10/test/test_os.py": b"",
        "lib/python3.10/site-packages/secret/__init__.py": b"",
        "lib/python3.10/config-3.10/libpython3.10.a": b"",
        "include/python3.10/Python.h": b"",
        "include/postgres.h": b"",
    }
    for name, data in files.items():
        path = prefix / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o700 if name.startswith("bin/") else 0o600)
    (prefix / "lib" / "libpython3.10.so").symlink_to(prefix / "lib" / "libpython3.10.so.1.0")
    return Python("3.10.13", str(prefix))


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()}


def test_only_the_interpreters_own_files_are_copied(old: Python, tmp_path: Path) -> None:
    copy(old, str(tmp_path / "new"))
    assert tree(tmp_path / "new") == {
        "bin/python3.10", "bin/python3.10-config", "lib/libpython3.10.so", "lib/libpython3.10.so.1.0",
        "lib/python3.10/os.py", "lib/python3.10/_sysconfigdata.py", "include/python3.10/Python.h",
    }  # fmt: skip
    assert (tmp_path / "new" / "lib" / "python3.10" / "site-packages").is_dir()


def test_no_byte_of_the_old_prefix_stays(old: Python, tmp_path: Path) -> None:
    copy(old, str(tmp_path / "new"))
    for name in tree(tmp_path / "new"):
        path = tmp_path / "new" / name
        said = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
        assert b"pyenv" not in said, name
    assert (tmp_path / "new" / "lib" / "python3.10" / "_sysconfigdata.py").read_text() == (
        "build = {'prefix': '/usr/local'}\n"
    )


def test_modes_are_plain_whatever_the_hosts_umask_was(old: Python, tmp_path: Path) -> None:
    copy(old, str(tmp_path / "new"))
    assert (tmp_path / "new" / "bin" / "python3.10").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "new" / "lib" / "python3.10" / "os.py").stat().st_mode & 0o7777 == 0o644


def test_short_names_lead_to_the_interpreter(old: Python, tmp_path: Path) -> None:
    copy(old, str(tmp_path / "new"))
    link(old, str(tmp_path / "new"))
    assert os.path.realpath(tmp_path / "new" / "bin" / "python") == str(tmp_path / "new" / "bin" / "python3.10")
    assert os.readlink(tmp_path / "new" / "bin" / "python3") == "python3.10"


def test_bytecode_goes_and_sources_stay(tmp_path: Path) -> None:
    (tmp_path / "a" / "__pycache__").mkdir(parents=True)
    (tmp_path / "a" / "__pycache__" / "x.pyc").touch()
    (tmp_path / "a" / "y.pyc").touch()
    (tmp_path / "a" / "x.py").touch()
    remove_bytecode(str(tmp_path))
    assert tree(tmp_path) == {"a/x.py"}
