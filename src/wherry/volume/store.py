"""The volumes of a root: rows in the state database, folders at ROOT/volumes/NAME/_data."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from wherry.errors import Conflict, InputError, NotFound, nearest
from wherry.fs.private import private_folder
from wherry.store.db import Database
from wherry.volume.driver import check_options
from wherry.volume.model import Volume, VolumeWish

__all__ = ["VolumeStore", "VolumeUse", "check_name", "natural"]

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_NUMBERS = re.compile(r"([0-9]+)")
_NAME_BYTES = 255
_GONE = ".gone-"


class VolumeUse(NamedTuple):
    """A container's mount of a volume; `needs_copy`: the image's content is still to be copied in. `is_named`: the
    container was told its name, and does not take it along when it goes."""

    container_id: str
    target: str
    volume: str
    needs_copy: bool
    is_named: bool = False


def check_name(name: str) -> None:
    """Docker's rule and words. Raises: InputError."""
    if len(name) == 1:
        raise InputError(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if not _NAME.fullmatch(name):
        raise InputError(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )
    if len(name) > _NAME_BYTES:
        raise InputError(f"create {name[:20]}...: the name has {len(name)} bytes; a folder's name holds {_NAME_BYTES}")


def natural(name: str) -> tuple[tuple[int, int, int], ...]:
    """The order of docker's lists: numbers in names by their value, digits before all else."""
    found = []
    for part in _NUMBERS.split(name):
        if part.isdigit():
            found.append((0, int(part), len(part)))
        else:
            found += [(1, ord(one), 0) for one in part]
    return tuple(found)


class VolumeStore:
    """Each method is one short transaction; folders are made after it and taken away inside it (by a rename)."""

    def __init__(self, db: Database, folder: str, made: Callable[[Volume], object] = lambda _: None) -> None:
        """`made` is told of each new volume once it is there."""
        self._db, self._folder, self._made = db, folder, made

    def create(self, name: str, labels: Mapping[str, str], options: Mapping[str, str]) -> Volume:
        """Made when missing; "" gives an anonymous name. One that is there stays as it is. Raises: InputError."""
        is_anonymous = not name
        name = name or os.urandom(32).hex()
        check_name(name)
        check_options(name, options)
        with self._db.write() as conn:
            found, is_new = self._ensure(conn, name, labels, options, is_anonymous=is_anonymous)
        self._finish([found], [found] if is_new else [])
        return found

    def _finish(self, found: Iterable[Volume], new: Iterable[Volume]) -> None:
        for volume in found:
            self.ensure_folder(volume)
        for volume in new:
            self._made(volume)

    def use(self, container_id: str, wanted: Sequence[VolumeWish]) -> dict[str, Volume]:
        """Volumes for a container's mounts, by target, made when missing, with their uses recorded: all or none.

        A use that is there keeps its volume. Raises: InputError.
        """
        found: dict[str, Volume] = {}
        new: list[Volume] = []
        with self._db.write() as conn:
            for one in wanted:
                row = conn.execute(
                    "SELECT volume FROM volume_use WHERE container_id = ? AND target = ?", (container_id, one.target)
                ).fetchone()
                chosen = row[0] if row else one.name or os.urandom(32).hex()
                volume, is_new = self._ensure(conn, chosen, one.labels, one.options, is_anonymous=not one.name)
                found[one.target] = volume
                new += [volume] if is_new else []
                if not row:
                    conn.execute(
                        "INSERT INTO volume_use (container_id, target, volume, needs_copy, is_named)"
                        " VALUES (?,?,?,?,?)",
                        (container_id, one.target, chosen, one.copy, one.is_named),
                    )
        self._finish(found.values(), new)
        return found

    def uses(self, container_id: str) -> list[VolumeUse]:
        rows = self._db.read().execute(
            "SELECT container_id, target, volume, needs_copy, is_named FROM volume_use WHERE container_id = ?"
            " ORDER BY target",
            (container_id,),
        )
        return [VolumeUse(row[0], row[1], row[2], bool(row[3]), bool(row[4])) for row in rows]

    def copied(self, use: VolumeUse) -> None:
        with self._db.write() as conn:
            conn.execute(
                "UPDATE volume_use SET needs_copy = 0 WHERE container_id = ? AND target = ?",
                (use.container_id, use.target),
            )

    def users(self, name: str) -> list[str]:
        """The containers that mount it."""
        rows = self._db.read().execute(
            "SELECT DISTINCT container_id FROM volume_use WHERE volume = ? ORDER BY container_id", (name,)
        )
        return [row[0] for row in rows]

    def list(self) -> tuple[Volume, ...]:
        """By name, in docker's order."""
        found = [self._volume(row) for row in self._db.read().execute(_SELECT)]
        return tuple(sorted(found, key=lambda one: natural(one.name)))

    def get(self, name: str) -> Volume:
        """Raises: NotFound."""
        row = self._db.read().execute(_SELECT + " WHERE name = ?", (name,)).fetchone()
        if row is None:
            close = nearest(name, [one.name for one in self.list()])
            hint = f"did you mean {close}?" if close else "wherry volume ls shows those there are"
            raise NotFound(f"get {name}: no such volume", hint=hint)
        return self._volume(row)

    def remove(self, name: str) -> str:
        """The row, and the folder out of the way: its new place is the answer, to be removed by the caller.

        Raises: NotFound, Conflict (in use).
        """
        self.get(name)
        with self._db.write() as conn:
            if users := self.users(name):
                raise Conflict(
                    f"remove {name}: volume is in use - [{', '.join(users)}]",
                    hint="remove the container first: wherry rm " + users[0][:12],
                )
            conn.execute("DELETE FROM volume WHERE name = ?", (name,))
            gone = f"{self._folder}/{_GONE}{os.urandom(8).hex()}"
            with suppress(FileNotFoundError):
                os.rename(f"{self._folder}/{name}", gone)
            return gone

    def leftovers(self) -> Iterable[str]:
        """Folders of volumes whose removal was cut short."""
        with suppress(FileNotFoundError):
            return [f"{self._folder}/{name}" for name in os.listdir(self._folder) if name.startswith(_GONE)]
        return []

    def forget(self, container_id: str) -> tuple[str, ...]:
        """Drop the container's uses: the anonymous volumes that nobody uses now, but those it was given by name."""
        with self._db.write() as conn:
            uses = self.uses(container_id)
            conn.execute("DELETE FROM volume_use WHERE container_id = ?", (container_id,))
            conn.execute("DELETE FROM image_use WHERE container_id = ?", (container_id,))
            known = {one.name: one for one in self.list()}
            return tuple(
                use.volume
                for use in uses
                if known[use.volume].is_anonymous and not use.is_named and not self.users(use.volume)
            )

    def use_images(self, container_id: str, images: Mapping[str, str]) -> None:
        """The container mounts these images (target: id): they are kept as long as it is. Raises: NotFound."""
        with self._db.write() as conn:
            for target, id in images.items():
                query = "SELECT 1 FROM image WHERE id = ? UNION ALL SELECT 1 FROM model WHERE id = ?"
                if not conn.execute(query, (id, id)).fetchone():
                    raise NotFound(f"No such image: {id}")
                conn.execute("INSERT OR IGNORE INTO image_use VALUES (?,?,?)", (container_id, target, id))

    def images_of(self, container_id: str) -> dict[str, str]:
        """The images that the container mounts: target to id."""
        rows = self._db.read().execute("SELECT target, image_id FROM image_use WHERE container_id = ?", (container_id,))
        return dict(rows.fetchall())

    def ensure_folder(self, volume: Volume) -> None:
        """Also when somebody removed it by hand."""
        if not os.path.isdir(volume.folder):
            private_folder(self._folder)
            os.makedirs(volume.folder, mode=0o755, exist_ok=True)

    def _ensure(
        self, conn: sqlite3.Connection, name: str, labels: Mapping[str, str], options: Mapping[str, str], *,
        is_anonymous: bool,
    ) -> tuple[Volume, bool]:  # fmt: skip
        """The volume, and whether it is new."""
        check_name(name)
        row = conn.execute(_SELECT + " WHERE name = ?", (name,)).fetchone()
        if row:
            return self._volume(row), False
        check_options(name, options)
        shown = {**labels, "com.docker.volume.anonymous": ""} if is_anonymous else dict(labels)
        values = (name, json.dumps(shown), json.dumps(dict(options)), time.time_ns(), is_anonymous)
        conn.execute("INSERT INTO volume VALUES (?,?,?,?,?)", values)
        return self._volume(values), True

    def _volume(self, row: Sequence[object]) -> Volume:
        name, labels, options, created, is_anonymous = row
        return Volume(
            str(name), f"{self._folder}/{name}/_data", json.loads(str(labels)), json.loads(str(options)),
            int(str(created)), bool(is_anonymous),
        )  # fmt: skip


_SELECT = "SELECT name, labels, options, created_ns, is_anonymous FROM volume"
