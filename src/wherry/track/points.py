"""Reading points back, in bounded memory: as they are, or as the fewest that draw the same curve.

Reads what metrics.py writes, also after a kill -9 or a cut at any byte, and metrics.jsonl.
"""

from __future__ import annotations

import os
import sys

from wherry.track.folder import open_inside
from wherry.track.metrics import HEADER, HEADER_BYTES, MAGIC, RECORD, RECORD_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Iterator, List, Tuple

    Point = Tuple[str, int, float, float]
    Batch = Tuple[str, List[int], List[float], List[float]]

__all__ = ["Curve", "Summary", "batches", "last", "number_in", "number_out", "points", "summaries"]

_CHUNK = RECORD_BYTES << 12
_LINE_LIMIT = 1 << 20
_NAME_LIMIT = 4096  # 250 letters, each of them escaped
_MOST_NAMES = 100_000
_NAN = float("nan")
_WORDS = {"nan": _NAN, "inf": float("inf"), "infinity": float("inf"), "+infinity": float("inf"), "-inf": -float("inf"),
          "-infinity": -float("inf")}  # fmt: skip


def points(folder: str, name: str = "") -> Iterator[Point]:
    """(name, step, time, value) of a run's folder, of one metric or of all. Time is in seconds since 1970.

    In the order of each file; files one after another. Memory: one chunk of 128 KiB.
    """
    for path in _files(folder):
        for point in _of_file(path, name):
            yield point
    for point in _of_lines(folder):
        if not name or point[0] == name:
            yield point


def batches(folder: str, name: str = "") -> Iterator[Batch]:
    """(name, steps, times, values): what `points` gives, some thousand at once and a tenth of the time a point.

    In the order of each file for one metric; metrics of one chunk one after another.
    """
    for path in _files(folder):
        names = _names(path)
        for chunk in _chunks(path, False):
            for ident, steps, times, values in _columns(chunk):
                if 0 < ident <= len(names) and (not name or names[ident - 1] == name):
                    yield names[ident - 1], steps, times, values
    for one, step, time, value in _of_lines(folder):
        if not name or one == name:
            yield one, [step], [time], [value]


def last(folder: str) -> dict[str, tuple[int, float]]:
    """The newest (step, value) of each metric, from the ends of the files alone: for runs that go on.

    A metric that was not logged in the last 4,096 points of a file may be missing.
    """
    found: dict[str, tuple[float, int, float]] = {}
    for path in _files(folder):
        for name, step, time, value in _of_file(path, "", tail=True):
            if name not in found or found[name][0] <= time:
                found[name] = (time, step, value)
    for name, step, time, value in _of_lines(folder, tail=True):
        if name not in found or found[name][0] <= time:
            found[name] = (time, step, value)
    return {name: (step, value) for name, (_, step, value) in found.items()}


class Summary:
    """Of one metric: how many points, the last by time, least and greatest (NaN left out), with their steps."""

    __slots__ = ("count", "last", "last_step", "last_time", "max", "max_step", "min", "min_step", "nan")

    def __init__(self) -> None:
        self.count = self.nan = self.last_step = self.min_step = self.max_step = 0
        self.last, self.last_time = _NAN, -float("inf")
        self.min, self.max = float("inf"), -float("inf")

    def add(self, step: int, time: float, value: float) -> None:
        self.count += 1
        if time >= self.last_time:
            self.last, self.last_step, self.last_time = value, step, time
        if value != value:
            self.nan += 1
            return
        if value < self.min or self.count - self.nan == 1:
            self.min, self.min_step = value, step
        if value > self.max or self.count - self.nan == 1:
            self.max, self.max_step = value, step

    def extend(self, steps: list[int], times: list[float], values: list[float]) -> None:
        """`add` of each."""
        total = sum(values)
        if total != total or times[-1] < max(times) or times[-1] < self.last_time:
            for step, time, value in zip(steps, times, values):
                self.add(step, time, value)
            return
        least, most = min(values), max(values)
        if least < self.min or self.count == self.nan:
            self.min, self.min_step = least, steps[values.index(least)]
        if most > self.max or self.count == self.nan:
            self.max, self.max_step = most, steps[values.index(most)]
        self.count += len(steps)
        self.last, self.last_step, self.last_time = values[-1], steps[-1], times[-1]

    def document(self) -> dict[str, Any]:
        """For the run document: JSON has no NaN, so such numbers are their words."""
        found: dict[str, Any] = {"count": self.count, "last": number_out(self.last), "last_step": self.last_step}
        if self.count > self.nan:
            found.update(min=number_out(self.min), min_step=self.min_step,
                         max=number_out(self.max), max_step=self.max_step)  # fmt: skip
        if self.nan:
            found["nan"] = self.nan
        return found


