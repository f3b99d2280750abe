"""Events are appended to a log of bounded size, and read back in order while it grows."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.cancel import Cancel
from wherry.engine import events_read
from wherry.engine.events_read import Event, EventQuery, matches, parse_filters, stream
from wherry.errors import Cancelled, InputError
from wherry.runtime import monitor_events

_ALL = EventQuery(until_ns=1 << 62)
_KNOWN = EventQuery(since_ns=1, until_ns=2)


def add(folder: Path, action: str, **attributes: str) -> None:
    data = monitor_events.record("container", action, "c" * 64, {"image": "a", **attributes}, json.dumps)
    monitor_events.append(str(folder), data)


def actions(folder: Path) -> list[str]:
    with events_read._Tail(str(folder), whole=True) as tail:
        return [one.action for one in tail.more()]


def live(folder: Path, query: EventQuery = _ALL) -> Iterator[Event]:
    return stream(str(folder), query, Cancel(timeout_s=20))


def test_the_first_event_makes_the_folder(tmp_path: Path) -> None:
    add(tmp_path / "a" / "events", "start")
    assert actions(tmp_path / "a" / "events") == ["start"]


def test_what_can_not_be_written_is_lost_without_a_fault(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("not a folder")
    add(tmp_path / "events", "start")


def test_what_a_full_disk_cut_off_spoils_no_neighbour(tmp_path: Path) -> None:
    add(tmp_path, "first")
    with (tmp_path / "log").open("ab") as file:
        file.write(b'\x1e{"Type":"container","Act')
    add(tmp_path, "second")
    with (tmp_path / "log").open("ab") as file:
        file.write(b'\x1e[]\n\n\x1e{"Type":1}\n\x1e{"Type":"x","Action":"y","ID":"z","Attributes":3,"timeNano":1}\n')
    assert actions(tmp_path) == ["first", "second"]


def test_a_full_log_becomes_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_events, "FULL", 1000)
    for number in range(200):
        add(tmp_path, str(number))
    found = actions(tmp_path)
    assert found == [str(number) for number in range(200 - len(found), 200)]
    assert len(found) >= 5
    assert sum(one.stat().st_size for one in tmp_path.iterdir()) < 3000


def test_nobody_waits_for_another_that_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    monkeypatch.setattr(monitor_events, "FULL", 10)
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        add(tmp_path, "one")
        add(tmp_path, "two")
    assert actions(tmp_path) == ["one", "two"]


def test_an_event_with_a_monstrous_label_keeps_its_name(tmp_path: Path) -> None:
    add(tmp_path, "die", name="web", exitCode="3", monster="m" * (1 << 20))
    with events_read._Tail(str(tmp_path), whole=True) as tail:
        (event,) = tail.more()
    assert event.attributes == {"image": "a", "name": "web", "exitCode": "3"}


def test_a_follower_meets_every_event_once_whatever_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that a writer with an old file in its hand adds to it late."""
    monkeypatch.setattr(monitor_events, "FULL", 1000)
    add(tmp_path, "0")
    late = os.open(tmp_path / "log", os.O_WRONLY | os.O_APPEND)
    seen = live(tmp_path)
    found = [next(seen).action]
    for number in range(1, 60):
        add(tmp_path, str(number))
        found.append(next(seen).action)
        if number == 8:  # in `log.1` by now
            os.write(late, monitor_events.record("container", "late", "c", {}, json.dumps))
            found.append(next(seen).action)
    os.close(late)
    found.remove("late")
    assert found == [str(number) for number in range(60)]


def test_a_follower_that_sleeps_over_a_rotation_misses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_events, "FULL", 1000)
    add(tmp_path, "0")
    seen = live(tmp_path)
    next(seen)
    for number in range(1, 9):  # over two files
        add(tmp_path, str(number))
    assert (tmp_path / "log.1").exists()
    assert [next(seen).action for _ in range(8)] == [str(number) for number in range(1, 9)]


def test_what_is_recorded_between_the_past_and_the_present_is_seen(tmp_path: Path) -> None:
    def write(n: int) -> None:
        for i in range(50):
            add(tmp_path, f"{n}-{i}")

    writers = [threading.Thread(target=write, args=[n]) for n in range(4)]
    for one in writers:
        one.start()
    seen = live(tmp_path)
    found = [next(seen).action for _ in range(200)]
    for one in writers:
        one.join()
    for n in range(4):
        assert [one for one in found if one.startswith(f"{n}-")] == [f"{n}-{i}" for i in range(50)]


def test_without_a_beginning_only_what_comes_is_told(tmp_path: Path) -> None:
    add(tmp_path, "past")
    seen = live(tmp_path, EventQuery())
    threading.Timer(0.05, lambda: add(tmp_path, "future")).start()
    assert next(seen).action == "future"


