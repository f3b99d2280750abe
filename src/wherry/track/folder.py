"""A run's folder on the disk: its files, how they are written, and whether somebody still writes them.

Layout (docs/adr/0270-run-folder.md):

    run.json           what was known at the start; whole or not there
    events.jsonl       parameters, tags, artifacts and what is found out later, one JSON object a line; a later one wins
    metrics/*.bin      points, one file for each thread of each process (metrics.py); *.names their names
    metrics.jsonl      points written by other languages: {"loss": 0.1, "step": 3, "time": 1700000000.5}
    artifacts/sha256/  files by digest
    children/          runs begun inside a container's run
    lock               held (shared) by every process that writes
    end.json           how it ended; whole or not there

A container's program may write to the folder, so nothing in it is trusted: no link is followed, and what is no plain
file is not read (`open_inside`). Python 3.8: this package is mounted into containers.
"""

from __future__ import annotations

import os
from errno import EINVAL
from stat import S_ISREG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Mapping

__all__ = ["append", "boot_id", "events", "folders", "hold", "is_held", "load", "open_inside", "runs_home", "save"]

_LINE_LIMIT = 8 << 20
_DOCUMENT_LIMIT = 64 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def runs_home(env: Mapping[str, str]) -> str:
    """Where runs are kept: $WHERRY_RUNS, else `runs` in wherry's root as `wherry.settings.Paths` has it."""
    if env.get("WHERRY_RUNS"):
        return env["WHERRY_RUNS"]
    root = env.get("WHERRY_ROOT")
    if not root:
        data = env.get("XDG_DATA_HOME") or env.get("HOME", "/") + "/.local/share"
        root = "/var/lib/wherry" if os.geteuid() == 0 else data + "/wherry"
    return root + "/runs"


def folders(home: str) -> Iterator[str]:
    """Of all runs, those begun inside a container's run too. A folder without run.json is not one yet."""
    try:
        with os.scandir(home) as entries:
            found = sorted(one.path for one in entries if not one.name.startswith("."))
    except OSError:
        return
    for path in found:
        if not os.path.islink(path) and os.path.exists(path + "/run.json"):
            yield path
            if os.path.isdir(path + "/children") and not os.path.islink(path + "/children"):
                yield from folders(path + "/children")


def open_inside(folder: str, name: str, flags: int, mode: int = 0o666) -> int:
    """An fd of `name`, with slashes, below `folder`: a plain file, or a folder with O_DIRECTORY.

    No link below `folder` is followed, whoever changes it meanwhile. Raises: OSError, also for anything else.
    """
    base = os.open(folder, _FOLDER)
    try:
        *parents, last = name.split("/")
        for one in parents:
            below = os.open(one, _FOLDER | os.O_NOFOLLOW, dir_fd=base)
            os.close(base)
            base = below
        # Looked at first: a device may act on being opened. Not blocking: a fifo would wait for its other end
        if not flags & os.O_DIRECTORY and not _is_plain_or_none(last, base):
            raise OSError(EINVAL, "not a plain file", folder + "/" + name)
        fd = os.open(last, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode, dir_fd=base)
    finally:
        os.close(base)
    if not flags & os.O_DIRECTORY and not S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(EINVAL, "not a plain file", folder + "/" + name)
    return fd


def _is_plain_or_none(name: str, dir_fd: int) -> bool:
    try:
        return S_ISREG(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return True


def save(path: str, document: Mapping[str, Any]) -> None:
    """Whole or not at all, and on the disk when it returns. Raises: OSError."""
    import json

    folder, name = os.path.split(path)
    temporary = "%s.%d.%s.tmp" % (name, os.getpid(), os.urandom(4).hex())
    fd = open_inside(folder, temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    temporary = folder + "/" + temporary
    try:
        try:
            data = json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
            _write(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise


def load(path: str) -> dict[str, Any] | None:
    """None when it is not there or no JSON object."""
    import json

    folder, name = os.path.split(path)
    try:
        with open(open_inside(folder, name, os.O_RDONLY), "rb") as file:
            document = json.loads(file.read(_DOCUMENT_LIMIT))
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def append(folder: str, event: Mapping[str, Any]) -> None:
    """One line of events.jsonl, in one write: lines of several processes do not mix. Raises: OSError, ValueError."""
    import json

    line = json.dumps(event, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"
    if len(line) > _LINE_LIMIT:
        raise ValueError("%d bytes are too much for one parameter or tag; log a file with artifact()" % len(line))
    fd = open_inside(folder, "events.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        _write(fd, line)
    finally:
        os.close(fd)


def events(folder: str) -> Iterator[dict[str, Any]]:
    """In the order in which they were written. A torn or foreign line is passed over."""
    import json

    try:
        file = open(open_inside(folder, "events.jsonl", os.O_RDONLY), "rb")
    except OSError:
        return
    with file:
        while True:
            line = file.readline(_LINE_LIMIT + 1)
            if not line:
                return
            if not line.endswith(b"\n"):
                continue
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict):
                yield event


def hold(folder: str) -> int:
    """An fd that says "somebody writes here" until it is closed or the process is gone, kill -9 included."""
    import fcntl

    fd = open_inside(folder, "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
    except OSError:
        pass  # a file system without locks: the run is then judged by its end.json alone
    return fd


def is_held(folder: str) -> bool:
    """Whether a process that writes to the run is alive, also one in a container."""
    import fcntl

    try:
        fd = open_inside(folder, "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False


def boot_id() -> str:
    """Of the running kernel; "" where there is none."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
