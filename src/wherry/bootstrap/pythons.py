"""The CPythons of this machine, found by reading files: no interpreter is started to ask it for its version."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

__all__ = ["Python", "best", "find", "homes", "prefixes"]

_VERSION = re.compile(rb'^#define\s+PY_VERSION\s+"(\d+\.\d+\.\d+)"', re.MULTILINE)
_UV = re.compile(r"cpython-\d+\.\d+\.\d+-")
_PYENV = re.compile(r"\d+\.\d+\.\d+\Z")


class Python(NamedTuple):
    """A CPython installation. `version` is whole ("3.10.13"); `prefix` holds bin/, lib/ and include/."""

    version: str
    prefix: str

    @property
    def short(self) -> str:
        """ "3.10"."""
        return self.version.rpartition(".")[0]

    @property
    def key(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))


def prefixes(env_get: Sequence[tuple[str, str]], home_folders: Iterable[str]) -> list[str]:
    """Folders that may be the prefix of a CPython: pyenv's and uv's versions, /usr/local and /opt.

    `env_get` is the pairs of the environment that matter: PYENV_ROOT, UV_PYTHON_INSTALL_DIR.
    """
    env = dict(env_get)
    pyenv = [env.get("PYENV_ROOT", ""), *(f"{home}/.pyenv" for home in home_folders)]
    uv = [env.get("UV_PYTHON_INSTALL_DIR", ""), *(f"{home}/.local/share/uv/python" for home in home_folders)]
    found = [*_children([f"{root}/versions" for root in pyenv if root], _PYENV), *_children(filter(None, uv), _UV)]
    found += ["/usr/local", *_children(["/opt", "/opt/python"], re.compile(""))]
    return list(dict.fromkeys(os.path.realpath(path) for path in found))


def homes(env_home: str, sudo_user: str) -> list[str]:
    """The home folders to look into: the caller's, and under sudo that of who typed it."""
    import pwd

    found = [env_home] if env_home else []
    if sudo_user:
        try:
            found.append(pwd.getpwnam(sudo_user).pw_dir)
        except KeyError:
            pass
    return found


def _children(folders: Iterable[str], name: re.Pattern[str]) -> Iterator[str]:
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        yield from (f"{folder}/{one}" for one in names if name.match(one))


def find(places: Iterable[str]) -> list[Python]:
    """Every CPython 3 below these prefixes that has its interpreter, its library and pip's seed; newest first."""
    return sorted({python for place in places for python in _in(place)}, key=lambda p: (p.key, p.prefix), reverse=True)


def _in(prefix: str) -> Iterator[Python]:
    try:
        folders = sorted(os.listdir(f"{prefix}/include"))
    except OSError:
        return
    for folder in folders:
        match = re.match(r"python(3\.\d+)\Z", folder)
        if match and os.access(f"{prefix}/bin/{folder}", os.X_OK):
            version = _version(f"{prefix}/include/{folder}/patchlevel.h")
            if version.startswith(match[1] + ".") and os.path.isdir(f"{prefix}/lib/{folder}/ensurepip"):
                yield Python(version, prefix)


def _version(header: str) -> str:
    """The release that a patchlevel.h names; "" for PyPy, a pre-release, or what can't be read."""
    try:
        with open(header, "rb") as file:
            text = file.read(65_536)
    except OSError:
        return ""
    found = _VERSION.search(text)
    return "" if b"PYPY_VERSION" in text or not found else found[1].decode()


def best(pythons: Iterable[Python], wanted: str) -> Python | None:
    """The newest one that `wanted` ("3", "3.10", "3.10.13") names."""
    return next(
        (p for p in sorted(pythons, key=lambda p: p.key, reverse=True) if (p.version + ".").startswith(wanted + ".")),
        None,
    )
