"""The live view of `wherry compose` on a terminal: one line for each resource, with its state and its time.

    [+] Running 2/3
     ✔ Network demo_default    Created                       0.1s
     ✔ Container demo-db-1     Healthy                       2.3s
     ⠹ Container demo-web-1    Starting                      0.2s

Redrawn ten times a second at most, each time in one write. Nothing of the terminal is switched, so that nothing has to
be restored, however the program ends.
"""

from __future__ import annotations

import threading
import time

from wherry.cli import screen
from wherry.cli.compose_progress import Renderer, StepsOf
from wherry.cli.render import clean
from wherry.cli.transfer import shown_size
from wherry.compose.progress import DONE, ERROR, WARNING, WORKING, Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from wherry.build.progress import Progress as BuildProgress
    from wherry.registry.watch import TransferWatch

__all__ = ["Live", "columns_of", "cut"]

_DRAW_S = 0.1
_SPIN = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_MARKS = {DONE: ("✔", "32"), ERROR: ("✘", "31"), WARNING: ("!", "33"), WORKING: ("", "36")}


def columns_of(text: str) -> int:
    """How many columns of a terminal it takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, columns: int) -> str:
    """The beginning that fits into so many columns, with … where something is missing."""
    if columns_of(text) <= columns:
        return text
    while text and columns_of(text) > columns - 1:
        text = text[:-1]
    return text + "…" if columns > 0 else ""


class _Line:
    """One resource. `ended` is monotonic seconds, 0 while it is worked on."""

    def __init__(self, now: float) -> None:
        self.state, self.text, self.detail = WORKING, "", ""
        self.started, self.ended = now, 0.0
        self.layers: dict[str, tuple[int, int]] = {}
        self.steps: dict[str, tuple[str, bool]] = {}
        self.tail = ""

    def more(self) -> str:
        """What stands behind the state while it is worked on: bytes of a transfer, steps of a build."""
        if self.layers:
            done, total = (sum(part[i] for part in self.layers.values()) for i in (0, 1))
            return f"{shown_size(done)}/{shown_size(total)}" if total else ""
        if self.steps:
            running = [name for name, ended in self.steps.values() if not ended]
            count = f"({len(self.steps) - len(running)}/{len(self.steps)})"
            return f"{count} {running[-1]} {self.tail}".rstrip() if running else count
        return self.detail


class Live(Renderer):
    """`fd` is the terminal. Warnings and notices stay above what is drawn."""

    def __init__(
        self, fd: int, write: Callable[[str], None], *, has_colour: bool = True, title: str = "Running",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        super().__init__(write)
        self._fd, self._clock, self._has_colour, self._title = fd, clock, has_colour, title
        self._lines: dict[str, _Line] = {}
        self._drawn: list[int] = []
        self._above: list[str] = []
        self._epilogue: list[str] = []
        self._outputs: dict[str, list[bytes]] = {}
        self._stop = threading.Event()
        self._ticker: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._ticker = threading.Thread(target=self._tick, name="compose-display", daemon=True)
        self._ticker.start()
        return self

    def close(self) -> None:
        if self._stop.is_set():
            return
        self._stop.set()
        if self._ticker:
            self._ticker.join()
        with self._lock:
            self.draw(is_last=True)

    def _tick(self) -> None:
        while not self._stop.wait(_DRAW_S):
            with self._lock:
                self.draw()

    def _line(self, id: str) -> _Line:
        return self._lines.setdefault(clean(id), _Line(self._clock()))

    def event(self, event: Event) -> None:
        with self._lock:
            line, now = self._line(event.id), self._clock()
            if line.ended and event.state == WORKING:
                line.started = now  # the next thing that is done to it
            line.state, line.text, line.detail = event.state, clean(event.text), clean(event.detail)
            line.ended = now if event.state != WORKING else 0.0
            if event.state != WORKING:
                line.layers, line.steps, line.tail = {}, {}, ""

    def warn(self, text: str) -> None:
        self._say(f"wherry: warning: {text}")

    def note(self, text: str) -> None:
        self._say(text)

    def _say(self, text: str) -> None:
        with self._lock:
            if self._stop.is_set():
                self._write(clean(text))
            else:
                self._above.append(clean(text))

    def transfer(self, id: str) -> TransferWatch:
        return _Transfer(self, id)

    def build(self, service: str) -> BuildProgress:
        return StepsOf(_Steps(self, service), service)

    def draw(self, *, is_last: bool = False) -> None:
        """One write(2). `is_last`: all the lines, to stay; what comes next begins below."""
        if not self._lines and not self._above and not self._epilogue:
            return
        columns, rows = screen.size(self._fd)
        lines = list(self._picture(columns, None if is_last else rows - 1)) if self._lines else []
        # A window that became narrower has wrapped what was drawn before
        up = sum(max(1, -(-length // columns)) for length in self._drawn)
        text = f"\x1b[{up}A\r" if up else "\r"
        if up != len(self._drawn):
            text += "\x1b[J"
        shown = [*self._above, *(painted for painted, _ in lines), *(self._epilogue if is_last else [])]
        text += "".join(f"{line}\x1b[K\r\n" for line in shown) + "\x1b[J"
        self._above.clear()
        self._drawn = [] if is_last else [length for _, length in lines]
        self._put(text)

    def _put(self, text: str) -> None:
        if not screen.draw(self._fd, text):
            self._stop.set()

    def _picture(self, columns: int, rows: int | None) -> Iterator[tuple[str, int]]:
        """(line with its colours, columns that it takes)."""
        ended = sum(1 for line in self._lines.values() if line.ended)
        head = cut(f"[+] {self._title} {ended}/{len(self._lines)}", columns - 1)
        yield self._painted(head, "32" if ended == len(self._lines) else ""), columns_of(head)
        shown, folded = list(self._lines), 0
        if rows is not None and len(shown) > max(1, rows - 1):
            shown, folded = self._fold(max(1, rows - 2))
        width = max(columns_of(id) for id in shown) if shown else 0
        for id in shown:
            yield self._row(id, self._lines[id], min(width, max(8, columns // 2)), columns)
        if folded:
            text = cut(f" ... and {folded} more", columns - 1)
            yield text, columns_of(text)

    def _fold(self, rows: int) -> tuple[list[str], int]:
        """What failed and what is worked on first, in the order in which they came."""

        def rank(id: str) -> int:
            line = self._lines[id]
            return 0 if line.state == ERROR else 2 if line.ended else 1

        kept = set(sorted(self._lines, key=rank)[:rows])
        return [id for id in self._lines if id in kept], len(self._lines) - len(kept)

    def _row(self, id: str, line: _Line, width: int, columns: int) -> tuple[str, int]:
        mark, colour = _MARKS[line.state]
        now = self._clock()
        mark = mark or _SPIN[int(now / _DRAW_S) % len(_SPIN)]
        clock = f"{(line.ended or now) - line.started:.1f}s "
        name = cut(id, width)
        name += " " * (width - columns_of(name))
        room = max(0, columns - 1 - columns_of(name) - 5 - len(clock) - 1)
        more = line.more()
        text = cut(f"{line.text:<9} {more}".rstrip() if more else line.text, room)
        text += " " * (room - columns_of(text))
        plain = f" {mark} {name}  {text} {clock}"
        if columns_of(plain) >= columns:
            short = cut(f" {mark} {name}  {line.text}", columns - 1)
            return short, columns_of(short)
        # Nothing between the pieces but what stands there without colours
        painted = f" {self._painted(mark, colour)} {name}  {self._painted(text, colour)} {self._painted(clock, '34')}"
        return painted, columns_of(plain)

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._has_colour and colour else text


class _Transfer:
    """The layers of one image, added up."""

    def __init__(self, live: Live, id: str) -> None:
        self._live, self._id = live, id

    def start(self, short: str, what: str, total: int) -> None:
        with self._live._lock:
            if total:
                self._live._line(self._id).layers[short] = (0, total)

    def advance(self, short: str, done: int) -> None:
        with self._live._lock:
            layers = self._live._line(self._id).layers
            if short in layers:
                layers[short] = (min(done, layers[short][1]), layers[short][1])

    def finish(self, short: str, what: str) -> None:
        with self._live._lock:
            layers = self._live._line(self._id).layers
            if short in layers:
                layers[short] = (layers[short][1], layers[short][1])

    def note(self, line: str) -> None:
        pass


class _Steps:
    """The steps of one build: those under way behind the service's line, the output of one that fails below all."""

    def __init__(self, live: Live, service: str) -> None:
        self._live, self._service = live, service

    def start(self, key: str, name: str) -> None:
        with self._live._lock:
            self._live._line(self._service).steps[key] = (clean(name), False)

    def output(self, key: str, data: bytes) -> None:
        with self._live._lock:
            kept = self._live._outputs.setdefault(key, [])
            kept.append(data)
            del kept[:-200]
            words = data.decode("utf-8", "replace").replace("\r", "\n").split("\n")
            self._live._line(self._service).tail = clean(next((word for word in reversed(words) if word.strip()), ""))

    def _end(self, key: str) -> None:
        with self._live._lock:
            line = self._live._line(self._service)
            if key in line.steps:
                line.steps[key] = (line.steps[key][0], True)
            line.tail = ""

    def cached(self, key: str) -> None:
        self._end(key)

    def done(self, key: str) -> None:
        self._end(key)

    def cancelled(self, key: str) -> None:
        self._end(key)

    def failed(self, key: str, message: str) -> None:
        with self._live._lock:
            name = self._live._line(self._service).steps.get(key, ("", False))[0]
            lines = b"".join(self._live._outputs.get(key, [])).decode("utf-8", "replace").splitlines()
            if lines and not self._live._epilogue:
                self._live._epilogue = ["------", f" > {name}:", *map(clean, lines[-20:]), "------"]
        self._end(key)

    def note(self, text: str) -> None:
        self._live.note(text)
