"""Which steps are `pip install` and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.build.graph import Run, RunMount
from wherry.build.ops.pip_bytecode import faster


@pytest.fixture
def root_fd(tmp_path: Path) -> Iterator[int]:
    for name in ("usr/local/bin", "usr/bin", "etc"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "usr/local/bin/pip").write_text("#!/usr/local/bin/python3.10\nimport pip\n")
    (tmp_path / "usr/local/bin/pip3").symlink_to("/usr/local/bin/pip")
    (tmp_path / "usr/local/bin/python3.10").touch()
    (tmp_path / "usr/local/bin/python").symlink_to("python3.10")
    (tmp_path / "usr/bin/pip3.12").write_text("#!/bin/sh\nexec pip\n")
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def shell(text: str, **fields: object) -> Run:
    return Run(("/bin/sh", "-c", text), **fields)  # type: ignore[arg-type]


PLAIN = [
    "pip install -r requirements.txt",
    "pip install --no-cache-dir --upgrade -r /app/requirements.txt",
    "pip3 install 'fastapi>=0.115,<1' scikit-learn==1.5",
    "pip install -qq --extra-index-url https://example.org/simple x",
    "python -m pip install uvicorn[standard]",
    "pip install --root-user-action=ignore -U pip",
]
OTHER = [
    "pip install -r requirements.txt && rm -rf /root/.cache",
    "pip install x; true",
    "pip install $PACKAGES",
    "pip install `cat list`",
    "pip install x > log",
    "pip install x # why",
    "pip install --no-compile x",
    "pip install --no-comp x",
    "pip install -t /opt x",
    "pip install --target=/opt x",
    "pip install --prefix /opt x",
    "pip install --user x",
    "pip install --root=/mnt x",
    "PIP_TARGET=/opt pip install x",
    "pip --python /opt/python install x",
    "pip download x",
    "pip3.12 install x",
    "sudo pip install x",
    "pip install 'x",
    "exec pip install x",
    "./pip install x",
    "true",
    "",
]


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_install_runs_in_two_parts(root_fd: int, text: str) -> None:
    op = shell(text)
    made = faster(op, root_fd)
    assert made.argv[0] in ("/usr/local/bin/python3.10", "/usr/local/bin/python")
    assert made.argv[4:] == op.argv
    assert made._replace(argv=op.argv) == op
    assert " apt" not in made.argv[3]


def test_the_other_form_is_taken_too(root_fd: int) -> None:
    assert faster(Run(("pip", "install", "x y>z")), root_fd).argv[4:] == ("pip", "install", "x y>z")


@pytest.mark.parametrize("text", OTHER)
def test_anything_else_stays_as_it_is(root_fd: int, text: str) -> None:
    assert faster(shell(text), root_fd) == shell(text)


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "app"},
        {"env": ("PIP_NO_COMPILE=1",)},
        {"env": ("PIP_COMPILE=1",)},
        {"env": ("PYTHONPYCACHEPREFIX=/tmp",)},
        {"hidden_env": ("PIP_PREFIX=/opt",)},
        {"env": ("HOME=/home/app",)},
        {"hidden_env": ("HOME=/home/app",)},
        {"env": ("XDG_CONFIG_HOME=/etc/app",)},
        {"env": ("XDG_CONFIG_DIRS=/etc/app",)},
        {"env": ("PYTHONHASHSEED=7",)},
        {"env": ("SOURCE_DATE_EPOCH=1",)},
        {"hidden_env": ("SOURCE_DATE_EPOCH=1",)},
        {"env": ("PIP_CONFIG_FILE=/app/pip.conf",)},
        {"hidden_env": ("PIP_CONFIG_FILE=/app/pip.conf",)},
        {"env": ("PATH=bin:/usr/local/bin",)},
        {"env": ("PATH=/nowhere",)},
        {"mounts": (RunMount("cache", "/usr/local/lib"),)},
        {"script": ("s", b"#!/bin/sh\n")},
    ],
)
def test_where_pip_may_compile_otherwise_it_stays_too(root_fd: int, fields: dict[str, object]) -> None:
    op = shell("pip install x", **fields)
    assert faster(op, root_fd) == op


@pytest.mark.parametrize("name", ["python3.7", "python2.7", "pypy3.10", "python3"])
def test_a_python_that_is_too_old_or_another_is_left_to_pip(root_fd: int, tmp_path: Path, name: str) -> None:
    """By the interpreter's own file, whatever the links to it are called."""
    (tmp_path / "usr/local/bin/python3.10").rename(tmp_path / "usr/local/bin" / name)
    (tmp_path / "usr/local/bin/python3.10").symlink_to(name)
    assert faster(shell("pip install x"), root_fd) == shell("pip install x")


@pytest.mark.parametrize("path", ["etc/pip.conf", "usr/local/pip.conf", "root/.config/pip/pip.conf"])
def test_a_configuration_of_pip_is_left_to_pip(root_fd: int, tmp_path: Path, path: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("[install]\nno-compile = no\n")
    assert faster(shell("pip install x"), root_fd) == shell("pip install x")
