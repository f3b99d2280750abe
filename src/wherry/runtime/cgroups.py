"""The cgroups of containers as folders, on v1, hybrid and v2: finding what a killed process left, and removing it."""

from __future__ import annotations

import errno
import os
import time

from wherry.lean import signal, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ROOT", "children", "folders", "remove"]

ROOT = "/sys/fs/cgroup"
_PATIENCE_S = 2.0


def folders(path: str, root: str = ROOT) -> list[str]:
    """Where the cgroup `path` is, in each hierarchy, there or not."""
    return [top + path for top in _hierarchies(root)]


def _hierarchies(root: str) -> Iterator[str]:
    if os.path.exists(f"{root}/cgroup.controllers"):
        yield root
        return
    with suppress(FileNotFoundError):
        for entry in os.scandir(root):
            # v1 has links for controllers that share a hierarchy (cpu → cpu,cpuacct)
            if entry.is_dir(follow_symlinks=False):
                yield entry.path


def children(path: str, root: str = ROOT) -> set[str]:
    """The names of the cgroups directly below `path` ("" is the top), in any hierarchy."""
    found: set[str] = set()
    for top in _hierarchies(root):
        with suppress(FileNotFoundError):
            found.update(entry.name for entry in os.scandir(top + path) if entry.is_dir(follow_symlinks=False))
    return found


def remove(path: str, root: str = ROOT) -> bool:
    """Kill what is in the cgroup `path` ("/wherry-ID") and remove it with all below, in each hierarchy. Idempotent.

    False when something is still there after two seconds: a process in an uninterruptible sleep.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        left = [top for top in _hierarchies(root) if not _remove(top + path)]
        if not left:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)


def _remove(folder: str) -> bool:
    with suppress(OSError):
        os.rmdir(folder)  # nobody in it and nothing below: so it is nearly always
        return True
    try:
        below = [entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except OSError as fault:
        # Gone, perhaps just now (a monitor removes its container's too): one that is being read then is no device
        if fault.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENODEV):
            return True
        raise
    for path in below:
        _remove(path)
    _kill(folder)
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _kill(folder: str) -> None:
    try:
        with open(f"{folder}/cgroup.procs", encoding="utf-8") as file:
            pids = [int(line) for line in file]
    except OSError:
        # Gone meanwhile, or a threaded cgroup
        return
    for pid in pids:
        # The pid is of this cgroup as of now, and pid 0 (of another pid namespace) is nobody's
        if pid > 0:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    with suppress(OSError), open(f"{folder}/freezer.state", "w", encoding="utf-8") as file:
        file.write("THAWED")
