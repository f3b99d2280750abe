"""What the tests of tracing share: layer folders, and commands run over a step's root, traced and untraced."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from wherry.cancel import Cancel
from wherry.host import Overlay
from wherry.host.linux import LinuxHost
from wherry.trace.observe import CONTENT, LINK, LIST, NODE, XATTRS, PathSet
from wherry.trace.session import Session

ENV = {
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "HOME": "/",
    "LC_ALL": "C",
    "PYTHONDONTWRITEBYTECODE": "1",
}
LETTERS = ((NODE, "N"), (CONTENT, "C"), (LINK, "K"), (LIST, "L"), (XATTRS, "X"))
# The programs are this machine's own, bound into the root: they are no part of any layer
_ENTER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def check(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), what)
def mount(source, target, kind, flags):
    check(libc.mount(source, target, kind, ctypes.c_ulong(flags), None), target)
root, fd, argv = sys.argv[1].encode(), int(sys.argv[2]), sys.argv[3:]
check(libc.unshare(0x20000), "unshare")
mount(None, b"/", None, 0x84000)
libc.syscall.restype = ctypes.c_long
check(libc.syscall(ctypes.c_long(429), ctypes.c_long(fd), b"", ctypes.c_long(-100), root, ctypes.c_long(4)), "attach")
os.close(fd)
for one in (b"/usr", b"/proc", b"/dev"):
    mount(one, root + one, None, 0x5000)
os.chroot(root)
os.chdir("/app" if os.path.isdir("/app") else "/")
os.execvp(argv[0], argv)
"""


class Done(NamedTuple):
    """`seen` is None for an untraced run."""

    status: int
    output: bytes
    upper: Path
    seen: PathSet | None

    def kinds(self, below: str = "", layer: int = 0) -> dict[str, str]:
        """What was asked about each path of a layer: N C K(link) L X, for those at and below `below`."""
        assert self.seen is not None
        return {
            path: "".join(letter for bit, letter in LETTERS if one.kinds & bit)
            for one in self.seen.looks
            if one.layer == layer and f"{(path := os.fsdecode(one.path))}/".startswith(below)
        }


class TraceLab:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = LinuxHost(ENV)
        self.base = self.layer("base", dress)
        self.attach = folder / "attach"
        self.attach.mkdir()
        self._runs = 0

    def layer(self, name: str, fill: Callable[[Path], None]) -> Path:
        folder = self.folder / "layers" / name / "fs"
        folder.mkdir(parents=True)
        fill(folder)
        clamp(folder)
        return folder

    def overlay(self, layers: Sequence[Path]) -> Overlay:
        self._runs += 1
        work = self.folder / f"run{self._runs}"
        for name in ("upper", "work"):
            (work / name).mkdir(parents=True)
        return Overlay(tuple(map(str, (self.base, *layers))), str(work / "upper"), str(work / "work"), volatile=True)

    @contextlib.contextmanager
    def session(self, layers: Sequence[Path], *, patience_s: float = 30.0) -> Iterator[tuple[Session, Overlay]]:
        overlay = self.overlay(layers)
        session = Session.start(self.host, overlay, range(1, len(layers) + 1), Cancel(), patience_s=patience_s)
        try:
            yield session, overlay
        finally:
            session.close()

    def popen(self, root_fd: int, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _ENTER, str(self.attach), str(root_fd), *argv],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=[root_fd], env=ENV,
        )  # fmt: skip

    def traced(self, layers: Sequence[Path], *argv: str) -> Done:
        with self.session(layers) as (session, overlay):
            process = self.popen(session.root_fd, argv)
            output = process.communicate()[0]
            seen = session.finish()
        return Done(process.returncode, output, Path(overlay.upper), seen)

    def untraced(self, layers: Sequence[Path], *argv: str) -> Done:
        overlay = self.overlay(layers)
        fd = self.host.overlay(overlay)
        try:
            process = self.popen(fd, argv)
            output = process.communicate()[0]
        finally:
            os.close(fd)
        return Done(process.returncode, output, Path(overlay.upper), None)


def dress(folder: Path) -> None:
    for name in ("usr", "proc", "dev", "tmp", "etc", "app"):
        (folder / name).mkdir()
    for name in ("bin", "lib", "lib64", "sbin"):
        (folder / name).symlink_to(f"usr/{name}")
    (folder / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")


def clamp(folder: Path) -> None:
    """Every time in a layer is one constant, as a build makes it."""
    for path, names, files in os.walk(folder, topdown=False):
        for name in (*names, *files):
            os.utime(os.path.join(path, name), ns=(10**18, 10**18), follow_symlinks=False)
    os.utime(folder, ns=(10**18, 10**18))
