"""The log as it is written, rotated and read."""

from __future__ import annotations

import gzip
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.runtime.log_records import Frames, JsonLines, stamp_of
from wherry.runtime.log_source import PlainFile
from wherry.runtime.logs import LogQuery, read
from wherry.runtime.monitor_log import JsonFile, LogFile
from wherry.runtime.monitor_log_local import BLOCK, Blocks

SECOND = 1_000_000_000
DRIVERS = pytest.mark.parametrize("make", [JsonFile, Blocks], ids=["json-file", "local"])
Make = Callable[[dict[str, Any], None], LogFile]


def opened(make: Make, folder: Path, max_bytes: int = 0, max_files: int = 1, **more: Any) -> tuple[LogFile, str]:
    path = str(folder / ("container.log" if make is JsonFile else "local.log"))
    plan = {"path": path, "max_bytes": max_bytes, "max_files": max_files, "squeezer": [], "attrs": {}, **more}
    return make(plan, None), path


def never() -> bool:
    return False


def all_of(path: str, query: LogQuery = LogQuery()) -> bytes:  # noqa: B008
    return b"".join(data for _, data in read(path, query, never))


@DRIVERS
def test_what_is_written_is_read_back_byte_for_byte(make: Make, tmp_path: Path) -> None:
    log, path = opened(make, tmp_path)
    log.add("stdout", b"one\ntw")
    log.add("stderr", b"err\n")
    log.add("stdout", "o\nohne Zeilenende: ä".encode())
    log.flush()
    assert list(read(path, LogQuery(), never)) == [
        ("stdout", b"one\n"),
        ("stderr", b"err\n"),
        ("stdout", b"two\n"),
        ("stdout", "ohne Zeilenende: ä".encode()),
    ]


@DRIVERS
@settings(max_examples=40)
@given(st.lists(st.binary(max_size=70), max_size=30), st.integers(1, 50))
def test_any_text_survives_in_any_pieces(
    tmp_path_factory: pytest.TempPathFactory, make: Make, lines: list[bytes], step: int
) -> None:
    log, path = opened(make, tmp_path_factory.mktemp("log"))
    data = b"\n".join(lines)
    for at in range(0, len(data), step):
        log.add("stdout", data[at : at + step])
    log.flush()
    expected = data
    if make is JsonFile:
        # JSON is text: what is no UTF-8 is docker's U+FFFD for each byte, and a character of two lines is none
        expected = b"\n".join(line.decode("utf-8", "wherry").encode() for line in lines)
    assert all_of(path) == expected


def test_binary_output_has_dockers_replacements_in_json_and_is_whole_in_local(tmp_path: Path) -> None:
    # As docker 26.1.5 wrote it: one U+FFFD a byte
    data = b"\xff\xe2\x82A\xed\xa0\x80 <&>\\ \x1b[31m\0\n"
    log, path = opened(JsonFile, tmp_path)
    log.add("stdout", data)
    assert json.loads(Path(path).read_text())["log"] == "\ufffd\ufffd\ufffdA\ufffd\ufffd\ufffd <&>\\ \x1b[31m\0\n"
    local, path = opened(Blocks, tmp_path)
    local.add("stdout", data)
    assert all_of(path) == data


@pytest.mark.parametrize(
    ("data", "lengths"),
    [
        (b"x" * 40000 + b"\n", [16384, 16384, 7233]),
        (b"x" * 16383 + b"\n", [16384]),
        (b"x" * 16384 + b"\n", [16384, 1]),
        (b"x" * 16384, [16384]),
        (b"a\n" + b"x" * 20000 + b"\nb\n", [2, 16384, 3617, 2]),
        (b"a\n" * 20000 + b"x" * 16384 + b"b\n", [2] * 20000 + [16384, 2]),
    ],
)
def test_a_very_long_line_is_split_as_docker_does(tmp_path: Path, data: bytes, lengths: list[int]) -> None:
    log, path = opened(JsonFile, tmp_path)
    log.add("stdout", data)
    log.flush()
    rows = [json.loads(line)["log"] for line in Path(path).read_text().splitlines()]
    assert [len(row) for row in rows] == lengths


@pytest.mark.parametrize("text", ["ä", "€", "𝄞"])
@pytest.mark.parametrize("before", range(5))
def test_no_character_is_cut_in_two_at_the_border_of_records(tmp_path: Path, text: str, before: int) -> None:
    # Differs from docker: it has U+FFFD there
    log, path = opened(JsonFile, tmp_path)
    data = ("x" * before + text * 20000).encode()
    log.add("stdout", data)
    log.flush()
    assert all_of(path) == data
    assert max(len(json.loads(line)["log"].encode()) for line in Path(path).read_text().splitlines()) <= 16384


