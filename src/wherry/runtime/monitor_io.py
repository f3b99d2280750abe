"""The container's own ends of its streams: made before the runtime starts it, pumped while it runs, drained at its end.

Without a terminal, stdout and stderr are named FIFOs in the bundle, and the container holds them open for reading *and*
writing: when its monitor is killed it gets no SIGPIPE, and the monitor that adopts it opens them again and loses
nothing. With a terminal the monitor holds the only pty master: its death hangs the terminal up, as closing a window.
"""

from __future__ import annotations

import os

from wherry.runtime import monitor_kernel as kernel
from wherry.runtime.monitor_streams import GONE, IN, OUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.runtime.monitor_streams import Client, Clients, Loop

_DRAIN_MAX = 1 << 21
_TIOCSWINSZ = 0x5414
_INPUT_MAX = 1 << 18
# What a pipe holds, and what a processor's own memory does with all that is made of it
_LOG_CHUNK = 1 << 16


class Stdio:
    """One container's (or exec session's) streams. `folder` is where the FIFOs are; "" uses plain pipes."""

    def __init__(self, loop: Loop, clients: Clients, log: Any, folder: str) -> None:
        self._loop, self._clients, self._log, self._folder = loop, clients, log, folder
        self._reads: dict[int, str] = {}
        self._paused = False
        self._stdin, self._master = -1, -1
        self._console: kernel.Socket | None = None
        self._console_path = ""
        self._input: list[tuple[Client, bytes]] = []
        self._input_size, self._input_ends = 0, False
        clients.on_room = self._resume
        if log:
            log.on_room = self._resume

    def prepare(self, *, tty: bool, stdin: bool, console: str = "") -> list[int]:
        """The fds that the runtime gets as 0, 1 and 2; close them when it has started."""
        self._input, self._input_size, self._input_ends = [], 0, False
        if tty:
            sock = kernel.Socket(kernel.socket.AF_UNIX, kernel.socket.SOCK_STREAM | kernel.socket.SOCK_CLOEXEC, 0)
            kernel.unlink(console)
            sock.bind(console)
            sock.listen(1)
            self._console, self._console_path = sock, console
            return [os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC) for _ in range(3)]
        if stdin:
            given, self._stdin = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self._stdin, False)
        else:
            given = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        return [given, self._output("stdout"), self._output("stderr")]

    def _output(self, name: str) -> int:
        if not self._folder:
            mine, theirs = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(mine, False)
            self._reads[mine] = name
            return theirs
        path = f"{self._folder}/{name}"
        kernel.unlink(path)
        os.mkfifo(path, 0o600)
        self.adopt(name)
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def adopt(self, name: str) -> None:
        """Read a FIFO that is there already."""
        fd = os.open(f"{self._folder}/{name}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._reads[fd] = name

    def started(self, size: list[int] | None) -> None:
        """The runtime has started it: fetch the terminal, and pump."""
        if self._console:
            peer, _ = self._console._accept()  # type: ignore[attr-defined]
            sock = kernel.Socket(fileno=peer)
            _, control, _, _ = sock.recvmsg(4096, 64)
            self._master = memoryview(control[0][2]).cast("i")[0]
            sock.close()
            os.set_inheritable(self._master, False)
            os.set_blocking(self._master, False)
            self._reads[self._master] = "stdout"
            if size:
                self.resize(size[0], size[1])
        self._close_console()
        for fd in self._reads:
            self._loop.watch(fd, IN, lambda events, fd=fd: self._pump(fd, events))  # type: ignore[misc]

    def _close_console(self) -> None:
        if self._console:
            self._console.close()
            kernel.unlink(self._console_path)
            self._console = None

    def _pump(self, fd: int, events: int) -> None:
        if events & OUT:
            self._feed()
        if events & (IN | GONE) and self._read(fd) == 0:
            self._forget(fd)
        elif self._is_full():
            self._pause()

    def _is_full(self) -> bool:
        """Whether the container must wait: for the client that started it, or for its log."""
        return self._clients.is_full() or (self._log is not None and self._log.is_full())

    def _read(self, fd: int) -> int:
        """Bytes moved; 0 at the end, -1 when there is nothing now."""
        try:
            data = os.read(fd, self._clients.chunk or _LOG_CHUNK)
        except BlockingIOError:
            return -1
        except OSError:  # EIO: the terminal has no user any more
            return 0
        if data:
            name = self._reads[fd]
            if self._log:
                self._log.add(name, data)
            self._clients.send(b"O" if name == "stdout" else b"E", data)
        return len(data)

    def _forget(self, fd: int) -> None:
        self._loop.forget(fd)
        self._reads.pop(fd, None)
        if fd == self._master:
            self._master = -1
        os.close(fd)

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            for fd in self._reads:
                self._loop.forget(fd)

    def _resume(self) -> None:
        if self._paused and not self._is_full():
            self._paused = False
            for fd in self._reads:
                self._loop.watch(fd, IN, lambda events, fd=fd: self._pump(fd, events))  # type: ignore[misc]

    def drain(self) -> None:
        """The container is dead: take what it left, without waiting for those who keep the other ends open."""
        for fd in list(self._reads):
            moved = 0
            while moved < _DRAIN_MAX and (got := self._read(fd)) > 0:
                moved += got
            self._forget(fd)
        if self._log:
            self._log.flush()
        self.close()

    def discard(self) -> None:
        """The runtime failed: what is in the pipes is its own complaint, which its log holds too."""
        for fd in list(self._reads):
            self._forget(fd)
        self.close()

    def close(self) -> None:
        self._close_console()
        self._paused = False
        if self._stdin >= 0:
            self._loop.forget(self._stdin)
            os.close(self._stdin)
            self._stdin = -1

    def input(self, client: Client, data: bytes) -> None:
        """To the container's stdin, in order. Empty data is its end."""
        if self._master < 0 and self._stdin < 0:
            return
        if not data:
            self._input_ends = self._master < 0
        else:
            self._input.append((client, data))
            self._input_size += len(data)
            if self._input_size > _INPUT_MAX:
                self._clients.pause_input(client, True)
        self._feed()

    def _feed(self) -> None:
        target = self._master if self._master >= 0 else self._stdin
        while self._input and target >= 0:
            client, data = self._input[0]
            try:
                done = os.write(target, data)
            except BlockingIOError:
                break
            except OSError:  # EPIPE: it does not read any more
                self._input, self._input_size, self._input_ends = [], 0, True
                break
            self._input_size -= done
            if done < len(data):
                self._input[0] = (client, data[done:])
                break
            self._input.pop(0)
            if self._input_size <= _INPUT_MAX // 2:
                self._clients.pause_input(client, False)
        self._after_feeding(target)

    def _after_feeding(self, target: int) -> None:
        wait = OUT if self._input else 0
        if target >= 0 and target == self._master:
            self._loop.watch(target, (0 if self._paused else IN) | wait, lambda events: self._pump(target, events))
        elif target >= 0:
            if wait:
                self._loop.watch(target, OUT, lambda _: self._feed())
            else:
                self._loop.forget(target)
                if self._input_ends:
                    os.close(target)
                    self._stdin = -1

    def resize_to(self, text: bytes) -> None:
        """A client's "ROWS COLUMNS"; what is none is ignored."""
        words = text.split()
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit():
            self.resize(int(words[0]) & 0xFFFF, int(words[1]) & 0xFFFF)

    def resize(self, rows: int, columns: int) -> None:
        if self._master >= 0:
            import fcntl

            size = rows.to_bytes(2, "little") + columns.to_bytes(2, "little") + bytes(4)
            fcntl.ioctl(self._master, _TIOCSWINSZ, size)
