"""The client's end of an attached container: a terminal (or pipes) here, the monitor's socket there.

The protocol is in monitor_streams.py.
"""

from __future__ import annotations

import os
import select

from wherry.errors import InputError
from wherry.lean import contextmanager
from wherry.runtime import monitor_kernel as kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["DetachKeys", "Ending", "Streams", "pump", "terminal_size"]

_CHUNK = 32768
_FORWARDED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCONT", "SIGTSTP")


class Streams(NamedTuple):
    """What the caller joins to the container; -1 joins nothing. The fds stay the caller's.

    `tty` puts `stdin` into raw mode for the time being. `signals` forwards what arrives here to the container.
    `detach_keys` is docker's syntax ("" is ctrl-p,ctrl-q).
    """

    stdin: int = -1
    stdout: int = -1
    stderr: int = -1
    tty: bool = False
    signals: bool = True
    detach_keys: str = ""

    @property
    def size(self) -> list[int] | None:
        """[rows, columns] of the terminal that they are on; None without one."""
        return terminal_size(self.stdin) or terminal_size(self.stdout)

    @property
    def wants(self) -> str:
        """As the attach protocol says it: of "ioe"."""
        pairs = zip("ioe", (self.stdin, self.stdout, self.stderr), strict=True)
        return "".join(letter for letter, fd in pairs if fd >= 0)


class Ending(NamedTuple):
    """How an attachment ended: with the container's exit record, by the detach keys, or (neither) with its monitor."""

    record: dict[str, Any] | None
    detached: bool = False


