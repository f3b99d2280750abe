"""A project's files: walked once, bounded in number, and read in bounded pieces.

Folders are never entered through a symbolic link, so that no loop and no other part of the machine is walked. A file
behind a link counts when what it names lies in the project.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from wherry.errors import InputError

__all__ = ["Entry", "Files", "walk"]

MOST_FILES = 50_000
DEEPEST = 30
LARGEST_SOURCE_BYTES = 1 << 20
LARGEST_TEXT_BYTES = 8 << 20

# Never entered: made by tools, installed, or somebody else's
SKIPPED = frozenset({
    ".git", ".hg", ".svn", ".jj", ".venv", "venv", ".env", "env", "virtualenv", "node_modules", "__pycache__",
    "site-packages", ".tox", ".nox", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".cache",
    ".ipynb_checkpoints", ".idea", ".vscode", ".eggs", ".pixi", ".conda", ".terraform", ".aws-sam", "mlruns",
    "mlartifacts", "wandb", "lightning_logs", "runs", "tensorboard", ".neptune", ".dvc", ".gradio", ".chainlit",
    ".next", "bower_components", "__pypackages__", ".direnv", "htmlcov", ".coverage", ".wherry",
})  # fmt: skip
# Entered only when they hold Python: names of packages as well as of folders of data
DATA = frozenset(
    {"data", "dataset", "datasets", "raw_data", "training_data", "train_data", "images", "videos", "audio"}
)
_AMBIGUOUS = frozenset({"env", "runs", "wandb", ".env", "tensorboard", "build", "dist"})


class Entry(NamedTuple):
    path: str
    """Relative to the project, with "/"."""
    size_bytes: int


class Files(NamedTuple):
    root: str
    entries: tuple[Entry, ...]
    """By path, the shallow ones of a folder before what is below it."""
    skipped: tuple[str, ...]
    data: tuple[str, ...]
    unreadable: tuple[str, ...]
    is_complete: bool

    def read(self, path: str, limit: int = LARGEST_TEXT_BYTES) -> bytes | None:
        """The first `limit` bytes; None when it can't be read, or is no plain file any more."""
        try:
            # Not blocking: a pipe that took the file's place must not hold us
            fd = os.open(os.path.join(self.root, path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError):
            return None
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None
            return _read_up_to(fd, limit)
        except OSError:
            return None
        finally:
            os.close(fd)

    def text(self, path: str, limit: int = LARGEST_TEXT_BYTES) -> str | None:
        """As UTF-8 (a byte-order mark is taken off; UTF-16 with one is read); what is no text is replaced by U+FFFD."""
        data = self.read(path, limit)
        if data is None:
            return None
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return data.decode("utf-16", "replace")
        return data.decode("utf-8-sig", "replace")

    def has(self, path: str) -> bool:
        return any(entry.path == path for entry in self.entries)


def _read_up_to(fd: int, limit: int) -> bytes:
    data = os.read(fd, limit)
    if len(data) == limit or not data:
        return data
    parts = [data]
    left = limit - len(data)
    while left > 0 and (more := os.read(fd, left)):
        parts.append(more)
        left -= len(more)
    return b"".join(parts)


def walk(folder: str) -> Files:
    """Raises: InputError when `folder` is no folder that can be listed."""
    root = os.path.realpath(folder)
    try:
        os.scandir(root).close()
    except OSError as fault:
        raise InputError(f"cannot read the project {folder}: {fault.strerror}", hint="name a folder") from None
    found = _Walk(root)
    found.folder("", 0)
    found.entries.sort(key=lambda entry: (entry.path.count("/"), entry.path))
    return Files(
        root,
        tuple(found.entries),
        tuple(sorted(found.skipped)),
        tuple(sorted(found.data)),
        tuple(sorted(found.unreadable)),
        found.is_complete,
    )


class _Walk:
    def __init__(self, root: str) -> None:
        self.root = root
        self.entries: list[Entry] = []
        self.skipped: list[str] = []
        self.data: list[str] = []
        self.unreadable: list[str] = []
        self.is_complete = True

    def folder(self, path: str, depth: int) -> None:
        try:
            with os.scandir(os.path.join(self.root, path) if path else self.root) as found:
                items = sorted(found, key=lambda item: item.name)
        except OSError:
            self.unreadable.append(path)
            return
        prefix = path + "/" if path else ""
        if path and self._is_foreign(path, items):
            return
        folders = []
        for item in items:
            if len(self.entries) >= MOST_FILES:
                self.is_complete = False
                return
            if item.is_dir(follow_symlinks=False):
                folders.append(item.name)
            elif (size := self._size(item)) is not None:
                self.entries.append(Entry(prefix + _shown(item.name), size))
        for name in folders:
            if depth >= DEEPEST:
                self.is_complete = False
            elif (name in SKIPPED and name not in _AMBIGUOUS) or name.endswith(".egg-info"):
                self.skipped.append(prefix + name)
            elif name == _shown(name):
                self.folder(prefix + name, depth + 1)

    def _is_foreign(self, path: str, items: list[os.DirEntry[str]]) -> bool:
        """Noted, and nothing below is looked at: an environment by its marker, output and data without Python."""
        name = path.rpartition("/")[2]
        names = {item.name for item in items}
        if "pyvenv.cfg" in names or "conda-meta" in names or "CACHEDIR.TAG" in names:
            self.skipped.append(path)
            return True
        has_python = any(one.endswith(".py") for one in names)
        if name in _AMBIGUOUS and not has_python:
            self.skipped.append(path)
            return True
        if name.lower() in DATA and not has_python:
            self.data.append(path)
            prefix = path + "/"
            sizes = ((item, self._size(item)) for item in items[:1000] if not item.is_dir(follow_symlinks=False))
            self.entries += [Entry(prefix + _shown(item.name), size) for item, size in sizes if size is not None]
            return True
        return False

    def _size(self, item: os.DirEntry[str]) -> int | None:
        """None for what is no file of the project: pipes, sockets, links that lead nowhere or out."""
        try:
            if item.is_symlink():
                real = os.path.realpath(item.path, strict=True)
                if not real.startswith(self.root + "/"):
                    return None
            about = item.stat()
        except (OSError, ValueError):
            return None
        return about.st_size if stat.S_ISREG(about.st_mode) else None


def _shown(name: str) -> str:
    """Names that are no UTF-8 can't be written into a Dockerfile either: they are shown, and not opened."""
    return name.encode("utf-8", "replace").decode() if not name.isascii() else name
