"""A copy of this very process that does other work: for what would else begin with 14 ms of a Python's start.

Only while the process is young and alone: one thread, no database open, nothing half done. The copy shares neither
terminal, streams nor files with the one it came from, and shows neither its arguments nor its environment.
docs/adr/0241-monitors-are-copies.md.
"""

from __future__ import annotations

import os

from wherry import lean_ctypes as ctypes
from wherry.lean import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["make"]

_PR_SET_NAME = 15


def make(work: Callable[[], None], *, title: str, env: Mapping[str, str], keep: int) -> int | None:
    """The pid of a copy that does `work`, with the file `keep` as its only one, in a session of its own; it ends with
    the work. None when this process can't be copied: somebody else's thread, or no room for the title.

    `title` is what it is called in lists of processes.
    """
    places = _places()
    if len(os.listdir("/proc/self/task")) != 1 or places[1] - places[0] <= len(title):
        return None
    pid = os.fork()
    if pid:
        return pid
    try:
        _become_another(keep, env)
        _rename(title.encode(), places)
        work()
    finally:
        # Whatever happens: never back into what the original was about to do
        os._exit(1)


def _become_another(keep: int, env: Mapping[str, str]) -> None:
    import gc

    os.setsid()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != keep:
            try:
                os.close(int(name))
            except OSError:
                continue  # the listing's own
    os.environ.clear()
    os.environ.update(env)
    # What the original has made stays shared with it as long as nobody counts it
    gc.freeze()
    gc.set_threshold(700, 10, 10)


def _places() -> list[int]:
    """Where the kernel looks for the arguments and the environment: begin and end of both."""
    with open("/proc/self/stat", "rb") as file:
        return [int(field) for field in file.read().rpartition(b")")[2].split()[45:49]]


def _rename(title: bytes, places: list[int]) -> None:
    """`ps` must not show the command line that is long over, nor /proc/PID/environ what the user has in his."""
    libc = ctypes.CDLL(None, use_errno=True)
    for begin, end in (places[:2], places[2:]):
        libc.memset(ctypes.c_ulong(begin), 0, ctypes.c_ulong(end - begin))
    libc.memcpy(ctypes.c_ulong(places[0]), title, ctypes.c_ulong(len(title)))
    libc.prctl(_PR_SET_NAME, b"wherry-monitor", 0, 0, 0)
