"""Rows of containers: names and ids, found, reserved, renamed. The table is `container` in store/schema.py."""

from __future__ import annotations

import os

from wherry import lean_json as json
from wherry.errors import Conflict, InputError, NotFound
from wherry.lean import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from sqlite3 import Connection
    from typing import Any, NamedTuple

    from wherry.engine import Engine
    from wherry.runtime.options import RunOptions
    from wherry.store.db import Database
else:
    from wherry.lean import NamedTuple

__all__ = [
    "ContainerRow", "delete", "every", "find", "insert", "labelled", "rename", "root_fd", "set_options", "set_phase",
]  # fmt: skip

_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_LATER = _FIRST | frozenset("_.-")


TRACKED = "wherry.track.run"
"""The label of a container that is a training run: its id."""


class ContainerRow(NamedTuple):
    """What stays while a container lives. `image_id` is the config's digest, `image_name` as the user said it.

    `phase` is "creating" (by the process `owner`, "pid:start:boot": without it, the row is rolled back), "ready", or
    "removing" (anyone who meets it goes on with that). `command` is entrypoint and arguments as they are run.
    `ports` holds docker's NetworkSettings.Ports keys that are published, `options_json` a RunOptions.
    """

    id: str
    name: str
    image_id: str
    image_name: str
    created_ns: int
    phase: str
    owner: str
    command: tuple[str, ...]
    labels: dict[str, str]
    ports: tuple[str, ...]
    remove: bool
    options_json: str

    @property
    def short_id(self) -> str:
        return self.id[:12]

    def options(self) -> RunOptions:
        """Decoded at each call: `ps` does without."""
        from wherry.runtime.options import RunOptions

        return RunOptions.from_json(json.loads(self.options_json))


def _row(values: tuple[Any, ...]) -> ContainerRow:
    id, name, image_id, image_name, created_ns, phase, owner, command, labels, ports, remove, options = values
    return ContainerRow(
        id, name, image_id, image_name, created_ns, phase, owner, tuple(json.loads(command)), json.loads(labels),
        tuple(json.loads(ports)), bool(remove), options,
    )  # fmt: skip


def every(db: Database) -> list[ContainerRow]:
    """All rows, newest first."""
    return [_row(one) for one in db.read().execute("SELECT * FROM container ORDER BY created_ns DESC")]


def labelled(db: Database, key: str, value: str | None = None) -> list[ContainerRow]:
    """Those with that label, of any value when it is None, newest first."""
    # By the text, as json.dumps writes it: other containers' labels need not be read. It may be in a value, too
    text = f"{json.dumps(key)}: " + ("" if value is None else json.dumps(value))
    rows = db.read().execute("SELECT * FROM container WHERE instr(labels, ?) ORDER BY created_ns DESC", (text,))
    found = [_row(one) for one in rows]
    return [row for row in found if key in row.labels and value in (None, row.labels[key])]


def find(db: Database, name: str) -> ContainerRow:
    """By name, whole id, or id prefix, in this order. Raises: NotFound, Conflict when a prefix fits several."""
    wanted = name.removeprefix("/")
    read = db.read()
    found = read.execute(
        "SELECT * FROM container WHERE id = ?1 OR name = ?1 ORDER BY id != ?1 LIMIT 1", (wanted,)
    ).fetchall()
    if not found and wanted and not wanted.strip("0123456789abcdef"):
        found = read.execute(
            "SELECT * FROM container WHERE substr(id, 1, ?) = ? LIMIT 2", (len(wanted), wanted)
        ).fetchall()
        if len(found) > 1:
            raise Conflict(
                f"multiple containers found with id prefix {wanted!r}", hint="give more digits: wherry ps -a --no-trunc"
            )
    if not found:
        from wherry.errors import nearest

        names = [one[0] for one in read.execute("SELECT name FROM container")]
        close = nearest(wanted, names)
        raise NotFound(f"No such container: {name}", hint=f"did you mean {close}?" if close else None)
    return _row(found[0])


def check_name(name: str, lead: str = "") -> None:
    """`lead` comes before the message. Raises: InputError."""
    if len(name) < 2 or name[0] not in _FIRST or not _LATER.issuperset(name):
        shown = f"/{name}" if lead else name
        raise InputError(
            f"{lead}Invalid container name ({shown}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
            hint="a name has two characters at least" if len(name) < 2 else None,
        )


def _refuse_taken(write: Connection, name: str, lead: str = "") -> None:
    taken = write.execute("SELECT id FROM container WHERE name = ?", (name,)).fetchone()
    if taken:
        raise Conflict(
            f'{lead}Conflict. The container name "/{name}" is already in use by container "{taken[0]}". '
            "You have to remove (or rename) that container to be able to reuse that name."
        )


def insert(db: Database, row: ContainerRow) -> None:
    """Reserve id and name, at once or not at all. Raises: Conflict, NotFound when the image was removed meanwhile."""
    with db.write() as write:
        _refuse_taken(write, row.name)
        # In the same transaction: from here on rmi sees that the image is in use
        if not write.execute("SELECT 1 FROM image WHERE id = ?", (row.image_id,)).fetchone():
            raise NotFound(f"No such image: {row.image_name}")
        write.execute(
            "INSERT INTO container VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row[:7], json.dumps(row.command), json.dumps(row.labels), json.dumps(row.ports), *row[10:]),
        )


def rename(db: Database, row: ContainerRow, new_name: str) -> None:
    """Raises: Conflict, InputError."""
    new_name = new_name.removeprefix("/")
    if not new_name:
        raise InputError("Neither old nor new names may be empty")
    if new_name == row.name:
        raise InputError("Renaming a container with the same name as its current name")
    lead = "Error when allocating new name: "
    check_name(new_name, lead)
    with db.write() as write:
        _refuse_taken(write, new_name, lead)
        write.execute("UPDATE container SET name = ? WHERE id = ?", (new_name, row.id))


def set_phase(db: Database, id: str, phase: str) -> None:
    with db.write() as write:
        write.execute("UPDATE container SET phase = ?, owner = '' WHERE id = ?", (phase, id))


def set_options(db: Database, row: ContainerRow, options: RunOptions) -> ContainerRow:
    """What later starts are made of; the row with it. The container's lock is held by the caller."""
    text = json.dumps(options.to_json(), separators=(",", ":"))
    with db.write() as write:
        write.execute("UPDATE container SET options = ? WHERE id = ?", (text, row.id))
    return row._replace(options_json=text)


def delete(db: Database, id: str) -> None:
    """The last step of a removal: from here on the name is free."""
    with db.write() as write:
        write.execute("DELETE FROM container WHERE id = ?", (id,))


@contextmanager
def root_fd(engine: Engine, row: ContainerRow) -> Iterator[int]:
    """See Containers.root_fd."""
    from wherry.engine import containers_lock

    with containers_lock.held(engine, row):
        row = find(engine.db, row.id)  # it may have gone meanwhile: a mount would make its folder again
        state = engine.containers.state(row.id)
        if state.pid:
            fd = os.open(f"/proc/{state.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        else:
            from wherry.engine import containers_rootfs

            fd = containers_rootfs.open_overlay(engine, row)
        try:
            yield fd
        finally:
            os.close(fd)
