"""Lines of several containers on one terminal, each behind its name: `web-1  | listening`."""

from __future__ import annotations

from _thread import allocate_lock

from wherry.fs.atomic import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wherry.cli.render import Output
    from wherry.compose.logs import Source

__all__ = ["LogPrinter"]

# docker-compose's colours in its order: cyan, yellow, green, magenta, blue, then the bright ones
_COLOURS = ("36", "33", "32", "35", "34", "36;1", "33;1", "32;1", "35;1", "34;1")


class LogPrinter:
    """A `compose.logs.Sink`. `names` are those that are known beforehand: they decide the width, and each has its
    colour by its place among them, so that the same project looks the same each time.

    `is_split`: what containers wrote to their standard error goes to ours, as in an attached `up`.
    """

    def __init__(
        self, out: Output, names: Iterable[str] = (), *, has_colour: bool = False, has_prefix: bool = True,
        is_split: bool = False,
    ) -> None:  # fmt: skip
        self._out, self._has_colour, self._has_prefix, self._is_split = out, has_colour, has_prefix, is_split
        self._fds = {"stdout": out.out_fd, "stderr": out.err_fd if is_split else out.out_fd}
        self._lock = allocate_lock()
        self._colours: dict[str, str] = {}
        self._width = 0
        self._rests: dict[tuple[str, str], bytes] = {}
        for name in sorted(names):
            self._register(name)

    def register(self, name: str) -> None:
        """A container that may write: it has its place, and its colour, from now on."""
        with self._lock:
            self._register(name)

    def line(self, name: str, stream: str, data: bytes) -> None:
        """One line of a container, as it was written, or a piece of it."""
        from wherry.compose.logs import Source

        self.lines(Source(name, name), [(stream, data)])

    def status(self, name: str, text: str) -> None:
        """What happened to a container: "exited with code 0"."""
        from wherry.compose.logs import Source

        self._say(Source(name, name), text)

    def _register(self, name: str) -> None:
        if name not in self._colours:
            self._colours[name] = _COLOURS[len(self._colours) % len(_COLOURS)]
            self._width = max(self._width, len(name) + 1)

    def _prefix(self, name: str) -> bytes:
        if not self._has_prefix:
            return b""
        text = f"{name:<{self._width}} | "
        return (f"\x1b[{self._colours[name]}m{text}\x1b[0m" if self._has_colour else text).encode()

    def lines(self, source: Source, pieces: Sequence[tuple[str, bytes]]) -> None:
        """A line that came in pieces is written once it is whole."""
        with self._lock:
            self._register(source.name)
            prefix = self._prefix(source.name)
            found: list[bytes] = []
            stream = ""
            for to, data in pieces:
                if to != stream and found:
                    self._write(stream, found)
                    found = []
                stream = to
                data = self._rests.pop((source.id, to), b"") + data
                if data.endswith(b"\n"):
                    found.append(prefix + data)
                else:
                    self._rests[source.id, to] = data
            if found:
                self._write(stream, found)

    def _write(self, stream: str, lines: list[bytes]) -> None:
        write_all(self._fds.get(stream, self._fds["stdout"]), b"".join(lines))

    def _finish(self, source: Source) -> None:
        for (id, stream), rest in list(self._rests.items()):
            if id == source.id:
                del self._rests[id, stream]
                self._write(stream, [self._prefix(source.name) + rest + b"\n"])

    def ended(self, source: Source, exit_code: int) -> None:
        self._say(source, f"exited with code {exit_code}")

    def failed(self, source: Source, message: str) -> None:
        self._say(source, f"has no log to show: {message}")

    def _say(self, source: Source, text: str) -> None:
        with self._lock:
            self._register(source.name)
            self._finish(source)
            name = f"\x1b[{self._colours[source.name]}m{source.name}\x1b[0m" if self._has_colour else source.name
            self._write("stdout", [f"{name} {text}\n".encode()])

    def close(self) -> None:
        """Write what has no end of line yet."""
        with self._lock:
            for (_, stream), rest in self._rests.items():
                self._write(stream, [rest + b"\n"])
            self._rests.clear()
