"""Names for containers: messages as they are on the wire, and who is known by which name."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from wherry.runtime.monitor_dns_names import Names
from wherry.runtime.monitor_dns_wire import AAAA, PTR, SERVFAIL, A, Question, answer, failure, parse, truncated


def query(name: str, kind: int = A, *, id: bytes = b"ab", tail: bytes = b"", extra: bytes = b"\0\0") -> bytes:
    labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split("."))
    return id + b"\1\0" + b"\0\1" + bytes(4) + extra + labels + b"\0" + kind.to_bytes(2, "big") + b"\0\1" + tail


def asked(name: str, kind: int = A) -> Question:
    found = parse(query(name, kind))
    assert found
    return found


def test_a_question_is_read_in_lower_case() -> None:
    found = asked("Web.Example", AAAA)
    assert (found.name, found.kind, found.most, found.recursion) == ("web.example", AAAA, 512, 1)


def test_a_client_may_say_how_much_it_takes() -> None:
    opt = bytes([0, 0, 41, 0x05, 0x00]) + bytes(6)
    found = parse(query("a", tail=opt, extra=b"\0\1"))
    assert found
    assert found.most == 0x500


def test_an_answer_repeats_the_question_and_points_at_its_name() -> None:
    data = answer(asked("web"), [b"\x0a\0\0\2"])
    assert data[:2] == b"ab"
    assert data[2:4] == b"\x81\x80", "an answer, recursion asked for and there, no error"
    assert data[4:8] == b"\0\1\0\1"
    assert data.endswith(b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x0a\0\0\2")


def test_failures_and_long_answers_say_so() -> None:
    assert failure(asked("web"), SERVFAIL)[3] & 15 == SERVFAIL
    assert truncated(asked("web"))[2] & 2


@given(st.binary(max_size=600))
def test_nothing_that_comes_in_breaks_the_reader(data: bytes) -> None:
    found = parse(data)
    assert found is None or len(found.raw) <= 259


@given(st.binary(max_size=40), st.integers(0, 40))
def test_a_question_that_was_cut_short_is_none(tail: bytes, cut: int) -> None:
    whole = query("name.of.a.peer")
    assert parse(whole[: min(cut, len(whole) - 1)]) is None


class Files:
    """The engine's files, as the resolver finds them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.own, self.version = folder, folder / "own", 0
        self.put("own", {"servers": ["10.0.0.1"], "networks": [str(folder / "n1"), str(folder / "n2")], "links": {}})

    def put(self, name: str, value: object) -> None:
        (self.folder / "new").write_text(json.dumps(value))
        (self.folder / "new").rename(self.folder / name)

    def network(self, file: str, name: str, *members: tuple[str, list[str], str, str]) -> None:
        self.put(file, {"name": name, "members": [list(one) for one in members]})


def test_names_are_those_of_the_first_network_that_has_them(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.network("n1", "one", ("c1", ["db", "c1"], "10.0.0.2", ""))
    files.network("n2", "two", ("c1", ["db", "c1"], "10.1.0.2", "fd00::2"), ("c2", ["web"], "10.1.0.3", ""))
    names = Names(str(files.own))
    assert names.find(asked("db")) == [b"\x0a\0\0\2"]
    assert names.find(asked("DB.two")) == [b"\x0a\1\0\2"]
    assert names.find(asked("web")) == [b"\x0a\1\0\3"]
    assert names.find(asked("web", AAAA)) == [], "it is known, but has none: nobody else is asked"
    assert names.find(asked("web", 15)) == []
    assert names.find(asked("example.com")) is None
    assert names.servers() == ["10.0.0.1"]


def test_several_with_one_name_take_turns(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.network("n1", "one", *((f"c{i}", ["app"], f"10.0.0.{i}", "") for i in (1, 2, 3)))
    names = Names(str(files.own))
    firsts = {(names.find(asked("app")) or [b""])[0][3] for _ in range(3)}
    assert firsts == {1, 2, 3}
    assert len(names.find(asked("app")) or []) == 3


def test_who_comes_and_goes_is_seen_at_once(tmp_path: Path) -> None:
    files = Files(tmp_path)
    names = Names(str(files.own))
    assert names.find(asked("db")) is None
    for address in range(2, 50):
        files.network("n1", "one", ("c1", ["db"], f"10.0.0.{address}", ""))
        assert names.find(asked("db")) == [bytes([10, 0, 0, address])]
    files.put("own", {"servers": [], "networks": []})
    assert names.find(asked("db")) is None


def test_a_link_is_a_name_for_one_container_alone(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.put("own", {"servers": [], "networks": [str(tmp_path / "n1")], "links": {"store": "c1"}})
    files.network("n1", "one", ("c1", ["db"], "10.0.0.2", ""))
    assert Names(str(files.own)).find(asked("store")) == [b"\x0a\0\0\2"]


def test_a_link_by_name_is_to_whoever_has_that_name_now(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.put("own", {"servers": [], "networks": [str(tmp_path / "n1")], "links": {"store": "shop-db-1"}})
    names = Names(str(files.own))
    # "store" of another one, as an alias, is not what was linked to
    files.network("n1", "one", ("c1", ["shop-db-1", "db"], "10.0.0.2", ""), ("c2", ["x", "shop-db-1"], "10.0.0.3", ""))
    assert names.find(asked("store")) == [b"\x0a\0\0\2"]
    files.network("n1", "one", ("c3", ["shop-db-1", "db"], "10.0.0.4", ""))
    assert names.find(asked("store")) == [b"\x0a\0\0\4"]


def test_an_address_has_its_containers_name(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.network("n1", "one", ("c1", ["db"], "10.0.0.2", ""))
    assert Names(str(files.own)).find(asked("2.0.0.10.in-addr.arpa", PTR)) == [b"\2db\3one\0"]
    assert Names(str(files.own)).find(asked("9.0.0.10.in-addr.arpa", PTR)) is None


def test_a_file_that_is_broken_means_nothing(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("{nonsense")
    assert Names(str(tmp_path / "own")).find(asked("db")) is None
