"""Events, written: one record is one append to ROOT/events/log. docs/adr/0192-events-are-a-log-file.md.

Here because a monitor writes them too, and imports nothing of wherry but its own modules.

A record is RS (0x1e), a JSON object and a line feed (RFC 7464): {"Type", "Action", "ID", "Attributes", "timeNano"}.
What a full disk cut short ends at the next RS. The kernel orders appends. At FULL bytes the file becomes `log.1`, and
what that was is gone.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

FULL = 4 << 20
LONGEST = 256 << 10  # of one record: labels come from images
_TRIES = 3


def record(kind: str, action: str, id: str, attributes: Mapping[str, Any], encode: Callable[[Any], str]) -> bytes:
    """As it is in the file. `encode` makes JSON of a dict: monitors have one of their own."""
    doc = {"Type": kind, "Action": action, "ID": id, "Attributes": attributes, "timeNano": time.time_ns()}
    data = f"\x1e{encode(doc)}\n".encode("utf-8", "replace")
    if len(data) <= LONGEST:
        return data
    doc["Attributes"] = {name: attributes[name] for name in ("image", "name", "exitCode") if name in attributes}
    return f"\x1e{encode(doc)}\n".encode("utf-8", "replace")


def append(folder: str, data: bytes) -> None:
    """Add records; the folder is made when it is missing. A disk that takes nothing loses them: nothing fails for that.

    Four system calls. After them they are in `log` or `log.1`, whoever rotates meanwhile.
    """
    for _ in range(_TRIES):
        try:
            fd = _open(folder)
        except OSError:
            return
        try:
            os.write(fd, data)
            told = os.fstat(fd)
            if told.st_size > FULL:
                _rotate(folder, told.st_ino)
        except OSError:
            return
        finally:
            os.close(fd)
        if told.st_nlink:
            return
        # Twice rotated between our open and write: nobody would read it there


def _open(folder: str) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(f"{folder}/log", flags, 0o600)
    except FileNotFoundError:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        return os.open(f"{folder}/log", flags, 0o600)


def _rotate(folder: str, ino: int) -> None:
    import fcntl

    lock = os.open(f"{folder}/lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Another one may be at it, or was quicker. Nobody is waited for
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.stat(f"{folder}/log").st_ino == ino:
            os.rename(f"{folder}/log", f"{folder}/log.1")
    finally:
        os.close(lock)


class Told:
    """What one container's monitor reports. `plan` is {"folder", "attributes"}: image, name and labels at its start."""

    def __init__(self, plan: Mapping[str, Any] | None, id: str, bundle: str, encode: Callable[[Any], str]) -> None:
        self._plan, self._id, self._bundle, self._encode = plan, id, bundle, encode

    def say(self, action: str, **more: str) -> None:
        if self._plan:
            attributes = {**self._plan["attributes"], **self._renamed(), **more}
            append(self._plan["folder"], record("container", action, self._id, attributes, self._encode))

    def _renamed(self) -> dict[str, str]:
        """`rename` leaves the new name in the bundle."""
        try:
            fd = os.open(f"{self._bundle}/name", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return {}
        try:
            return {"name": os.read(fd, 4096).decode("utf-8", "replace")}
        finally:
            os.close(fd)