def test_a_clock_that_jumps_hides_nothing_that_comes(tmp_path: Path) -> None:
    day = 86_400 * 10**9
    for action, jump in (("old", -day), ("now", 0)):
        write_at(tmp_path, action, jump)
    import time

    seen = live(tmp_path, EventQuery(since_ns=time.time_ns() - 10**10))
    assert next(seen).action == "now"
    write_at(tmp_path, "jumped back", -day)
    write_at(tmp_path, "jumped on", day)
    assert [next(seen).action for _ in range(2)] == ["jumped back", "jumped on"]


def write_at(folder: Path, action: str, jump_ns: int) -> None:
    import time

    doc = {"Type": "container", "Action": action, "ID": "c", "Attributes": {}, "timeNano": time.time_ns() + jump_ns}
    monitor_events.append(str(folder), f"\x1e{json.dumps(doc)}\n".encode())


def test_an_end_in_the_past_tells_what_is_known_and_ends(tmp_path: Path) -> None:
    for action, jump in (("a", -3 * 10**9), ("b", -(10**9)), ("c", 10**10)):
        write_at(tmp_path, action, jump)
    import time

    now = time.time_ns()
    assert [one.action for one in live(tmp_path, EventQuery(until_ns=now))] == ["a", "b"]
    assert [one.action for one in live(tmp_path, EventQuery(now - 2 * 10**9, now))] == ["b"]


def test_a_follower_can_be_cancelled(tmp_path: Path) -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        next(stream(str(tmp_path), EventQuery(), cancel))


def test_json_has_dockers_shape_and_order() -> None:
    event = Event(
        "container", "die", "f" * 64, {"name": "web", "image": "busybox", "exitCode": "0"}, 1795616571101486170
    )
    assert json.dumps(event.to_json(), separators=(",", ":")) == (
        '{"status":"die","id":"' + "f" * 64 + '","from":"busybox","Type":"container","Action":"die","Actor":{"ID":"'
        + "f" * 64 + '","Attributes":{"exitCode":"0","image":"busybox","name":"web"}},"scope":"local",'
        '"time":1795616571,"timeNano":1795616571101486170}'
    )  # fmt: skip
    volume = Event("volume", "create", "data", {"driver": "local"}, 5)
    assert list(Event("container", "prune", "", {}, 5).to_json())[:2] == ["status", "Type"]
    assert list(volume.to_json()) == ["Type", "Action", "Actor", "scope", "time", "timeNano"]


WEB = Event("container", "start", "ab12", {"name": "web", "image": "python:3.10", "tier": "front", "x": "y"}, 1)
PROBE = Event("container", "exec_create: sh -c true", "ab12", {"name": "web", "image": "busybox"}, 1)
PULLED = Event("image", "pull", "quay.io/a/b:1", {"name": "quay.io/a/b"}, 1)


@pytest.mark.parametrize(
    ("event", "texts", "expected"),
    [
        (WEB, [], True),
        (WEB, ["type=container"], True),
        (WEB, ["type=image", "type=container"], True),
        (WEB, ["type=image"], False),
        (WEB, ["event=start"], True),
        (WEB, ["event=star"], False),
        (WEB, ["event=health_status", "event=star"], True),
        (PROBE, ["event=exec_create"], True),
        (PROBE, ["event=exec_create: sh -c true"], True),
        (PROBE, ["event=exec_start"], False),
        (WEB, ["container=web"], True),
        (WEB, ["container=we"], True),
        (WEB, ["container=ab"], True),
        (WEB, ["container=b12"], False),
        (WEB, ["container=other", "container=ab12"], True),
        (WEB, ["image=python"], True),
        (WEB, ["image=python:3.10"], True),
        (WEB, ["image=pyth"], False),
        (PULLED, ["image=quay.io/a/b"], True),
        (PULLED, ["image=quay.io/a/b:1"], True),
        (PULLED, ["image=quay.io/a"], False),
        (WEB, ["label=tier"], True),
        (WEB, ["label=tier=front", "label=x=y"], True),
        (WEB, ["label=tier=front", "label=x=z"], False),
        (WEB, ["label=none"], False),
        (WEB, ["scope=local"], True),
        (WEB, ["scope=swarm"], False),
        (WEB, ["daemon=x"], False),
        (WEB, ["network=web"], True),
        (WEB, ["volume=web", "type=image"], False),
    ],
)
def test_filters_are_dockers(event: Event, texts: list[str], expected: bool) -> None:
    assert matches(event, parse_filters(texts)) is expected


@pytest.mark.parametrize(
    ("text", "message"), [("x", "bad format of filter"), ("colour=red", "invalid filter 'colour'")]
)
def test_a_wrong_filter_is_named(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_filters([text])


def test_the_ids_of_networks_without_rows_are_those_that_inspect_shows() -> None:
    from wherry.engine.events_runs import _PREDEFINED
    from wherry.engine.networks_show import predefined

    assert {name: predefined(name).id for name in _PREDEFINED} == _PREDEFINED
