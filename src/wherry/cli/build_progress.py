"""What `wherry build` shows on stderr: BuildKit's plain lines, or, on a terminal, a display that is drawn anew."""

from __future__ import annotations

import os
import re
import threading
import time
from typing import Self

from wherry.cli import screen
from wherry.cli.flags import FlagError
from wherry.cli.render import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from wherry.cli.render import Output

__all__ = ["Live", "Plain", "choose"]

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_DRAW_S = 0.1
_SHOWN_LINES = 6
_KEPT_LINES = 40
_LONGEST_LINE = 1 << 16


def choose(kind: str, out: Output, env: Mapping[str, str]) -> Plain | Live:
    """`kind` is auto, plain or tty. Raises: FlagError."""
    if kind not in ("auto", "plain", "tty"):
        raise FlagError(f'invalid argument "{kind}" for "--progress" flag: it is auto, plain or tty')
    if kind == "tty" and not out.err_is_terminal:
        raise FlagError("--progress tty needs a terminal on stderr")
    if kind == "plain" or not out.err_is_terminal or env.get("TERM") == "dumb":
        return Plain(out.error)
    return Live(out.err_fd)


class _Step:
    """`lines` are the last ones of its output. `ended` is monotonic seconds, 0 while it runs.

    `has_clock`: its lines are shown with the seconds since its start.
    """

    def __init__(self, number: int, name: str, now: float, *, has_clock: bool = True) -> None:
        self.number, self.name, self.started = number, name, now
        self._has_clock = has_clock
        self.ended = 0.0
        self.result = ""
        self.lines: list[str] = []
        self.rest = b""

    def feed(self, data: bytes, now: float) -> list[str]:
        """The whole lines that `data` completes, each with its time; a bare carriage return overwrites."""
        *whole, self.rest = (self.rest + data).split(b"\n")
        self.rest = self.rest[-_LONGEST_LINE:]
        texts = [_text(line) for line in whole]
        if texts:
            self.lines = [*self.lines, *texts][-_KEPT_LINES:]
        if not self._has_clock:
            return texts
        return [f"{now - self.started:.3f} {text}".rstrip() for text in texts]

    def flush(self, now: float) -> list[str]:
        return self.feed(b"\n", now) if self.rest else []


def _text(line: bytes) -> str:
    text = line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")
    return clean(_ESCAPES.sub("", text).replace("\t", "    "))


class _Display:
    """Keeps the steps; a lock around every call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: dict[str, _Step] = {}
        self._failed: _Step | None = None

    def _begin(self, key: str, name: str) -> _Step:
        # Those of the Dockerfile have numbers as keys; what wherry says of its own work has no clock, as in BuildKit
        number = len(self._steps) + 1
        step = self._steps[key] = _Step(
            number, clean(name), time.monotonic(), has_clock=key.rpartition(":")[2].isdecimal()
        )
        return step

    def _end(self, key: str, result: str) -> _Step:
        step = self._steps[key]
        step.ended = time.monotonic()
        step.result = result or f"DONE {step.ended - step.started:.1f}s"
        return step

    def _epilogue(self) -> list[str]:
        """The failed step's last lines, apart from what the others wrote."""
        if self._failed is None or not self._failed.lines:
            return []
        rule = "------"
        return [rule, f" > {self._failed.name}:", *self._failed.lines[-20:], rule]


