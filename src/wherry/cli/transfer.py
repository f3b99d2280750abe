"""What pull, push and copy show: docker's plain lines, or, on a terminal, one line for each layer that is drawn anew.

    with choose(out, engine.settings.env, quiet=args.on("quiet")) as watch:
        pull(engine, request, watch)
    out.line("Digest: ...")

All three watches are a `registry.watch.TransferWatch`, and context managers.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Self

from wherry.cli import screen
from wherry.cli.render import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from wherry.cli.render import Output

__all__ = ["MEASURED", "Live", "Plain", "Quiet", "choose", "fit", "shown_size"]

_DRAW_S = 0.1
_WINDOW_S = 4.0
"""Speed is over the last seconds: the whole transfer's average hides that it has stalled."""
MEASURED = frozenset(
    {"Hashing", "Packing", "Downloading", "Extracting", "Pushing", "Compressing", "Loading", "Writing", "Verifying"}
)
"""Phases with a bar. docker prints no line for them when it is piped."""


def choose(
    out: Output, env: Mapping[str, str], *, quiet: bool = False, on_stderr: bool = False
) -> Quiet | Plain | Live:
    """For standard output, or standard error (`run`, `create` and `build`, whose output is another's)."""
    if quiet:
        return Quiet()
    is_terminal = out.err_is_terminal if on_stderr else out.is_terminal
    if is_terminal and env.get("TERM") != "dumb":
        return Live(out.err_fd if on_stderr else out.out_fd)
    if on_stderr:
        return Plain(out.error)

    def line(text: str) -> None:
        out.line(text)
        out.flush()  # each line as it comes, in a pipe too

    return Plain(line)


class Quiet:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def start(self, short: str, what: str, total: int) -> None:
        pass

    def advance(self, short: str, done: int) -> None:
        pass

    def finish(self, short: str, what: str) -> None:
        pass

    def note(self, line: str) -> None:
        pass