class DetachKeys:
    """Finds the detach sequence in what is typed; what only began like it is passed on."""

    def __init__(self, spec: str) -> None:
        """Raises: InputError."""
        self._keys = b"".join(_key(word, spec) for word in (spec or "ctrl-p,ctrl-q").split(","))
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What is for the container, and whether the sequence is complete."""
        out = b""
        for byte in data:
            self._held += bytes([byte])
            while self._held and not self._keys.startswith(self._held):
                out, self._held = out + self._held[:1], self._held[1:]
            if self._held == self._keys:
                self._held = b""
                return out, True
        return out, False


def _key(word: str, spec: str) -> bytes:
    if len(word) == 1:
        return word.encode()
    if word.startswith("ctrl-") and len(word) == 6:
        letter = word[5].lower()
        if "a" <= letter <= "z" or letter in "@[\\]^_":
            return bytes([ord(letter.upper()) & 0x1F])
    raise InputError(f"invalid detach keys ({spec}) provided: Unknown character: {word!r}")


def terminal_size(fd: int) -> list[int] | None:
    """[rows, columns] of a terminal, None for anything else."""
    try:
        size = os.get_terminal_size(fd)
    except OSError:
        return None
    return [size.lines, size.columns]


@contextmanager
def _raw(fd: int) -> Iterator[None]:
    """Raw mode, as cfmakeraw(3); restored whatever happens."""
    import termios

    old = termios.tcgetattr(fd)
    new = termios.tcgetattr(fd)
    new[0] &= ~(termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR | termios.IGNCR
                | termios.ICRNL | termios.IXON)  # fmt: skip
    new[1] &= ~termios.OPOST
    new[2] = new[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    new[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    termios.tcsetattr(fd, termios.TCSADRAIN, new)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, old)


@contextmanager
def _signals(names: tuple[str, ...]) -> Iterator[int]:
    """A fd that yields one byte, the number, for each of these signals that arrives; -1 outside the main thread."""
    reads, writes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    old = {}
    try:
        try:
            was = kernel.signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
        except ValueError:
            yield -1
            return
        for name in names:
            number = getattr(kernel.signal, name)
            old[number] = kernel.signal.signal(number, lambda *_: None)
        try:
            yield reads
        finally:
            for number, handler in old.items():
                kernel.signal.signal(number, handler)
            kernel.signal.set_wakeup_fd(was)
    finally:
        os.close(reads)
        os.close(writes)


def pump(
    sock: kernel.Socket, streams: Streams, forward: Callable[[int], None], *, cleans: bool = False
) -> Ending:  # fmt: skip
    """Carry everything both ways until the container ends, the user detaches, or the monitor dies; closes `sock`.

    `forward` gets the signals to pass on. `cleans` promises the monitor that the caller cleans up after the end.
    Raises: BrokenPipeError when nobody reads our output any more, KeyboardInterrupt when signals are not forwarded.
    """
    keys = DetachKeys(streams.detach_keys)
    names = (_FORWARDED if streams.signals else ()) + (("SIGWINCH",) if streams.tty else ())
    is_terminal = streams.tty and streams.stdin >= 0 and os.isatty(streams.stdin)
    try:
        with _signals(names) as signals:
            client = _Client(sock, streams, keys if is_terminal else None, forward)
            if is_terminal:
                with _raw(streams.stdin):
                    ending = client.run(signals)
            else:
                ending = client.run(signals)
        if ending.record is not None and cleans and not ending.record["again_ns"]:
            sock.setblocking(True)
            sock.send(b"C")
        return ending
    finally:
        sock.close()


class _Client:
    def __init__(
        self, sock: kernel.Socket, streams: Streams, keys: DetachKeys | None, forward: Callable[[int], None]
    ) -> None:
        self._sock, self._streams, self._keys, self._forward = sock, streams, keys, forward
        self._poll = select.poll()
        self._queue: list[bytes] = []
        self._reads_stdin = False
        sock.setblocking(False)

    def run(self, signals: int) -> Ending:
        self._listen_to_stdin(self._streams.stdin >= 0)
        if signals >= 0:
            self._poll.register(signals, select.POLLIN)
        if self._streams.tty:
            self._resize()
        while True:
            self._poll.register(self._sock, select.POLLIN | (select.POLLOUT if self._queue else 0))
            for fd, events in self._poll.poll():
                ending = None
                if fd == signals:
                    self._signalled(os.read(signals, 64))
                elif fd == self._sock.fileno():
                    ending = self._socket_ready(events)
                elif fd == self._streams.stdin:
                    ending = self._typed()
                if ending is not None:
                    return ending

    def _listen_to_stdin(self, wanted: bool) -> None:
        if wanted and not self._reads_stdin:
            self._poll.register(self._streams.stdin, select.POLLIN)
        elif self._reads_stdin and not wanted:
            self._poll.unregister(self._streams.stdin)
        self._reads_stdin = wanted

    def _signalled(self, numbers: bytes) -> None:
        for number in numbers:
            if number == kernel.signal.SIGWINCH:
                self._resize()
            elif self._streams.signals:
                self._forward(number)

    def _resize(self) -> None:
        if size := self._streams.size:
            self._say(b"R%d %d" % (size[0], size[1]))

    def _say(self, packet: bytes) -> None:
        self._queue.append(packet)
        self._flush()

    def _flush(self) -> None:
        while self._queue:
            try:
                self._sock.send(self._queue[0])
            except BlockingIOError:
                return
            except OSError:
                self._queue.clear()
                return
            self._queue.pop(0)

    def _typed(self) -> Ending | None:
        try:
            data = os.read(self._streams.stdin, _CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        detach = False
        if self._keys and data:
            data, detach = self._keys.feed(data)
        if data or not self._keys:
            self._say(b"I" + data)
        if detach:
            return Ending(None, detached=True)
        if not data and not self._keys:
            self._listen_to_stdin(False)
            self._streams = self._streams._replace(stdin=-1)
        elif len(self._queue) > 8:
            self._listen_to_stdin(False)
        return None

    def _socket_ready(self, events: int) -> Ending | None:
        if events & select.POLLOUT:
            self._flush()
            if not self._queue and self._streams.stdin >= 0:
                self._listen_to_stdin(True)
        if not events & (select.POLLIN | select.POLLHUP | select.POLLERR):
            return None
        try:
            packet = kernel.receive(self._sock, 1 << 17)
        except BlockingIOError:
            return None
        except OSError:
            packet = b""
        kind = packet[:1]
        if kind == b"x":
            return Ending(kernel.decode(packet[1:]))
        if not packet:
            return Ending(None)
        if kind in (b"O", b"E"):
            _write(self._streams.stdout if kind == b"O" else self._streams.stderr, packet[1:])
        return None


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view and fd >= 0:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            # The caller's terminal may be non-blocking, made so by a program that shares it
            waits = select.poll()
            waits.register(fd, select.POLLOUT)
            waits.poll()
