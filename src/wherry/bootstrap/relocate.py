"""A CPython copied to another prefix: nothing of its old site-packages, its old paths, its tests or its .pyc files."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from fnmatch import fnmatch

from wherry.bootstrap import elf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.bootstrap.pythons import Python

__all__ = ["copy", "elves", "link"]

# As the official images: no tests, no bytecode, no static library. lib2to3's and tkinter's tests go by the same names
_LEFT_OUT = {"test", "tests", "idle_test", "__pycache__", "site-packages"}
_LEFT_OUT_FILES = re.compile(r".*\.py[co]\Z|libpython.*\.a\Z|.*-gdb\.py\Z")


def copy(python: Python, destination: str) -> None:
    """Put the interpreter's own files under `destination`, as they are to be found at /usr/local.

    Modes become 0644 and 0755, owners root; `destination`'s folders are made. Raises: OSError.
    """
    for source in _parts(python):
        relative = os.path.relpath(source, python.prefix)
        if os.path.isdir(source) and not os.path.islink(source):
            _copy_folder(python.prefix, source, f"{destination}/{relative}")
        else:
            _copy_file(python.prefix, source, f"{destination}/{relative}")
    os.makedirs(f"{destination}/lib/python{python.short}/site-packages", exist_ok=True)


def _parts(python: Python) -> Iterator[str]:
    """Only what belongs to this version: /usr/local may hold much else."""
    short = python.short
    names = {
        "bin": (f"python{short}", f"python{short}-config", f"idle{short}", f"pydoc{short}", f"2to3-{short}"),
        "lib": (f"python{short}", f"libpython{short}.so*", "libpython3.so"),
        "lib/pkgconfig": (f"python-{short}.pc", f"python-{short}-embed.pc"),
        "include": (f"python{short}",),
    }
    for folder, patterns in names.items():
        try:
            entries = sorted(os.listdir(f"{python.prefix}/{folder}"))
        except FileNotFoundError:
            continue
        yield from (f"{python.prefix}/{folder}/{e}" for e in entries if any(fnmatch(e, p) for p in patterns))


def _copy_folder(prefix: str, source: str, target: str) -> None:
    os.makedirs(target, mode=0o755, exist_ok=True)
    for entry in sorted(os.scandir(source), key=lambda e: e.name):
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _LEFT_OUT:
                _copy_folder(prefix, entry.path, f"{target}/{entry.name}")
        elif not _LEFT_OUT_FILES.match(entry.name):
            _copy_file(prefix, entry.path, f"{target}/{entry.name}")


def _copy_file(prefix: str, source: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    if os.path.islink(source):
        to = os.readlink(source)
        os.symlink(to.replace(prefix + "/", "/usr/local/"), target)
        return
    with open(source, "rb") as file:
        data = file.read()
    if prefix != "/usr/local" and prefix.encode() in data:
        if elf.is_elf(data):
            data = elf.with_prefix(data, prefix, "/usr/local")
        else:
            data = data.replace(prefix.encode(), b"/usr/local")
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
    with open(fd, "wb") as file:
        file.write(data)
        os.fchmod(fd, 0o755 if os.stat(source).st_mode & 0o111 else 0o644)


def link(python: Python, destination: str) -> None:
    """The short names of the official images: python3, python, idle, pydoc and python-config."""
    for name in ("python", "pydoc", "idle"):
        if os.path.exists(f"{destination}/bin/{name}{python.short}"):
            _relink(f"{name}{python.short}", f"{destination}/bin/{name}3")
            _relink(f"{name}3", f"{destination}/bin/{name}")
    if os.path.exists(f"{destination}/bin/python{python.short}-config"):
        _relink(f"python{python.short}-config", f"{destination}/bin/python3-config")
        _relink("python3-config", f"{destination}/bin/python-config")


def _relink(to: str, path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)
    os.symlink(to, path)


def elves(folder: str) -> Iterator[tuple[str, elf.Elf]]:
    """(path, what it asks for) of each dynamic ELF file below `folder`, but for tkinter's.

    Tk would bring all of X11; the official slim images lack it too.
    """
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = f"{place}/{name}"
            if name.startswith("_tkinter") or os.path.islink(path):
                continue
            with open(path, "rb") as file:
                if not elf.is_elf(file.read(4)):
                    continue
                file.seek(0)
                if found := elf.read(file.read()):
                    yield path, found


def remove_bytecode(folder: str) -> None:
    """Every __pycache__ and .pyc below `folder`: they hold times, and their bytes differ from run to run."""
    for place, folders, files in os.walk(folder):
        if "__pycache__" in folders:
            shutil.rmtree(f"{place}/__pycache__")
            folders.remove("__pycache__")
        for name in files:
            if name.endswith(".pyc"):
                os.unlink(f"{place}/{name}")