def test_labels_and_the_tag_stand_in_each_record_and_are_shown_as_details(tmp_path: Path) -> None:
    log, path = opened(JsonFile, tmp_path, attrs={"E2": "sp ace&,=x", "tag": "a/b"})
    log.add("stdout", b"one\ntwo\n")
    rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
    assert [list(row) for row in rows] == [["log", "stream", "attrs", "time"]] * 2
    assert all_of(path, LogQuery(details=True)) == (
        b"E2=sp+ace%26%2C%3Dx,tag=a%2Fb one\nE2=sp+ace%26%2C%3Dx,tag=a%2Fb two\n"
    )
    assert all_of(path) == b"one\ntwo\n"


@DRIVERS
def test_rotation_keeps_the_newest_within_the_bounds(make: Make, tmp_path: Path) -> None:
    log, path = opened(make, tmp_path, 1000, 3)
    for number in range(500):
        log.add("stdout", f"line {number}\n".encode())
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    name = os.path.basename(path)
    assert set(sizes) == {name, f"{name}.1", f"{name}.2"}
    assert all(size <= 1000 for size in sizes.values())
    kept = all_of(path).split(b"\n")[:-1]
    assert kept == [f"line {number}".encode() for number in range(500 - len(kept), 500)]
    assert all_of(path, LogQuery(tail=15)).split(b"\n")[:-1] == kept[-15:]
    assert all_of(path, LogQuery(tail=len(kept) - 1)).split(b"\n")[:-1] == kept[1:]


@DRIVERS
def test_one_large_write_fills_several_files(make: Make, tmp_path: Path) -> None:
    log, path = opened(make, tmp_path, 20_000, 4)
    log.add("stdout", b"".join(b"line %d\n" % number for number in range(2000)))
    assert all(file.stat().st_size <= 20_000 for file in tmp_path.iterdir())
    kept = all_of(path).split(b"\n")[:-1]
    assert kept == [f"line {number}".encode() for number in range(2000 - len(kept), 2000)]
    assert len(kept) > 100


@DRIVERS
def test_one_file_is_begun_anew(make: Make, tmp_path: Path) -> None:
    log, path = opened(make, tmp_path, 300, 1)
    for number in range(60):
        log.add("stdout", f"line {number}\n".encode())
    assert [str(file) for file in tmp_path.iterdir()] == [path]
    assert all_of(path).endswith(b"line 59\n")


@DRIVERS
@pytest.mark.parametrize("max_files", [1, 3])
def test_a_reader_follows_a_file_that_is_rotated_under_it(make: Make, tmp_path: Path, max_files: int) -> None:
    log, path = opened(make, tmp_path, 400, max_files)
    log.add("stdout", b"start\n")
    steps = iter(range(1, 60))

    def wait() -> bool:
        number = next(steps, None)
        if number is not None:
            log.add("stdout", f"line {number}\n".encode())
        return number is not None

    found = b"".join(data for _, data in read(path, LogQuery(follow=True), wait))
    expected = [b"start"] + [f"line {number}".encode() for number in range(1, 60)]
    if max_files > 1:
        assert found.split(b"\n")[:-1] == expected
    else:
        # The last line of a file and its end come together: that line is gone with it
        assert set(found.split(b"\n")[:-1]) <= set(expected)
        assert found.endswith(b"line 59\n")


def test_a_reader_follows_on_when_its_file_is_compressed_under_it(tmp_path: Path) -> None:
    log, path = opened(JsonFile, tmp_path, 400, 3)
    log.add("stdout", b"start\n")
    steps = iter(range(1, 40))

    def squeeze() -> None:
        older = Path(f"{path}.1")
        if older.exists():
            with open(f"{path}.1.gz", "wb") as out, gzip.GzipFile(str(older.stat().st_ino), "wb", fileobj=out) as file:
                file.write(older.read_bytes())
            older.unlink()

    def wait() -> bool:
        number = next(steps, None)
        if number is not None:
            log.add("stdout", f"line {number}\n".encode())
            squeeze()
        return number is not None

    found = b"".join(data for _, data in read(path, LogQuery(follow=True), wait))
    assert found == b"start\n" + b"".join(f"line {number}\n".encode() for number in range(1, 40))
    # And from the files: a compressed one is read as any other
    assert all_of(path, LogQuery(tail=12)) == b"".join(f"line {number}\n".encode() for number in range(28, 40))
    assert all_of(path, LogQuery(since_ns=1)).endswith(b"line 39\n")


