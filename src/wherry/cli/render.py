"""Everything that is printed: lines, tables as docker prints them, JSON. The only module that writes to a terminal."""

from __future__ import annotations

import os
import sys

from wherry.lean import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, TextIO

__all__ = ["Output", "ago", "clean", "help_text", "human_size", "plain"]


class Output:
    """Standard output and error. `color` is off when piped, with NO_COLOR, and on a dumb terminal."""

    def __init__(self, stdout: TextIO, stderr: TextIO, env: Mapping[str, str]) -> None:
        self._out, self._err = stdout, stderr
        self.is_terminal = stdout.isatty()
        self.err_is_terminal = stderr.isatty()
        self.color = self.is_terminal and not env.get("NO_COLOR") and env.get("TERM") != "dumb"

    def line(self, text: str = "") -> None:
        self._out.write(text + "\n")

    def write(self, text: str) -> None:
        self._out.write(text)

    def error(self, text: str) -> None:
        """Names in it may come from an image, and must not steer the terminal. A standard error that takes nothing
        changes neither what is done nor the exit code.
        """
        try:
            self._out.flush()
        except OSError:
            pass  # told at the end, when it is flushed again
        try:
            self._err.write("\n".join(map(plain, text.split("\n"))) + "\n")
            self._err.flush()
        except OSError:
            pass

    def flush(self) -> None:
        self._out.flush()

    @property
    def out_fd(self) -> int:
        """The fd of standard output, for bytes that are not ours to encode; flush first."""
        self._out.flush()
        return self._out.fileno()

    @property
    def err_fd(self) -> int:
        self._err.flush()
        return self._err.fileno()

    @property
    def in_fd(self) -> int:
        """The fd of standard input, read without any buffer of ours."""
        return sys.stdin.fileno()

    @property
    def in_is_terminal(self) -> bool:
        return sys.stdin is not None and sys.stdin.isatty()

    def status(self, text: str) -> None:
        """One line on a terminal's standard error that the next status, or an empty one, replaces."""
        self._err.write(f"\r\x1b[K{clean(text)}")
        self._err.flush()

    def confirm(self, warning: str) -> bool:
        """Ask as docker does; anything but "y" means no."""
        self._out.write(f"{warning}\nAre you sure you want to continue? [y/N] ")
        self._out.flush()
        return sys.stdin.readline().strip().lower() == "y"

    def read_line(self) -> str:
        """A line of standard input with its end; "" behind the last one."""
        return sys.stdin.readline()

    def secret(self, prompt: str) -> bytes:
        """One line from standard input without its end; on a terminal it is asked for, and not shown as it is typed."""
        fd = sys.stdin.fileno()
        if not self.in_is_terminal:
            return _first_line(fd)
        import termios

        before = termios.tcgetattr(fd)
        silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
        try:
            # Silent first: what is typed as soon as the prompt stands must be neither shown nor thrown away
            termios.tcsetattr(fd, termios.TCSAFLUSH, silent)
            self._err.write(prompt)
            self._err.flush()
            return _first_line(fd)
        finally:
            termios.tcsetattr(fd, termios.TCSAFLUSH, before)
            self._err.write("\n")
            self._err.flush()

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Columns three spaces apart and ten wide, as docker's; control characters in cells are made harmless."""
        cells = [list(headers), *([clean(cell) for cell in row] for row in rows)]
        widths = [max(7, *(len(row[i]) for row in cells)) for i in range(len(headers))]
        for row in cells:
            self.line("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def json(self, value: Any, *, indent: int | str | None = None, html: bool = False) -> None:
        """`html` hides <, > and &, as docker's lists do."""
        from wherry import lean_json as json

        text = json.dumps(value, indent=indent, separators=None if indent else (",", ":"), ensure_ascii=False)
        self.line(text.translate(_controls() | _HTML if html else _controls()))


def _first_line(fd: int) -> bytes:
    """Byte by byte: what follows the line is not ours."""
    line = bytearray()
    while len(line) < 4096 and (byte := os.read(fd, 1)) not in {b"", b"\n"}:
        line += byte
    return bytes(line).removesuffix(b"\r")


# What JSON leaves as it is, and a terminal obeys: DEL, and the 8-bit forms of escape sequences
# Halves of surrogate pairs come from a hostile JSON, and no stream takes them
@cache
def _controls() -> dict[int, str]:
    return {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *range(0xD800, 0xE000))}


_HTML = {ord(char): f"\\u{ord(char):04x}" for char in "<>&"}


def clean(text: str) -> str:
    """A name from outside must not steer the terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "�" for c in text)


def plain(line: str) -> str:
    """`clean`, but for tabs."""
    return "\t".join(map(clean, line.split("\t")))


def human_size(size: int, *, digits: int = 3) -> str:
    """1000-based with three digits, as docker shows sizes: 0B, 1.2kB, 125MB; where it adds sizes up it shows four."""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB", "PB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{float(f'{value:.{digits}g}'):g}{units[0]}"


_SPANS = ((60, 1, "second"), (3600, 60, "minute"), (172_800, 3600, "hour"), (1_209_600, 86_400, "day"),
          (5_184_000, 604_800, "week"), (63_072_000, 2_592_000, "month"))  # fmt: skip


def ago(seconds: float) -> str:
    """A span as docker's units.HumanDuration says it: "About a minute", "3 hours", without "ago"."""
    span = int(seconds)
    if span < 1:
        return "Less than a second"
    if span == 1:
        return "1 second"
    if 60 <= span < 120:
        return "About a minute"
    if 3600 <= span < 5400:
        return "About an hour"
    for below, unit, name in _SPANS:
        if span < below:
            count = max(1, int(seconds / unit + (0.5 if name == "hour" else 0)))
            return f"{count} {name}{'s' * (count != 1)}"
    return f"{span // 31_536_000} years"


def moment(ns: int) -> str:
    """2026-01-02 15:04:05 +0100 CET: as docker shows a moment, in local time."""
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(ns / 1e9))


def labels_text(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def width() -> int:
    try:
        return max(40, min(os.get_terminal_size(sys.stdout.fileno()).columns, 120))
    except (OSError, ValueError):
        return 80


def wrap(text: str, indent: int, columns: int) -> str:
    lines, line = [], ""
    for word in text.split():
        if line and indent + len(line) + 1 + len(word) > columns:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return ("\n" + " " * indent).join([*lines, line])


def help_text(
    usage: str, summary: str, groups: Sequence[tuple[str, Sequence[tuple[str, str]]]], footer: str = ""
) -> str:
    """A help page: groups of (heading, rows of (left, right))."""
    columns = width()
    parts = [f"Usage:  {usage}", "", summary]
    for heading, rows in groups:
        if not rows:
            continue
        left = max(len(row[0]) for row in rows) + 3
        parts += ["", f"{heading}:"]
        parts += [f"  {name.ljust(left)}{wrap(text, left + 2, columns)}".rstrip() for name, text in rows]
    if footer:
        parts += ["", footer]
    return "\n".join(parts)
