"""The real host."""

from __future__ import annotations

import os

from wherry.errors import HostError
from wherry.host import process
from wherry.host._api import Command, Completed, FileSystem, Mount, Overlay
from wherry.lean import cached_property, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["LinuxHost"]

_MOVE_MOUNT = 429
_AT_FDCWD = -100
_MOVE_F_EMPTY_PATH = 0x4


class LinuxHost:
    """Acts on this machine. `env` is what programs get when a Command names none, with the system's folders at the end
    of its PATH. `is_alone` says that this process is a command of ours and nothing else, so that it may copy itself."""

    def __init__(self, env: Mapping[str, str], *, is_alone: bool = False) -> None:
        self._is_alone = is_alone
        # `su` without a login keeps a user's PATH, which leads to neither nft nor runc
        path = f"{env.get('PATH', '')}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".lstrip(":")
        self._env = {**env, "PATH": path}

    def overlay(self, overlay: Overlay) -> int:
        from wherry.host import overlayfs

        return overlayfs.detached(overlay)

    def tmpfs(self, size_bytes: int) -> int:
        from wherry.host import overlayfs

        return overlayfs.detached_tmpfs(size_bytes)

    def file_system(self, wanted: FileSystem) -> int:
        from wherry.host import mounts

        return mounts.file_system(wanted)

    def clone(self, fd: int, *, recursive: bool = False, attributes: Sequence[str] = ()) -> int:
        from wherry.host import mounts

        return mounts.clone(fd, recursive=recursive, attributes=attributes)

    def attach(self, mount_fd: int, target: str) -> None:
        from wherry.fs import kernel

        kernel.call(_MOVE_MOUNT, mount_fd, b"", _AT_FDCWD, os.fsencode(target), _MOVE_F_EMPTY_PATH, what=target)

    def mount(self, mount: Mount) -> None:
        from wherry.host import overlayfs

        overlayfs.classic_mount(mount)

    def unmount(self, target: str, *, lazy: bool = False) -> None:
        from wherry.host import overlayfs

        overlayfs.unmount(target, lazy=lazy)

    def run(self, command: Command) -> Completed:
        return process.run(command, self._env)

    def spawn(
        self, command: Command, *, stdin: int = -1, stdout: int = -1, stderr: int = -1, session: bool = False
    ) -> int:
        return process.spawn(command, self._env, (stdin, stdout, stderr), session=session)

    def twin(self, work: Callable[[], None], title: str, env: Mapping[str, str], keep: int) -> int | None:
        if not self._is_alone:
            return None
        from wherry.host import twin

        return twin.make(work, title=title, env=env, keep=keep)

    def signal(self, pid: int, start_time: int, signo: int) -> bool:
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            # Checked after the pidfd is held, so a recycled pid cannot slip in between
            if self.start_time(pid) != start_time:
                return False
            from signal import pidfd_send_signal

            with suppress(ProcessLookupError):
                pidfd_send_signal(pidfd, signo)
                return True
            return False
        finally:
            os.close(pidfd)

    def start_time(self, pid: int) -> int | None:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                # The command's name may hold spaces and brackets: fields count from the last ")"
                fields = file.read().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in (b"Z", b"X") else int(fields[19])

    def boot_id(self) -> str:
        return self._boot_id

    @cached_property
    def _boot_id(self) -> str:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return file.read().decode().strip()


def require_root(uid: int, what: str) -> None:
    """Raises: HostError for anybody but root."""
    if uid != 0:
        raise HostError(f"{what} needs root on this machine", hint="run it with sudo")
