"""A host for tests: records each act in order, and fails when told to."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence

from wherry.errors import HostError
from wherry.host._api import Command, Completed, FileSystem, Mount, Overlay

__all__ = ["FakeHost"]


class FakeHost:
    """`fail_on` makes the n-th act (1-based) raise PermissionError, once; `answer` plays the programs.

    `processes` maps live pids to their start times; `spawn` adds to it.
    """

    def __init__(
        self,
        *,
        fail_on: int | None = None,
        answer: Callable[[Command], Completed] = lambda _: Completed(0, b"", b""),
        boot: str = "00000000-0000-0000-0000-000000000000",
    ) -> None:
        self.calls: list[tuple[str, object]] = []
        self.processes: dict[int, int] = {}
        self.boot = boot
        self._mounted: list[str] = []
        self._attempts = 0
        self._fail_on = fail_on
        self._answer = answer

    def _record(self, verb: str, what: object) -> None:
        self._attempts += 1
        if self._attempts == self._fail_on:
            raise PermissionError(1, f"fake: {verb}")
        self.calls.append((verb, what))

    def overlay(self, overlay: Overlay) -> int:
        """A fd of the upper folder, or of an empty temporary one: enough to write into, nothing is merged."""
        for folder in overlay.lowers:
            if not os.path.isdir(folder):
                raise FileNotFoundError(2, "layer folder is missing", folder)
        self._record("overlay", overlay)
        if overlay.upper:
            return os.open(overlay.upper, os.O_RDONLY | os.O_DIRECTORY)
        with tempfile.TemporaryDirectory() as folder:
            return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    def tmpfs(self, size_bytes: int) -> int:
        """A fd of an empty temporary folder, which goes with this host."""
        self._record("tmpfs", size_bytes)
        folder = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    def file_system(self, wanted: FileSystem) -> int:
        """A fd of an empty temporary folder, which goes with this host."""
        self._record("file_system", wanted)
        folder = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    def clone(self, fd: int, *, recursive: bool = False, attributes: Sequence[str] = ()) -> int:
        """A fd of the same folder."""
        self._record("clone", (os.readlink(f"/proc/self/fd/{fd}"), recursive, tuple(attributes)))
        return os.dup(fd)

    def attach(self, mount_fd: int, target: str) -> None:
        os.fstat(mount_fd)
        self._record("attach", target)
        self._mounted.append(target)

    def mount(self, mount: Mount) -> None:
        self._record("mount", mount)
        self._mounted.append(mount.target)

    def unmount(self, target: str, *, lazy: bool = False) -> None:
        if target not in self._mounted:
            raise OSError(22, "not mounted", target)
        self._record("unmount", target)
        self._mounted.remove(target)

    def run(self, command: Command) -> Completed:
        if not command.argv[0]:
            raise HostError("no program given")
        self._record("run", tuple(command.argv))
        return self._answer(command)

    def spawn(
        self, command: Command, *, stdin: int = -1, stdout: int = -1, stderr: int = -1, session: bool = False
    ) -> int:
        self._record("spawn", tuple(command.argv))
        pid = 100_000 + len(self.processes)
        self.processes[pid] = 1
        return pid

    def twin(self, work: Callable[[], None], title: str, env: Mapping[str, str], keep: int) -> int | None:
        return None

    def signal(self, pid: int, start_time: int, signo: int) -> bool:
        if self.processes.get(pid) != start_time:
            return False
        self._record("signal", (pid, signo))
        if signo == 9:
            del self.processes[pid]
        return True

    def start_time(self, pid: int) -> int | None:
        return self.processes.get(pid)

    def boot_id(self) -> str:
        return self.boot
