"""A real wherry with a root of its own, a busybox image in it, and proof that nothing stays behind.

`wherry` runs the command line as a process; `root` gives one root for the whole session, `make_root` others. After
each test that used one, every mount, link, nft table, cgroup and process that names the root must be gone.
"""

from __future__ import annotations

import errno
import io
import os
import pty
import select
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import wherry as package
from tests import needs
from wherry.engine import Engine
from wherry.host.linux import LinuxHost
from wherry.settings import Paths, Settings

BUSYBOX = "/bin/busybox"
_SOURCES = str(Path(package.__file__).parents[1])
_MAIN = f"import sys; sys.path.insert(0, {_SOURCES!r}); from wherry.cli.main import entry; entry()"
_ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"}


class Terminal:
    """A process on a pseudo-terminal of its own."""

    def __init__(self, argv: Sequence[str], rows: int = 24, columns: int = 80) -> None:
        import fcntl
        import struct
        import termios

        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=_ENV, start_new_session=True, pass_fds=()
        )
        os.close(slave)
        self.seen, self._rest = "", ""

    def read_until(self, text: str, timeout_s: float = 20) -> str:
        """The output up to `text`, once that is in what came behind the last `text`."""
        deadline, fresh = time.monotonic() + timeout_s, self._rest
        while text not in fresh:
            if not select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"{text!r} did not come; seen: {self.seen + fresh!r}")
            try:
                data = os.read(self.master, 4096)
            except OSError:
                data = b""
            if not data:
                raise AssertionError(f"ended without {text!r}; seen: {self.seen + fresh!r}")
            fresh += data.decode("utf-8", "replace")
        before, _, self._rest = fresh.partition(text)
        self.seen += before + text
        return before + text

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        import fcntl
        import struct
        import termios

        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self.process.pid, signal.SIGWINCH)

    def wait(self, timeout_s: float = 20) -> int:
        """The exit code; reads on meanwhile, so that no writer is held up."""
        deadline = time.monotonic() + timeout_s
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"did not end; seen: {self.seen!r}")
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    self.seen += os.read(self.master, 4096).decode("utf-8", "replace")
                except OSError:
                    continue
        return self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


class Wherry:
    """The command line over one root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = Paths.for_user(_ENV, os.geteuid(), str(root))
        self.terminals: list[Terminal] = []

    def argv(self, *args: str) -> list[str]:
        return [sys.executable, "-c", _MAIN, "--root", str(self.root), *args]

    def __call__(
        self, *args: str, stdin: str | bytes = b"", code: int | None = 0, timeout_s: float = 90
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end; the exit code must be `code` (None: any)."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            self.argv(*args), input=data, capture_output=True, env=_ENV, timeout=timeout_s, check=False
        )
        found = subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        )
        assert code is None or found.returncode == code, f"{args}: {found.returncode}\n{found.stdout}\n{found.stderr}"
        return found

    def spawn(self, *args: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start and go on; the caller ends it."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen(self.argv(*args), env=_ENV, **options)

    def terminal(self, *args: str) -> Terminal:
        found = Terminal(self.argv(*args))
        self.terminals.append(found)
        return found

    def engine(self) -> Engine:
        """The Python API over the same root; close it."""
        settings = Settings(self.paths, _ENV, os.geteuid(), "/")
        return Engine(settings, LinuxHost(_ENV))

    def status(self, name: str) -> str:
        with self.engine() as engine:
            return engine.containers.state(engine.containers.find(name).id).status

    def pid(self, name: str) -> int:
        with self.engine() as engine:
            return engine.containers.state(engine.containers.find(name).id).pid

    def monitor_pid(self, name: str) -> int:
        from wherry.runtime import records

        with self.engine() as engine:
            found = records.read_monitor(engine.containers.bundle(engine.containers.find(name).id))
            assert found
            return found.pid

    def remove_all(self) -> None:
        for terminal in self.terminals:
            terminal.close()
        self.terminals.clear()
        ids = self("ps", "-aq", "--no-trunc").stdout.split()
        if ids:
            self("rm", "-f", "-v", *ids)


def eventually(check: Callable[[], object], what: str, timeout_s: float = 20) -> None:
    """Until `check` is true."""
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.02)


def remove_cgroup(top: str) -> None:
    """With those below it. One whose last process was killed just now is busy until that has ended in every part."""

    def goes(folder: str) -> bool:
        try:
            os.rmdir(folder)
        except OSError as error:
            return error.errno == errno.ENOENT
        return True

    for folder, _, _ in os.walk(top, topdown=False):
        eventually(partial(goes, folder), f"nobody is in {folder}")


def traces(paths: Paths) -> list[str]:
    """Everything on this machine that names this root: empty when nothing runs."""
    found = []
    tag = sha256(paths.root.encode()).hexdigest()[:6]
    found += [f"mount {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines() if paths.root in line]
    for folder in ("/sys/fs/cgroup", *(str(one) for one in Path("/sys/fs/cgroup").iterdir() if one.is_dir())):
        found += [f"cgroup {folder}/{name}" for name in os.listdir(folder) if name.startswith(f"wherry-{tag}-")]
    found += [f"link {name}" for name in os.listdir("/sys/class/net") if tag in name]
    if not needs.missing("nft"):
        tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
        found += [f"nft {line}" for line in tables.splitlines() if tag in line]
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            try:
                words = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
                group = (folder / "cgroup").read_text()
                spaces = (folder / "mountinfo").read_text()
            except OSError:
                continue
            if paths.root in words or f"wherry-{tag}-" in group or f"{paths.root}/containers" in spaces:
                found.append(f"process {folder.name} {words!r}")
    for name in ("c", "locks", "runtime"):
        if os.path.isdir(f"{paths.run}/{name}"):
            found += [f"{name}/{entry}" for entry in os.listdir(f"{paths.run}/{name}")]
    if os.path.isdir(paths.containers):
        found += [f"container {entry}" for entry in os.listdir(paths.containers)]
    return found


def busybox_tar() -> bytes:
    """A whole small root: busybox with all its applets, two users."""
    buffer = io.BytesIO()
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    files = {
        "bin/busybox": (Path(BUSYBOX).read_bytes(), 0o755),
        "etc/passwd": (b"root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000:Bob:/home/bob:/bin/sh\n", 0o644),
        "etc/group": (b"root:x:0:\nbob:x:1000:\nwheel:x:10:bob\n", 0o644),
    }
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("bin", "dev", "etc", "home", "home/bob", "proc", "root", "sys", "tmp", "var"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(folder)
        for name, (data, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
        for applet in applets:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            if applet != "busybox":
                tar.addfile(link)
    return buffer.getvalue()


def add_busybox(wherry: Wherry) -> None:
    """The image busybox:latest, by way of the store's own API."""
    from wherry.oci.config import ContainerConfig, ImageConfig
    from wherry.oci.platform import Platform
    from wherry.oci.reference import Reference

    with wherry.engine() as engine, engine.leases.hold("test image") as lease:
        diff_id, _ = engine.layers.extract(io.BytesIO(busybox_tar()), lease)
        config = ImageConfig(
            Platform.of("linux", os.uname().machine), ContainerConfig(cmd=("sh",), env=("PATH=/bin",)), (diff_id,)
        )
        engine.image_store.create(config, [Reference.parse("busybox")])