class Plain(_Display):
    """BuildKit's plain mode: `#5 [2/4] WORKDIR /app`, `#5 0.512 text`, `#5 DONE 0.1s`, `#6 CACHED`."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write
        self._current: _Step | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            for line in self._epilogue():
                self._write(line)

    def start(self, key: str, name: str) -> None:
        with self._lock:
            self._switch(self._begin(key, name))

    def _switch(self, step: _Step) -> None:
        if self._current is step:
            return
        if self._current and not self._current.ended:
            self._write(f"#{self._current.number} ...")
        if self._current:
            self._write("")
        self._current = step
        self._write(f"#{step.number} {step.name}")

    def output(self, key: str, data: bytes) -> None:
        with self._lock:
            step = self._steps[key]
            self._lines(step, step.feed(data, time.monotonic()))

    def _lines(self, step: _Step, lines: list[str]) -> None:
        if lines:
            self._switch(step)
            self._write("\n".join(f"#{step.number} {line}" for line in lines))

    def _finish(self, key: str, result: str) -> None:
        with self._lock:
            step = self._steps[key]
            self._lines(step, step.flush(time.monotonic()))
            self._switch(self._end(key, result))
            self._write(f"#{step.number} {step.result}")

    def cached(self, key: str) -> None:
        self._finish(key, "CACHED")

    def done(self, key: str) -> None:
        self._finish(key, "")

    def failed(self, key: str, message: str) -> None:
        self._finish(key, f"ERROR: {clean(message)}")
        self._failed = self._failed or self._steps[key]

    def cancelled(self, key: str) -> None:
        self._finish(key, "CANCELED")

    def note(self, text: str) -> None:
        with self._lock:
            if self._current:
                self._write("")
                self._current = None
            self._write(clean(text))


class Live(_Display):
    """One line for each step with its time, the last lines of those that run, redrawn ten times a second.

    Nothing of the terminal is switched, so that nothing has to be restored, however the program ends.
    """

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._began = time.monotonic()
        self._drawn: list[int] = []
        self._notes: list[str] = []
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="build-display", daemon=True)

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._ticker.join()
        with self._lock:
            self._draw(is_last=True)
            if lines := self._epilogue():
                self._put("\r\n".join(lines) + "\r\n")

    def _tick(self) -> None:
        while not self._stop.wait(_DRAW_S):
            with self._lock:
                self._draw()

    def start(self, key: str, name: str) -> None:
        with self._lock:
            self._begin(key, name)

    def output(self, key: str, data: bytes) -> None:
        with self._lock:
            self._steps[key].feed(data, time.monotonic())

    def _finish(self, key: str, result: str) -> _Step:
        with self._lock:
            self._steps[key].flush(time.monotonic())
            return self._end(key, result)

    def cached(self, key: str) -> None:
        self._finish(key, "CACHED")

    def done(self, key: str) -> None:
        self._finish(key, "")

    def failed(self, key: str, message: str) -> None:
        step = self._finish(key, "ERROR")
        self._failed = self._failed or step
        del message  # it is printed after the display, with the place in the Dockerfile

    def cancelled(self, key: str) -> None:
        self._finish(key, "CANCELED")

    def note(self, text: str) -> None:
        with self._lock:
            self._notes.append(clean(text))

    def _put(self, text: str) -> None:
        os.write(self._fd, text.encode("utf-8", "replace"))

    def _draw(self, *, is_last: bool = False) -> None:
        columns, rows = screen.size(self._fd)
        lines = [self._fitted(left, right, columns) for left, right in self._lines()]
        if not is_last:
            lines = lines[-max(1, rows - 1) :]
        # A window that became narrower has wrapped what was drawn before
        up = sum(max(1, -(-length // max(1, columns))) for length in self._drawn)
        back = f"\x1b[{up}A\r\x1b[J" if up else "\r"
        self._put(back + "".join(line + "\r\n" for line in lines))
        self._drawn = [len(line) for line in lines]

    def _lines(self) -> list[tuple[str, str]]:
        now = time.monotonic()
        steps = sorted(self._steps.values(), key=lambda step: step.number)
        ended = sum(1 for step in steps if step.ended)
        shown = [(f"[+] Building {now - self._began:.1f}s ({ended}/{len(steps)})", "")]
        shown += [(f" => {note}", "") for note in self._notes]
        for step in steps:
            result = f"{step.result} " if step.result in ("CACHED", "ERROR", "CANCELED") else ""
            shown.append((f" => {result}{step.name}", f"{(step.ended or now) - step.started:.1f}s"))
            if not step.ended:
                shown += [(f" => => # {line}", "") for line in step.lines[-_SHOWN_LINES:]]
        return shown

    @staticmethod
    def _fitted(left: str, right: str, columns: int) -> str:
        width = max(8, columns - len(right) - 2)
        if len(left) > width:
            left = left[: width - 1] + "…"
        return f"{left.ljust(width)} {right}".rstrip() if right else left
