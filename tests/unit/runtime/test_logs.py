"""The log as it is written, rotated and read."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.runtime.logs import LogQuery, read
from wherry.runtime.monitor_streams import Log


def never() -> bool:
    return False


def all_of(path: Path, query: LogQuery = LogQuery()) -> bytes:  # noqa: B008
    return b"".join(data for _, data in read(str(path), query, never))


def test_what_is_written_is_read_back_byte_for_byte(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), 0, 1)
    log.add("stdout", b"one\ntw")
    log.add("stderr", b"err\n")
    log.add("stdout", "o\nohne Zeilenende: ä".encode())
    log.flush()
    found = list(read(str(tmp_path / "log"), LogQuery(), never))
    assert found == [
        ("stdout", b"one\n"),
        ("stderr", b"err\n"),
        ("stdout", b"two\n"),
        ("stdout", "ohne Zeilenende: ä".encode()),
    ]


def test_a_very_long_line_is_split_as_docker_does(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), 0, 1)
    log.add("stdout", b"x" * 40000 + b"\n")
    rows = [json.loads(line)["log"] for line in (tmp_path / "log").read_text().splitlines()]
    assert [len(row) for row in rows] == [16384, 16384, 7233]


@settings(max_examples=40)
@given(
    st.lists(
        st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=60), max_size=30
    )
)
def test_any_text_survives(tmp_path_factory: object, lines: list[str]) -> None:
    path = tmp_path_factory.mktemp("log") / "log"  # type: ignore[attr-defined]
    log = Log(str(path), 0, 1)
    data = "".join(f"{line}\n" for line in lines).encode()
    for at in range(0, len(data), 7):
        log.add("stdout", data[at : at + 7])
    assert all_of(path) == data


def test_rotation_keeps_the_newest_within_the_bounds(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = Log(str(path), 1000, 3)
    for number in range(100):
        log.add("stdout", f"line {number}\n".encode())
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert set(sizes) == {"log", "log.1", "log.2"}
    assert all(size <= 1000 for size in sizes.values())
    kept = all_of(path).split(b"\n")[:-1]
    assert kept == [f"line {number}".encode() for number in range(100 - len(kept), 100)]
    assert all_of(path, LogQuery(tail=15)).split(b"\n")[:-1] == kept[-15:]


def test_one_file_is_begun_anew(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), 300, 1)
    for number in range(20):
        log.add("stdout", f"line {number}\n".encode())
    assert [file.name for file in tmp_path.iterdir()] == ["log"]
    assert all_of(tmp_path / "log").endswith(b"line 19\n")


def test_a_reader_follows_a_file_that_is_rotated_under_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = Log(str(path), 400, 3)
    log.add("stdout", b"start\n")
    steps = iter(range(1, 30))

    def wait() -> bool:
        number = next(steps, None)
        if number is not None:
            log.add("stdout", f"line {number}\n".encode())
        return number is not None

    found = b"".join(data for _, data in read(str(path), LogQuery(follow=True), wait))
    assert found == b"start\n" + b"".join(f"line {number}\n".encode() for number in range(1, 30))


def test_tail_begins_where_it_says_and_goes_on_following(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = Log(str(path), 0, 1)
    log.add("stdout", b"1\n2\n3\n")
    more = [b"4\n"]

    def wait() -> bool:
        if more:
            log.add("stdout", more.pop())
            return True
        return False

    assert b"".join(data for _, data in read(str(path), LogQuery(follow=True, tail=1), wait)) == b"3\n4\n"


def test_bounds_of_time_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "log"
    rows = [{"log": f"{n}\n", "stream": "stdout", "time": f"2026-01-01T00:00:0{n}.000000000Z"} for n in range(5)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    second = 1_767_225_600
    query = LogQuery(since_ns=(second + 1) * 10**9, until_ns=(second + 3) * 10**9)
    assert all_of(path, query) == b"1\n2\n3\n"


def test_spoilt_lines_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'nonsense\n{"log":"a\\n","stream":"stdout","time":"t"}\n{"half')
    assert all_of(path) == b"a\n"


def test_no_file_is_no_lines(tmp_path: Path) -> None:
    assert all_of(tmp_path / "missing") == b""


def test_a_disk_that_refuses_is_counted_and_told_later(tmp_path: Path) -> None:
    folder = tmp_path / "missing"
    log = Log(str(folder / "log"), 0, 1)
    log.add("stdout", b"lost\nlost too\n")
    assert log.dropped == 2
    folder.mkdir()
    log.add("stdout", b"kept\n")
    found = list(read(str(folder / "log"), LogQuery(), never))
    assert found[1] == ("stdout", b"kept\n")
    assert found[0][0] == "stderr"
    assert b"2 lines were not logged" in found[0][1]
