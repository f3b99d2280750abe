"""A folder or file of a user's as the files of a model, and what their headers say."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from wherry.errors import InputError
from wherry.models.config import Described, described
from wherry.models.headers import Facts, merged, read_facts
from wherry.models.kinds import format_of, is_pickle

__all__ = ["Found", "Scanned", "scan", "warnings"]

_MOST_FILES = 10_000
_LARGEST_SETTINGS = 4 << 20
_LEFT_OUT = frozenset({"__pycache__", "node_modules"})


class Found(NamedTuple):
    """`path` is where the file is on this machine, `name` where it is in the model."""

    path: str
    name: str
    size: int
    executable: bool = False


class Scanned(NamedTuple):
    """`files` by name. `pickles` are the names of those that run code when they are loaded."""

    files: tuple[Found, ...]
    described: Described
    facts: Facts | None
    pickles: tuple[str, ...]


def scan(path: str, asked: Described) -> Scanned:
    """Reads names and headers only, however large the weights are. What begins with a dot is left out, as .git is.

    Links to files are followed (so is a snapshot of Hugging Face's cache laid out), a link to a folder is an error.
    Raises: InputError, InvalidSpec (a broken header: what would be pushed is no whole model).
    """
    files = _files(path)
    facts, pickles, settings = [], [], b""
    for one in files:
        fd = _open(one.path)
        try:

            def read_at(offset: int, count: int, fd: int = fd) -> bytes:
                return os.pread(fd, count, offset)

            if is_pickle(one.name, read_at(0, 4096)):
                pickles.append(one.name)
            elif (found := read_facts(one.name, one.size, read_at)) is not None:
                facts.append(found)
            if one.name == "config.json" and one.size <= _LARGEST_SETTINGS:
                settings = read_at(0, one.size)
        finally:
            os.close(fd)
    together = merged(facts)
    name = os.path.basename(os.path.abspath(path))
    if not os.path.isdir(path):
        name = name.partition(".")[0]
    formats = [format for one in files if (format := format_of(one.name))]
    return Scanned(tuple(files), described(asked, together, settings, name, formats), together, tuple(pickles))


def _files(path: str) -> list[Found]:
    try:
        status = os.stat(path)
    except OSError as fault:
        raise InputError(
            f"cannot read {path}: {fault.strerror}", hint="a model is a file, or a folder of files"
        ) from None
    if stat.S_ISREG(status.st_mode):
        return [_found(path, os.path.basename(path))]
    if not stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path} is neither a file nor a folder")
    files = [_found(f"{path}/{name}", name) for name in sorted(_walk(path, ""))]
    if not files:
        raise InputError(f"{path} holds no files", hint="a model is a file, or a folder of files")
    return files


def _walk(root: str, below: str) -> list[str]:
    names: list[str] = []
    try:
        with os.scandir(f"{root}/{below}" if below else root) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as fault:
        raise InputError(f"cannot read {fault.filename}: {fault.strerror}") from None
    for entry in found:
        name = f"{below}/{entry.name}" if below else entry.name
        if entry.name.startswith(".") or entry.name in _LEFT_OUT:
            continue
        if entry.is_dir(follow_symlinks=False):
            names += _walk(root, name)
        elif entry.is_dir():
            raise InputError(f"{root}/{name} is a link to a folder", hint="cp -rL makes a folder without links of it")
        else:
            names.append(name)
        if len(names) > _MOST_FILES:
            raise InputError(f"{root} holds more than {_MOST_FILES} files", hint="name the model's own folder")
    return names


def _found(path: str, name: str) -> Found:
    try:
        status = os.stat(path)
    except OSError as fault:
        raise InputError(f"cannot read {path}: {fault.strerror}", hint="a link that leads nowhere?") from None
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path} is not a file", hint="a model holds files and folders only")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError(f"{path!r}: a model's file names are UTF-8") from None
    if any(ord(letter) < 32 for letter in name):
        raise InputError(f"{path!r}: a model's file names hold no control characters")
    return Found(path, name, status.st_size, bool(status.st_mode & 0o100))


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as fault:
        raise InputError(f"cannot read {path}: {fault.strerror}") from None


def warnings(scanned: Scanned) -> Sequence[str]:
    """What whoever packs it should know."""
    return [
        f"{name} is a pickle: whoever loads it runs the code in it; safetensors, GGUF and ONNX hold numbers only"
        for name in scanned.pickles
    ]
