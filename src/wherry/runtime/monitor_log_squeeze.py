"""Older files of a log compressed, by a process of their own: zlib stays out of the monitor, whose memory lasts.

One file at a time, `path`.N into `path`.squeeze.PID; the compressor's name for the whole result is
`path`.squeezed-INODE, and whoever writes the log moves it to where the file with that inode is by then. What is half
done when the container ends is done again some time. Inside, the result is called INODE-MTIME: so a reader knows the
file that it had open.
"""

from __future__ import annotations

import os
import select
import sys

from wherry.runtime import monitor_kernel as kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.runtime.monitor_streams import Loop

_CHUNK = 1 << 18
_PATIENCE_MS = 2000


class Squeezer:
    """The compressor of one log. `loop` None: its end is noticed at the next rotation."""

    def __init__(self, argv: list[str], path: str, max_files: int, loop: Loop | None) -> None:
        self._argv, self._path, self._max_files, self._loop = argv, path, max_files, loop
        self._pidfd, self._inode = -1, 0
        self._sweep()

    def _sweep(self) -> None:
        """What a killed monitor's compressor left; one that still works has a file of its own, which is gone now."""
        folder, name = os.path.split(self._path)
        for left in os.listdir(folder):
            if left.startswith(f"{name}.squeeze"):
                kernel.unlink(f"{folder}/{left}")

    def begin(self) -> None:
        """The oldest file that is not compressed yet, unless one is at work."""
        self.settle()
        if self._pidfd >= 0:
            return
        for number in range(self._max_files - 1, 0, -1):
            inode = _inode(f"{self._path}.{number}")
            if inode:
                self._start(f"{self._path}.{number}", inode)
                return

    def _start(self, source: str, inode: int) -> None:
        try:
            pid = os.posix_spawn(self._argv[0], [*self._argv, source, f"{self._path}.squeeze"], {})
            self._pidfd, self._inode = os.pidfd_open(pid), inode
        except OSError:
            # Memory or processes are short: the file stays as it is for now
            return
        if self._loop:
            self._loop.watch(self._pidfd, select.POLLIN, lambda _: self._ended())

    def _ended(self) -> None:
        self._forget()
        self.begin()

    def _forget(self) -> None:
        if self._pidfd >= 0:
            if self._loop:
                self._loop.forget(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        self.settle()

    def settle(self) -> None:
        """A result that is there goes to its place. Before each rotation. Raises: OSError."""
        done = f"{self._path}.squeezed-{self._inode}"
        if not self._inode or not os.path.exists(done):
            return
        for number in range(1, self._max_files):
            place = f"{self._path}.{number}"
            if _inode(place) == self._inode:
                os.rename(done, f"{place}.gz")
                kernel.unlink(place)
        kernel.unlink(done)
        self._inode = 0
        if self._pidfd >= 0:
            self._forget()

    def stop(self) -> None:
        """Nothing of it may be at work when the container is removed."""
        if self._pidfd >= 0:
            try:
                kernel.signal.pidfd_send_signal(self._pidfd, kernel.signal.SIGKILL)
            except ProcessLookupError:
                pass
            dead = select.poll()
            dead.register(self._pidfd, select.POLLIN)
            dead.poll(_PATIENCE_MS)
        self._forget()
        self._inode = 0
        self._sweep()


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def main() -> None:
    """The compressor: SOURCE, TARGET. The result's inner name is its FNAME (RFC 1952)."""
    import gzip

    source, target = sys.argv[1], f"{sys.argv[2]}.{os.getpid()}"
    os.nice(19)
    with open(source, "rb") as file:
        found = os.fstat(file.fileno())
        name = f"{found.st_ino}-{found.st_mtime_ns}"
        with open(target, "wb") as out, gzip.GzipFile(name, "wb", 6, out, mtime=0) as packed:
            while data := file.read(_CHUNK):
                packed.write(data)
    os.rename(target, f"{sys.argv[2]}d-{found.st_ino}")
