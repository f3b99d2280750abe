"""Every privileged act wherry can perform, and every process it can start. Nothing else touches the kernel so."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NamedTuple, Protocol
else:
    from wherry.lean import NamedTuple, Protocol

__all__ = ["Command", "Completed", "FileSystem", "Host", "Mount", "Overlay"]


class Mount(NamedTuple):
    """One mount(2) call. `flags` is the MS_* bit mask, `data` the option string."""

    source: str
    target: str
    fstype: str
    flags: int = 0
    data: str = ""


class FileSystem(NamedTuple):
    """A file system to be mounted: `options` are its own (NAME or NAME=VALUE), `attributes` the mount's: ro, nosuid,
    nodev, noexec, noatime, strictatime, nodiratime, relatime."""

    fstype: str
    source: str
    options: Sequence[str] = ()
    attributes: Sequence[str] = ()


class Overlay(NamedTuple):
    """`lowers` is base layer first, as in an image; at least one; a folder may come twice. No `upper` means read-only
    (then no `work`).

    `volatile` skips every sync: for trees that are thrown away when anything goes wrong.
    """

    lowers: tuple[str, ...]
    upper: str = ""
    work: str = ""
    volatile: bool = False


class Command(NamedTuple):
    """A program and its world. `env` None means the caller's settings' PATH and LANG only.

    `stdin` is what it reads (None: nothing); `timeout_s` None waits for ever. Files in `pass_fds` keep their numbers.
    `limit_bytes` bounds what it may write, both outputs together (not with `cwd`).
    """

    argv: Sequence[str]
    stdin: bytes | None = None
    env: Mapping[str, str] | None = None
    cwd: str | None = None
    pass_fds: Sequence[int] = ()
    timeout_s: float | None = None
    limit_bytes: int | None = None


class Completed(NamedTuple):
    """`status` is the exit code, 128+n when signal n ended it."""

    status: int
    stdout: bytes
    stderr: bytes


class Host(Protocol):
    """The one door. `LinuxHost` acts; `FakeHost` records, and fails at the n-th call when told to."""

    def overlay(self, overlay: Overlay) -> int:
        """A *detached* overlay mount: a folder fd that no mount namespace shows, gone when the last fd closes.

        An O_PATH fd: a dir_fd for every `*at` call and for `open_in_root`; open "." in it to list it. `attach`
        gives it a path. The caller closes, and then the mount is gone. Raises: HostError, OSError.
        """

    def tmpfs(self, size_bytes: int) -> int:
        """A detached, empty file system in memory, root's alone (0700), never written to swap where the kernel can
        say so: for what no disk may hold. Its fd opens and makes files; else as `overlay`. Raises: OSError.
        """

    def file_system(self, wanted: FileSystem) -> int:
        """A detached mount of any other kind; its fd as `overlay`'s. Raises: HostError when the kernel lacks a file
        system that a package brings, OSError (ENODEV, EINVAL with the option as its file name, ...).
        """

    def clone(self, fd: int, *, recursive: bool = False, attributes: Sequence[str] = ()) -> int:
        """What is at `fd` (a folder or a file, O_PATH will do) as a detached mount of its own: a bind that no path is
        needed for. `recursive` takes along what is mounted below it. Attributes as FileSystem's, and "private": what
        is mounted later at the original does not come here. Raises: OSError.
        """

    def attach(self, mount_fd: int, target: str) -> None:
        """Show a detached mount at `target` in the caller's mount namespace; the fd stays open. Raises: OSError."""

    def mount(self, mount: Mount) -> None:
        """Raises: OSError."""

    def unmount(self, target: str, *, lazy: bool = False) -> None:
        """Raises: OSError (EINVAL when nothing is mounted there, EBUSY while a file or the mount's fd is open)."""

    def run(self, command: Command) -> Completed:
        """Run to the end, capturing both outputs. Raises: HostError when the program is not installed, too slow
        or says too much.
        """

    def spawn(
        self, command: Command, *, stdin: int = -1, stdout: int = -1, stderr: int = -1, session: bool = False
    ) -> int:
        """Start and return the pid; -1 gives /dev/null. `session` makes it a session leader. The caller reaps."""

    def twin(self, work: Callable[[], None], title: str, env: Mapping[str, str], keep: int) -> int | None:
        """A copy of this process that does `work`, called `title`, with no file but `keep`: the pid; the caller reaps.
        None where that can't be: `spawn` a program then.
        """

    def signal(self, pid: int, start_time: int, signo: int) -> bool:
        """Signal that very process: False, and nothing sent, when `pid` is gone or was started at another time."""

    def start_time(self, pid: int) -> int | None:
        """When the process was started, in clock ticks since boot; None when it is gone or a zombie."""

    def boot_id(self) -> str:
        """Changes at each boot, and says whether pids of a record can still mean anything."""
