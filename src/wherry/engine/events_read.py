"""`events`: the log of events from a moment on, and what comes after it, through docker's filters."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress

from wherry.errors import InputError
from wherry.fs.watch import FolderWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, NamedTuple

    from wherry.cancel import Cancel
else:
    from wherry.lean import NamedTuple

__all__ = ["FILTERS", "Event", "EventQuery", "matches", "parse_filters", "stream"]

# Those that fit the beginning of an id or a name
_BEGINNINGS = ("config", "container", "daemon", "network", "node", "plugin", "secret", "service", "volume")
FILTERS = (*_BEGINNINGS, "event", "image", "label", "scope", "type")
_SECOND_NS = 1_000_000_000
_CHUNK = 1 << 18
_LOOK_S = 0.2
_LONGEST = 1 << 20


class Event(NamedTuple):
    """One event. `id` is the actor's, whole; of an image its config's digest; of a volume its name; "" of a prune."""

    type: str
    action: str
    id: str
    attributes: Mapping[str, str]
    time_ns: int

    def to_json(self) -> dict[str, Any]:
        """docker's shape, keys in its order: status, id and from are for containers and images only."""
        doc: dict[str, Any] = {}
        if self.type in ("container", "image"):
            doc = {"status": self.action, "id": self.id}
        if self.type == "container":
            doc["from"] = self.attributes.get("image", "")
        doc = {name: value for name, value in doc.items() if value}
        attributes = {name: self.attributes[name] for name in sorted(self.attributes)}
        doc |= {"Type": self.type, "Action": self.action, "Actor": {"ID": self.id, "Attributes": attributes}}
        return doc | {"scope": "local", "time": self.time_ns // _SECOND_NS, "timeNano": self.time_ns}


class EventQuery(NamedTuple):
    """Which events. Without `since_ns` and `until_ns` (ns since the epoch, 0: not given) only those to come; with
    `until_ns` alone, all that are known, too. `filters` as `parse_filters` gives them."""

    since_ns: int = 0
    until_ns: int = 0
    filters: Mapping[str, Sequence[str]] = {}


def parse_filters(texts: Sequence[str]) -> dict[str, list[str]]:
    """Of "key=value" texts; the values of a key belong together. Raises: InputError."""
    from wherry.engine.filters import parse_filters as parse

    found: dict[str, list[str]] = {}
    # Differs from docker: a filter that nobody knows is an error, and not ignored
    for key, value in parse(texts, FILTERS):
        found.setdefault(key, []).append(value)
    return found


def matches(event: Event, filters: Mapping[str, Sequence[str]]) -> bool:
    """docker's rules: values of one key are alternatives, but labels, which must all be there."""
    return (
        _one_of(filters, "type", (event.type,))
        and _one_of(filters, "scope", ("local",))
        and _matches_action(event.action, filters.get("event"))
        and _matches_image(event, filters)
        and all(_begins(event, filters.get(kind)) for kind in _BEGINNINGS)
        and _matches_labels(event.attributes, filters.get("label", ()))
    )


def _one_of(filters: Mapping[str, Sequence[str]], key: str, values: Sequence[str]) -> bool:
    wanted = filters.get(key)
    return not wanted or any(one in wanted for one in values)


def _matches_action(action: str, wanted: Sequence[str] | None) -> bool:
    if not wanted:
        return True
    if any(one in ("health_status", "exec_create", "exec_start") for one in wanted):
        # Their actions go on behind a colon; as docker, all alternatives are beginnings then
        return action.startswith(tuple(wanted))
    return action in wanted


def _begins(event: Event, wanted: Sequence[str] | None) -> bool:
    """As docker: an id or name that begins so, of whatever type the event is."""
    if not wanted:
        return True
    heads = tuple(wanted)
    return event.id.startswith(heads) or event.attributes.get("name", "").startswith(heads)


def _matches_image(event: Event, filters: Mapping[str, Sequence[str]]) -> bool:
    if not filters.get("image"):
        return True
    name = event.attributes.get("name" if event.type == "image" else "image", "")
    return _one_of(filters, "image", (event.id, name, _without_tag(event.id), _without_tag(name)))


def _without_tag(name: str) -> str:
    """The repository, as users write it."""
    from wherry.oci.reference import Reference

    try:
        return Reference.parse(name).familiar_name
    except InputError:
        return name


def _matches_labels(attributes: Mapping[str, str], wanted: Sequence[str]) -> bool:
    from wherry.engine.filters import has_label

    return all(has_label(attributes, one) for one in wanted)


def stream(folder: str, query: EventQuery, cancel: Cancel | None = None) -> Iterator[Event]:
    """See Events.stream."""
    left_s = (query.until_ns - time.time_ns()) / _SECOND_NS if query.until_ns else None
    # From here on by a clock that nobody sets
    deadline = None if left_s is None else time.monotonic() + left_s
    with suppress(OSError):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    with FolderWatch(folder) as watch, _Tail(folder, whole=bool(query.since_ns or query.until_ns)) as tail:
        # At once, not as the caller takes them: what comes from now on is asked for, whatever a clock that is set says
        yield from [one for one in tail.more() if _is_within(one, query) and matches(one, query.filters)]
        while True:
            # Before the look: what comes after the last one is seen
            is_last = deadline is not None and time.monotonic() >= deadline
            for event in tail.more():
                if matches(event, query.filters):
                    yield event
            if is_last:
                return
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if cancel is not None:
                cancel.check()
                left = _LOOK_S if left is None else min(left, _LOOK_S)
            watch.wait(left)


def _is_within(event: Event, query: EventQuery) -> bool:
    return event.time_ns >= query.since_ns and (not query.until_ns or event.time_ns <= query.until_ns)


class _Tail:
    """The log and its predecessor, read to their ends again and again."""

    def __init__(self, folder: str, *, whole: bool) -> None:
        self._paths = (f"{folder}/log.1", f"{folder}/log")
        self._files: list[_File] = []
        self._open_new()
        for file in self._files if not whole else ():
            file.skip()

    def more(self) -> Iterator[Event]:
        """What was added since. A late writer may still add to the predecessor."""
        while True:
            for file in self._files:
                yield from file.more()
            if not self._open_new():
                return
            while len(self._files) > 2:
                gone = self._files.pop(0)
                yield from gone.more()
                gone.close()

    def _open_new(self) -> bool:
        """Whether there are files that were not there at the last look."""
        known = {file.ino for file in self._files}
        while True:
            new = [file for file in map(_File.find, self._paths) if file is not None]
            # Nothing was rotated between the two, else one would be missing
            is_whole = [file.ino for file in new] == list(filter(None, map(_inode, self._paths)))
            fresh = [file for file in new if is_whole and file.ino not in known]
            for file in new:
                if file not in fresh:
                    file.close()
            if is_whole:
                self._files += fresh
                return bool(fresh)

    def __enter__(self) -> _Tail:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return 0


class _File:
    def __init__(self, fd: int) -> None:
        self._fd, self.ino, self._rest = fd, os.fstat(fd).st_ino, b""

    @classmethod
    def find(cls, path: str) -> _File | None:
        try:
            return cls(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except FileNotFoundError:
            return None

    def skip(self) -> None:
        os.lseek(self._fd, 0, os.SEEK_END)

    def more(self) -> Iterator[Event]:
        while data := os.read(self._fd, _CHUNK):
            *whole, self._rest = (self._rest + data).split(b"\n")
            # What has no end after so many bytes never was one
            self._rest = self._rest if len(self._rest) < _LONGEST else b""
            yield from filter(None, map(_decode, whole))

    def close(self) -> None:
        os.close(self._fd)


def _decode(line: bytes) -> Event | None:
    """Behind the last RS: before it may be the beginning of a record that a full disk cut off."""
    try:
        doc = json.loads(line[line.rfind(b"\x1e") + 1 :])
        attributes = {str(name): str(value) for name, value in doc["Attributes"].items()}
        return Event(str(doc["Type"]), str(doc["Action"]), str(doc["ID"]), attributes, int(doc["timeNano"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