def summaries(folder: str) -> dict[str, Summary]:
    """Of all metrics, by name. Reads every point."""
    found: dict[str, Summary] = {}
    for name, steps, times, values in batches(folder):
        one = found.get(name)
        if one is None:
            one = found[name] = Summary()
        one.extend(steps, times, values)
    return {name: found[name] for name in sorted(found)}


class Curve:
    """The fewest points that draw the same curve: in each of at most `buckets` spans of steps the first, the least,
    the greatest and the last one, and whether a NaN is in it. Memory does not grow with the points.

    `add` takes them in any order. Spans double their width when there are too many.
    """

    __slots__ = ("_limit", "_spans", "_width", "count")

    def __init__(self, buckets: int = 1000) -> None:
        self._limit = max(2, buckets)
        self._width = 1
        self._spans: dict[int, list[Any]] = {}
        self.count = 0

    def add(self, step: int, value: float) -> None:
        self.count += 1
        key = step // self._width
        span = self._spans.get(key)
        if span is None:
            is_nan = value != value
            # first, last, least, greatest as (step, value), and a step where it is NaN
            point = (step, value)
            self._spans[key] = [None, None, None, None, step] if is_nan else [point, point, point, point, None]
            if len(self._spans) > self._limit:
                self._widen()
        elif value != value:
            span[4] = step
        elif span[0] is None:
            span[0] = span[1] = span[2] = span[3] = (step, value)
        else:
            if step < span[0][0]:
                span[0] = (step, value)
            if step >= span[1][0]:
                span[1] = (step, value)
            if value < span[2][1]:
                span[2] = (step, value)
            elif value > span[3][1]:
                span[3] = (step, value)

    def extend(self, steps: list[int], values: list[float]) -> None:
        """`add` of each. Where many in order fall into one span, of its ends and extremes alone."""
        from bisect import bisect_left

        start, count = 0, len(steps)
        if steps != sorted(steps):
            start = self._each(steps, values, 0, count)
        while start < count:
            end = bisect_left(steps, (steps[start] // self._width + 1) * self._width, start)
            part = values[start:end]
            total = sum(part)
            if len(part) < 8 or total != total:
                start = self._each(steps, values, start, end)
                continue
            for place in sorted({0, part.index(min(part)), part.index(max(part)), len(part) - 1}):
                self.add(steps[start + place], part[place])
                self.count -= 1
            self.count += len(part)
            start = end

    def _each(self, steps: list[int], values: list[float], start: int, end: int) -> int:
        for place in range(start, end):
            self.add(steps[place], values[place])
        return end

    def points(self) -> list[tuple[int, float]]:
        """By step; NaN where there is one: a gap."""
        found: list[tuple[int, float]] = []
        for key in sorted(self._spans):
            span = self._spans[key]
            some = {point for point in span[:4] if point is not None}
            if span[4] is not None:
                found.append((span[4], _NAN))
            found.extend(some)
        found.sort(key=lambda point: point[0])
        return found

    def _widen(self) -> None:
        while len(self._spans) > self._limit:
            self._width *= 2
            old, self._spans = self._spans, {}
            for key in sorted(old):
                there = self._spans.get(key // 2)
                self._spans[key // 2] = old[key] if there is None else _joined(there, old[key])


def _joined(one: list[Any], two: list[Any]) -> list[Any]:
    """Of two spans, the earlier first."""
    gap = one[4] if one[4] is not None else two[4]
    if one[0] is None or two[0] is None:
        found = list(two if one[0] is None else one)
        found[4] = gap
        return found
    least = one[2] if one[2][1] <= two[2][1] else two[2]
    most = one[3] if one[3][1] >= two[3][1] else two[3]
    return [one[0], two[1], least, most, gap]


def number_out(value: float) -> Any:
    """For JSON: a float, or the word for what JSON has none for."""
    if value != value:
        return "NaN"
    if value in (float("inf"), -float("inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def number_in(value: Any) -> float | None:
    """A number, or one of the words; None for anything else."""
    if isinstance(value, str):
        return _WORDS.get(value.lower())
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else -float("inf")
    return None


def _files(folder: str) -> list[str]:
    try:
        fd = open_inside(folder, "metrics", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []
    try:
        names = sorted(os.listdir(fd))
    finally:
        os.close(fd)
    return [folder + "/metrics/" + name for name in names if name.endswith(".bin")]


def _open(path: str) -> BinaryIO:
    """Raises: OSError."""
    folder, metrics, name = path.rsplit("/", 2)
    return open(open_inside(folder, metrics + "/" + name, os.O_RDONLY), "rb")


def _names(path: str) -> list[str]:
    import json

    names: list[str] = []
    try:
        with _open(path[:-4] + ".names") as file:
            while len(names) < _MOST_NAMES:
                try:
                    names.append(str(json.loads(file.readline(_NAME_LIMIT))))
                except (ValueError, RecursionError):
                    break  # its end, too
    except OSError:
        pass
    return names


def _of_file(path: str, wanted: str, tail: bool = False) -> Iterator[Point]:
    names = _names(path)
    only = names.index(wanted) + 1 if wanted in names else 0
    if wanted and not only:
        return
    count = len(names)
    for chunk in _chunks(path, tail):
        for step, time, value, _, ident in RECORD.iter_unpack(chunk):
            if 0 < ident <= count and (not only or ident == only):
                yield names[ident - 1], step, time, value


def _chunks(path: str, tail: bool) -> Iterator[bytes]:
    """Whole records of a file of points, some thousand at once; nothing of any other file."""
    try:
        file = _open(path)
    except OSError:
        return
    with file:
        head = file.read(HEADER_BYTES)
        if len(head) < HEADER_BYTES or HEADER.unpack_from(head) != (MAGIC, HEADER_BYTES, RECORD_BYTES):
            return
        if tail:
            file.seek(_tail(file))
        while True:
            chunk = file.read(_CHUNK)
            if not chunk.strip(b"\0"):
                return  # nothing comes after what was never written: of a terabyte of holes one chunk is read
            whole = len(chunk) // RECORD_BYTES * RECORD_BYTES
            yield chunk[:whole] if whole < len(chunk) else chunk
            if len(chunk) < _CHUNK:
                return


def _columns(chunk: bytes) -> Iterator[tuple[int, list[int], list[float], list[float]]]:
    """(number of the name, steps, times, values) of the records in a chunk, in their order for each name."""
    if sys.byteorder == "little":
        view = memoryview(chunk)
        floats: Any = view.cast("d")
        steps, idents = view.cast("q")[::4].tolist(), view.cast("I")[7::8].tolist()
        times, values = floats[1::4].tolist(), floats[2::4].tolist()
    else:
        rows: Any = [list(column) for column in zip(*RECORD.iter_unpack(chunk))]
        steps, times, values, _, idents = rows or [[], [], [], [], []]
    present = set(idents)
    if len(present) <= 1:
        for ident in present:
            yield ident, steps, times, values
        return
    found: dict[int, tuple[list[int], list[float], list[float]]] = {one: ([], [], []) for one in present}
    for ident, step, time, value in zip(idents, steps, times, values):
        one = found[ident]
        one[0].append(step)
        one[1].append(time)
        one[2].append(value)
    for ident in sorted(found):
        yield (ident, *found[ident])


def _tail(file: BinaryIO) -> int:
    """Where the last 4,096 points begin. The end of a file that is being written to is zeros: by halves."""
    low, high = 0, max(0, os.fstat(file.fileno()).st_size - HEADER_BYTES) // RECORD_BYTES
    while low < high:
        middle = (low + high) // 2
        record = os.pread(file.fileno(), RECORD_BYTES, HEADER_BYTES + middle * RECORD_BYTES)
        if len(record) == RECORD_BYTES and record[28:] != b"\0\0\0\0":
            low = middle + 1
        else:
            high = middle
    return HEADER_BYTES + max(0, low - 4096) * RECORD_BYTES


def _of_lines(folder: str, tail: bool = False) -> Iterator[Point]:
    """{"loss": 0.1, "step": 3, "time": 1700000000.5}: step counts on when it is left out, time is then unknown (0)."""
    import json

    try:
        file = open(open_inside(folder, "metrics.jsonl", os.O_RDONLY), "rb")
    except OSError:
        return
    with file:
        if tail:
            file.seek(max(0, os.fstat(file.fileno()).st_size - (256 << 10)))
            if file.tell():
                file.readline(_LINE_LIMIT)
        step = -1
        while True:
            line = file.readline(_LINE_LIMIT)
            if not line.endswith(b"\n"):
                return
            try:
                document = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if not isinstance(document, dict):
                continue
            given = document.pop("step", None)
            moment = number_in(document.pop("time", 0.0)) or 0.0
            is_step = isinstance(given, int) and -(1 << 63) <= given < 1 << 63
            step = given if is_step else step + 1
            for name, value in document.items():
                number = number_in(value)
                if number is not None and name:
                    yield name, step, moment, number