class Plain(Quiet):
    """As docker without a terminal: each change of a layer's state is a line, "abc123: Pull complete"."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._last: dict[str, str] = {}
        self._lock = threading.Lock()

    def _put(self, text: str) -> None:
        # Whoever reads may have gone; the command's own last line then says so
        try:
            self._line(clean(text))
        except OSError:
            pass

    def start(self, short: str, what: str, total: int) -> None:
        if what not in MEASURED:
            self.finish(short, what)

    def finish(self, short: str, what: str) -> None:
        with self._lock:
            if self._last.get(short) != what:
                self._last[short] = what
                self._put(f"{short}: {what}")

    def note(self, line: str) -> None:
        with self._lock:
            self._put(line)


class _Layer:
    """One line. `total` is 0 when it has no bar."""

    __slots__ = ("done", "ended", "samples", "total", "what")

    def __init__(self) -> None:
        self.samples: deque[tuple[float, int]] = deque()
        self.become("", 0)

    def become(self, what: str, total: int, *, ended: bool = False) -> None:
        self.what, self.total, self.done, self.ended = what, total, 0, ended
        self.samples.clear()

    def sample(self, now: float) -> float:
        """Bytes per second over the last seconds; 0.0 while too little is known."""
        if self.samples and self.done < self.samples[-1][1]:
            self.samples.clear()  # it began anew
        self.samples.append((now, self.done))
        while len(self.samples) > 2 and now - self.samples[1][0] >= _WINDOW_S:
            self.samples.popleft()
        then, before = self.samples[0]
        return (self.done - before) / (now - then) if now - then >= 0.5 else 0.0


class Live(Quiet):
    """Redrawn ten times a second at most, by a thread of its own: what `advance` costs is an assignment.

    Nothing of the terminal is switched, so that nothing has to be restored, however the program ends.
    """

    def __init__(self, fd: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fd, self._clock = fd, clock
        self._layers: dict[str, _Layer] = {}
        self._drawn: list[int] = []
        self._above: list[str] = []
        self._dirty = False
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="transfer-display", daemon=True)

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._ticker.join()
        with self._lock:
            self.draw(is_last=True)

    def _tick(self) -> None:
        while not self._stop.wait(_DRAW_S):
            with self._lock:
                if self._dirty or any(layer.total and not layer.ended for layer in self._layers.values()):
                    self.draw()

    def _layer(self, short: str) -> _Layer:
        self._dirty = True
        return self._layers.setdefault(clean(short), _Layer())

    def start(self, short: str, what: str, total: int) -> None:
        with self._lock:
            self._layer(short).become(clean(what), total if what in MEASURED else 0)

    def advance(self, short: str, done: int) -> None:
        layer = self._layers.get(short)
        if layer is not None:
            layer.done = done

    def finish(self, short: str, what: str) -> None:
        with self._lock:
            self._layer(short).become(clean(what), 0, ended=True)

    def note(self, line: str) -> None:
        """Above the layers that are on their way; below those that have all arrived."""
        with self._lock:
            if self._layers and all(layer.ended for layer in self._layers.values()):
                self.draw(is_last=True)
            self._above.append(clean(line))
            self._dirty = True

    def draw(self, *, is_last: bool = False) -> None:
        """One write(2). `is_last`: all the lines, to stay; what comes next begins below."""
        columns, rows = screen.size(self._fd)
        lines = self._lines(columns, None if is_last else max(2, rows - 1))
        # A window that became narrower has wrapped what was drawn before
        up = sum(max(1, -(-length // columns)) for length in self._drawn)
        text = f"\x1b[{up}A\r" if up else "\r"
        if up != len(self._drawn):
            text += "\x1b[J"
        text += "".join(f"{line}\x1b[K\r\n" for line in [*self._above, *lines]) + "\x1b[J"
        self._above.clear()
        self._drawn = [] if is_last else [len(line) for line in lines]
        if is_last:
            self._layers.clear()
        self._dirty = False
        self._put(text)

    def _put(self, text: str) -> None:
        if not screen.draw(self._fd, text):
            self._stop.set()

    def _lines(self, columns: int, rows: int | None) -> list[str]:
        shown = list(self._layers)
        folded = ""
        if rows is not None and len(shown) > rows:
            shown, folded = self._fold(rows - 1)
        now = self._clock()
        lines = [fit(short, self._layers[short].what, self._measure(self._layers[short], now), columns)
                 for short in shown]  # fmt: skip
        return [*lines, folded[: columns - 1]] if folded else lines

    def _fold(self, rows: int) -> tuple[list[str], str]:
        """Those under way first, in the order in which they came; a line counts the others."""

        def rank(short: str) -> int:
            layer = self._layers[short]
            return 2 if layer.ended else 0 if layer.total else 1

        kept = set(sorted(self._layers, key=rank)[:rows])
        ended = sum(layer.ended for short, layer in self._layers.items() if short not in kept)
        waiting = len(self._layers) - len(kept) - ended
        said = [f"{ended} complete"] * bool(ended) + [f"{waiting} waiting"] * bool(waiting)
        return [short for short in self._layers if short in kept], f"... and {' and '.join(said)}"

    @staticmethod
    def _measure(layer: _Layer, now: float) -> tuple[int, int, float] | None:
        if not layer.total or layer.ended:
            return None
        return min(layer.done, layer.total), layer.total, layer.sample(now)


def fit(short: str, what: str, measure: tuple[int, int, float] | None, columns: int) -> str:
    """One line for a terminal of that width. `measure`: bytes done, bytes in all, bytes per second.

    A narrow one loses the bar, then time and speed: never the number.
    """
    left = f"{short}: {what}"
    if measure is None:
        return left[: columns - 1]
    done, total, speed = measure
    counts = f"{shown_size(done):>7}/{shown_size(total)}"
    pace = f"{shown_size(int(speed)):>7}/s {_left_text(total - done, speed):>6}" if speed >= 1 and done < total else ""
    # What has no speed yet keeps its place, so that the bar does not jump
    room = columns - 1 - len(left) - len(counts) - 16 - 5
    if room >= 10:
        width = min(50, room)
        full = width * done // total
        bar = ("=" * full + ">" if full < width else "=" * width).ljust(width)
        return f"{left} [{bar}] {counts} {pace}".rstrip()
    for text in (f"{left} {counts} {pace}".rstrip(), f"{left} {counts}"):
        if len(text) < columns:
            return text
    return f"{left[: max(0, columns - 6)]} {100 * done // total:3d}%"[: columns - 1]


def shown_size(size: int) -> str:
    """1000-based with up to four digits, as docker's progress: 12.34MB."""
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.95 or unit == "TB":
            break
        value /= 1000
    return f"{value:.4g}{unit}"


def _left_text(size: int, speed: float) -> str:
    seconds = int(size / speed + 0.5)
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02d}m" if seconds < 360_000 else ""