@DRIVERS
def test_tail_begins_where_it_says_and_goes_on_following(make: Make, tmp_path: Path) -> None:
    log, path = opened(make, tmp_path)
    log.add("stdout", b"1\n2\n3\n")
    more = [b"4\n"]

    def wait() -> bool:
        if more:
            log.add("stdout", more.pop())
            return True
        return False

    assert b"".join(data for _, data in read(path, LogQuery(follow=True, tail=1), wait)) == b"3\n4\n"


def json_rows(path: Path, stamps: list[int]) -> None:
    rows = [{"log": f"{n}\n", "stream": "stdout", "time": stamp_of(ns)} for n, ns in enumerate(stamps)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def frames(path: Path, stamps: list[int]) -> None:
    log = Blocks({"path": str(path), "max_bytes": 0, "max_files": 1, "squeezer": []}, None)
    for n, ns in enumerate(stamps):
        log._clock.now = lambda ns=ns: ns  # type: ignore[method-assign,misc]
        log.add("stdout", f"{n}\n".encode())


BOTH = pytest.mark.parametrize(("write", "name"), [(json_rows, "container.log"), (frames, "local.log")])


@BOTH
def test_bounds_of_time_are_kept(write: Callable[[Path, list[int]], None], name: str, tmp_path: Path) -> None:
    path, second = tmp_path / name, 1_767_225_600
    write(path, [(second + n) * SECOND for n in range(5)])
    query = LogQuery(since_ns=(second + 1) * SECOND, until_ns=(second + 3) * SECOND)
    assert all_of(str(path), query) == b"1\n2\n3\n"
    # As docker: the last lines are counted first
    assert all_of(str(path), query._replace(tail=2)) == b"3\n"


@BOTH
@settings(max_examples=60)
@given(gaps=st.lists(st.integers(0, 3), max_size=60), since=st.integers(0, 120))
def test_searching_by_halves_finds_what_looking_at_each_line_finds(
    tmp_path_factory: pytest.TempPathFactory, write: Callable[[Path, list[int]], None], name: str,
    gaps: list[int], since: int,
) -> None:  # fmt: skip
    path, stamps, now = tmp_path_factory.mktemp("log") / name, [], 1_767_225_600
    for gap in gaps:
        now += gap
        stamps.append(now * SECOND)
    write(path, stamps)
    wanted = (1_767_225_600 + since) * SECOND
    expected = b"".join(b"%d\n" % n for n, ns in enumerate(stamps) if ns >= wanted)
    assert all_of(str(path), LogQuery(since_ns=wanted)) == expected


@BOTH
def test_a_clock_that_went_back_a_day_hides_no_line(
    write: Callable[[Path, list[int]], None], name: str, tmp_path: Path
) -> None:
    path, day = tmp_path / name, 86400
    at = 1_767_225_600
    write(path, [(at + n) * SECOND for n in (0, 1, 2 - day, 3 - day, day, day + 1, 6)])
    path.chmod(0o640 | stat.S_ISVTX)
    assert all_of(str(path), LogQuery(since_ns=(at + 1) * SECOND)) == b"1\n4\n5\n6\n"
    assert all_of(str(path), LogQuery(until_ns=at * SECOND)) == b"0\n2\n3\n"


@DRIVERS
def test_the_file_says_when_the_clock_went_back(make: Make, tmp_path: Path) -> None:
    log, path = opened(make, tmp_path)
    log.add("stdout", b"one\n")
    assert not os.stat(path).st_mode & stat.S_ISVTX
    log._clock.last_ns += 86400 * SECOND
    log.add("stdout", b"two\n")
    assert os.stat(path).st_mode & stat.S_ISVTX
    # And when it did so between two monitors: what is there is younger than now
    again, path = opened(make, tmp_path / "..", 0)
    again.add("stdout", b"x\n")
    os.utime(path, ns=(0, 4_000_000_000 * SECOND))
    later, _ = opened(make, tmp_path / "..", 0)
    later.add("stdout", b"y\n")
    assert os.stat(path).st_mode & stat.S_ISVTX
    assert all_of(path) == b"x\ny\n"


def test_small_steps_of_the_clock_leave_the_times_in_order(tmp_path: Path) -> None:
    log, path = opened(JsonFile, tmp_path)
    log.add("stdout", b"one\n")
    log._clock.last_ns += SECOND // 2
    log.add("stdout", b"two\n")
    assert not os.stat(path).st_mode & stat.S_ISVTX
    stamps = [json.loads(line)["time"] for line in Path(path).read_text().splitlines()]
    assert stamps == sorted(stamps)


@DRIVERS
@pytest.mark.parametrize("torn", [1, 5, 20])
def test_what_a_dead_machine_left_of_a_record_is_cut_off(make: Make, tmp_path: Path, torn: int) -> None:
    log, path = opened(make, tmp_path)
    log.add("stdout", b"one\n")
    log.add("stdout", b"two, which is lost with the machine\n")
    os.truncate(path, os.path.getsize(path) - torn)
    again, _ = opened(make, tmp_path)
    again.add("stdout", b"three\n")
    assert all_of(path) == b"one\nthree\n"


@DRIVERS
def test_lines_that_find_no_place_are_counted_and_said(make: Make, tmp_path: Path) -> None:
    log, path = opened(make, tmp_path)
    log.add("stdout", b"one\n")
    good, log._fd = log._fd, os.open("/dev/full", os.O_RDWR)
    log.add("stdout", b"two\nthree\n")
    assert os.readlink(f"{path}-dropped") == "2"
    os.close(log._fd)
    log._fd = good
    log.add("stdout", b"four\n")
    assert list(read(path, LogQuery(), never)) == [
        ("stdout", b"one\n"),
        ("stderr", b"[wherry: 2 lines were not logged: the disk was full]\n"),
        ("stdout", b"four\n"),
    ]
    # The sum outlives the monitor
    assert opened(make, tmp_path)[0].dropped == 2


class Counted(PlainFile):
    """Counts what is read of it."""

    bytes_read = 0

    def pread(self, count: int, offset: int) -> bytes:
        data = super().pread(count, offset)
        self.bytes_read += len(data)
        return data


class Vast:
    """5 GB that nobody wrote: line N has time N, each line 100 bytes."""

    steady, packed = True, False
    LINES = 50_000_000
    START = 1_700_000_000

    def __init__(self) -> None:
        self.bytes_read = 0

    def line(self, number: int) -> bytes:
        head = f'{{"log":"{number:09d} '
        tail = f'\\n","stream":"stdout","time":"{stamp_of((self.START + number) * SECOND)}"}}\n'
        return (head + "x" * (100 - len(head) - len(tail)) + tail).encode()

    def size(self) -> int:
        return self.LINES * 100

    def pread(self, count: int, offset: int) -> bytes:
        count = max(0, min(count, self.size() - offset))
        first, last = offset // 100, (offset + count) // 100 + 1
        data = b"".join(map(self.line, range(first, min(last, self.LINES))))
        self.bytes_read += count
        return data[offset % 100 :][:count]

    def names(self) -> set[str]:
        return {"vast"}

    def close(self) -> None:
        pass

    def freeze(self) -> None:
        pass


def test_the_last_lines_of_5_gb_take_one_small_read() -> None:
    vast = Vast()
    assert len(vast.line(0)) == 100
    offset, lines = JsonLines().tail(vast, 20)
    assert (offset, lines) == ((vast.LINES - 20) * 100, 20)
    assert vast.bytes_read <= 16 << 10
    vast.bytes_read = 0
    assert JsonLines().tail(vast, 10_000)[0] == (vast.LINES - 10_000) * 100
    assert vast.bytes_read <= 1_200_000


@pytest.mark.parametrize("number", [0, 1, 17_654_321, 49_999_999])
def test_a_moment_in_5_gb_is_found_with_some_hundred_kb(number: int) -> None:
    vast = Vast()
    stamp = stamp_of((vast.START + number) * SECOND - 1)
    assert JsonLines().since(vast, stamp) == number * 100
    assert vast.bytes_read <= 400_000


def test_a_moment_behind_the_end_is_the_end() -> None:
    vast = Vast()
    assert JsonLines().since(vast, stamp_of((vast.START + vast.LINES) * SECOND)) == vast.size()


def test_a_large_local_log_is_read_from_its_end_and_searched_by_its_blocks(tmp_path: Path) -> None:
    path = tmp_path / "local.log"
    log = Blocks({"path": str(path), "max_bytes": 0, "max_files": 1, "squeezer": []}, None)
    for second in range(200):
        log._clock.now = lambda second=second: (1_767_225_600 + second) * SECOND  # type: ignore[method-assign,misc]
        log.add("stdout", (b"%d\n" % second) * 30_000)
    assert path.stat().st_size > 20 * BLOCK
    source = Counted(os.open(path, os.O_RDONLY))
    offset, lines = Frames().tail(source, 5)
    assert lines >= 5
    assert source.bytes_read <= BLOCK
    source.bytes_read = 0
    offset = Frames().since(source, stamp_of((1_767_225_600 + 150) * SECOND))
    assert next(Frames().read(source, offset)).data == b"150\n"
    assert source.bytes_read <= 3 * BLOCK
    source.close()
    assert all_of(str(path), LogQuery(tail=5)) == b"199\n" * 5


@pytest.mark.parametrize(
    "junk",
    [b"", b"\n", b"{}\n", b"[]\n", b'{"log":1}\n', b"\0" * 70000, b"\xff\xfe\n", b'{"log":"x","stream":"stdout"}\n'],
)
def test_what_is_no_record_is_left_out(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "container.log"
    json_rows(path, [1_767_225_600 * SECOND + n * SECOND for n in range(4)])
    good = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(good[0] + junk + (b"" if junk.endswith(b"\n") or not junk else b"\n") + b"".join(good[1:]))
    assert all_of(str(path)) == b"0\n1\n2\n3\n"
    assert all_of(str(path), LogQuery(since_ns=1_767_225_601 * SECOND)) == b"1\n2\n3\n"


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert all_of(str(tmp_path / "container.log")) == b""
    assert all_of(str(tmp_path / "container.log"), LogQuery(tail=5, since_ns=5)) == b""


@settings(max_examples=200)
@given(st.text(max_size=30), st.sampled_from(["stdout", "stderr"]), st.booleans(), st.booleans())
def test_any_json_gives_the_record_that_json_says(text: str, stream: str, has_attrs: bool, is_spaced: bool) -> None:
    class Small:
        steady, packed = True, False

        def __init__(self, data: bytes) -> None:
            self.data = data

        def names(self) -> set[str]:
            return set()

        def size(self) -> int:
            return len(self.data)

        def pread(self, count: int, offset: int) -> bytes:
            return self.data[offset : offset + count]

        def close(self) -> None:
            pass

        def freeze(self) -> None:
            pass

    doc: dict[str, Any] = {"log": text, "stream": stream, "time": "2026-01-01T00:00:00.000000000Z"}
    if has_attrs:
        doc["attrs"] = {"a": '","stream":"stdout'}
    line = json.dumps(doc, ensure_ascii=False, separators=(", ", ": ") if is_spaced else (",", ":")) + "\n"
    (record,) = JsonLines().read(Small(line.encode("utf-8", "replace")), 0)
    assert (record.data, record.stream) == (text.encode("utf-8", "replace"), stream)
    assert record.attrs == doc.get("attrs", {})


@DRIVERS
@pytest.mark.parametrize("tail", [-1, 3])
def test_a_container_that_writes_faster_than_its_log_is_read_does_not_keep_the_reader(
    make: Make, tail: int, tmp_path: Path
) -> None:
    log, path = opened(make, tmp_path)
    log.add("stdout", b"before\n" * 3)
    found = []
    for _, data in read(path, LogQuery(tail=tail), never):
        found.append(data)
        log.add("stdout", b"meanwhile\n" * 10)
        assert len(found) < 100
    assert found == [b"before\n"] * 3


@DRIVERS
def test_who_follows_a_log_keeps_none_of_its_removed_files_open(make: Make, tmp_path: Path) -> None:
    log, path = opened(make, tmp_path, max_bytes=100, max_files=3)
    for number in range(10):
        log.add("stdout", b"line %d\n" % number)
    before = len(os.listdir("/proc/self/fd"))
    follower = read(path, LogQuery(follow=True), lambda: True)
    log.add("stdout", b"last\n")
    while next(follower)[1] != b"last\n":
        continue
    for number in range(10):
        log.add("stdout", b"more %d\n" % number)
    while next(follower)[1] != b"more 9\n":
        continue
    assert len(os.listdir("/proc/self/fd")) == before + 1
    follower.close()  # type: ignore[attr-defined]
    assert len(os.listdir("/proc/self/fd")) == before
