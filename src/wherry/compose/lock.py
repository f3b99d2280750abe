"""One project is changed by one command at a time. The kernel frees the lock when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os

from wherry.errors import Cancelled
from wherry.fs.private import private_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from wherry.cancel import Cancel

__all__ = ["ProjectLock"]

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_LONGEST = 64

_LOOK_S = 0.05


class ProjectLock:
    """The lock of one project. `with` holds it; `release` and `acquire` give it away and take it back in between.

    A command that merely waits (for health, for the user) does not hold it: `down` need not wait for an `up` whose
    database never becomes healthy. `say` is told once, when somebody else has it. The file is there only while somebody
    holds it or waits.
    """

    def __init__(self, folder: str, project: str, verb: str, *, say: Callable[[str], None], cancel: Cancel) -> None:
        """`folder` is made when missing; `verb` is what others are told that we do."""
        self._path = f"{folder}/{_file_name(project)}"
        self._project, self._verb, self._say, self._cancel = project, verb, say, cancel
        self._fd = -1
        self._has_said = False

    @property
    def is_held(self) -> bool:
        return self._fd >= 0

    def acquire(self) -> None:
        """Idempotent. Raises: Cancelled while it waits, OSError."""
        while self._fd < 0:
            private_folder(os.path.dirname(self._path))
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._take(fd)
                if self._is_current(fd):
                    if os.fstat(fd).st_size:  # of one that was killed; ext4 writes at once what follows a truncation
                        os.truncate(fd, 0)
                    os.pwrite(fd, f"{os.getpid()} {self._verb}".encode(), 0)
                    self._fd, fd = fd, -1
            finally:
                if fd >= 0:
                    os.close(fd)

    def release(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            # While it is held: who waits for this very file sees that it is no longer the one of that name
            os.unlink(self._path)
            os.close(fd)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _take(self, fd: int) -> None:
        while True:
            try:
                return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._tell(fd)
            if self._cancel.wait(_LOOK_S):
                raise Cancelled(self._cancel.reason)

    def _tell(self, fd: int) -> None:
        if self._has_said:
            return
        self._has_said = True
        pid, _, verb = os.pread(fd, 100, 0).decode("utf-8", "replace").partition(" ")
        who = f"wherry compose {verb} (process {pid})" if pid else "another wherry compose"
        self._say(f"Waiting for {who}, which works on project {self._project}")

    def _is_current(self, fd: int) -> bool:
        """Whether the file has not been removed by who held it before."""
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return False
        return there.st_ino == os.fstat(fd).st_ino


def _file_name(project: str) -> str:
    """The project's own, when a file can have it: names that `load` gives are of these characters, those of -p may not
    be."""
    if project and len(project) <= _LONGEST and _PLAIN.issuperset(project):
        return project
    from hashlib import sha256

    return f"={sha256(project.encode('utf-8', 'surrogatepass')).hexdigest()}"
