"""ROOT/cache: the folders that RUN steps keep between builds, and what the database notes of them.

`mounts/HASH` are cache mounts, `ambient/NAME` package managers' downloads. Beside each stands NAME.lock: shared while a
step uses the folder, so that nobody takes it away. A folder without a row (of an older wherry, or of a database that
was lost) counts by its own times.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from typing import NamedTuple

from wherry.fs.private import private_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wherry.engine import Engine
    from wherry.store.db import Database

__all__ = [
    "AMBIENT", "MOUNTS", "BuilderFolders", "FolderRow", "folders", "forget", "forget_rows", "is_in_use", "measure",
    "note", "size_now",
]  # fmt: skip

MOUNTS, AMBIENT = "mounts", "ambient"
_NOTES = (".lock", ".begin")


class FolderRow(NamedTuple):
    """`name` is "mounts/HASH" or "ambient/NAME"; `size` what it held at `measured_ns` (0: never measured)."""

    name: str
    what: str
    created_ns: int
    used_ns: int
    uses: int
    size: int = 0
    measured_ns: int = 0

    @property
    def is_mount(self) -> bool:
        return self.name.startswith(f"{MOUNTS}/")


class BuilderFolders:
    """`build.ops.cachemounts.CacheFolders`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, name: str, what: str) -> str:
        parent = f"{self._engine.settings.paths.cache}/{MOUNTS}"
        private_folder(parent)
        note(self._engine.db, [(f"{MOUNTS}/{name}", what)])
        return f"{parent}/{name}"


def note(db: Database, used: Sequence[tuple[str, str]]) -> None:
    """That these folders, (name, what it is), are used now."""
    now = time.time_ns()
    with db.write() as conn:
        conn.executemany(
            "INSERT INTO cache_folder (name, what, created_ns, used_ns) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET used_ns = excluded.used_ns, what = excluded.what, uses = uses + 1",
            [(name, what, now, now) for name, what in used],
        )


def folders(db: Database, cache: str) -> list[FolderRow]:
    """Every folder below `cache` (ROOT/cache), the least recently used first."""
    query = "SELECT name, what, created_ns, used_ns, uses, size, measured_ns FROM cache_folder"
    rows = {row[0]: FolderRow(*row) for row in db.read().execute(query)}
    found = [rows.get(name) or FolderRow(name, "", mtime_ns, mtime_ns, 0) for name, mtime_ns in _there(cache)]
    return sorted(found, key=lambda row: (row.used_ns, row.name))


def _there(cache: str) -> Iterator[tuple[str, int]]:
    for kind in (MOUNTS, AMBIENT):
        with suppress(FileNotFoundError):
            for name in os.listdir(f"{cache}/{kind}"):
                if not name.endswith(_NOTES):
                    with suppress(FileNotFoundError):
                        yield f"{kind}/{name}", os.lstat(f"{cache}/{kind}/{name}").st_mtime_ns


def size_now(cache: str, name: str) -> int:
    """Bytes in the folder. Raises: FileNotFoundError."""
    from wherry.fs.tree import disk_usage

    path = f"{cache}/{name}"
    found = os.lstat(path)
    return disk_usage(path) if stat.S_ISDIR(found.st_mode) else found.st_size


def measure(db: Database, cache: str, row: FolderRow) -> FolderRow:
    """With the size that it has now, which is noted. Raises: FileNotFoundError."""
    size, now = size_now(cache, row.name), time.time_ns()
    with db.write() as conn:
        conn.execute(
            "INSERT INTO cache_folder (name, what, created_ns, used_ns, uses, size, measured_ns) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET size = excluded.size, measured_ns = excluded.measured_ns",
            (row.name, row.what, row.created_ns, row.used_ns, row.uses, size, now),
        )
    return row._replace(size=size, measured_ns=now)


def is_in_use(cache: str, name: str) -> bool:
    """Whether a step has it now."""
    from wherry.errors import Locked
    from wherry.fs.lock import locked

    try:
        with locked(f"{cache}/{name}.lock", timeout_s=0):
            return False
    except Locked:
        return True


def forget(cache: str, name: str, away: str) -> bool:
    """Move the folder to `away`, for the caller to remove; False when a step uses it, or it is gone. Raises: OSError.

    Killed after that, the next sweep of ROOT/tmp removes what was moved; a row without a folder says nothing.
    """
    from wherry.errors import Locked
    from wherry.fs.lock import locked

    path = f"{cache}/{name}"
    try:
        with locked(f"{path}.lock", timeout_s=0):
            os.rename(path, away)
    except (Locked, FileNotFoundError):
        return False
    return True


def forget_rows(db: Database, names: Sequence[str]) -> None:
    with db.write() as conn:
        conn.executemany("DELETE FROM cache_folder WHERE name = ?", [(name,) for name in names])
