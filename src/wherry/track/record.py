"""A run as it is read back: from its folder, running, ended or killed."""

from __future__ import annotations

import os

from wherry.track import folder as folders
from wherry.track.shape import is_digest, is_id, shaped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

__all__ = ["STATUSES", "Record", "read", "status_of"]

STATUSES = ("running", "finished", "failed", "killed", "lost")


class Record:
    """One run in its folder. What it says is read anew by each new Record."""

    __slots__ = ("_document", "folder", "start")

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.start: dict[str, Any] = folders.load(folder + "/run.json") or {}
        called = os.path.basename(folder)
        if self.start and is_id(called):
            self.start["id"] = called
        self._document: dict[str, Any] = {}

    @property
    def id(self) -> str:
        return str(self.start.get("id", ""))

    @property
    def started_ms(self) -> int:
        """Milliseconds since 1970."""
        started = self.start.get("started_ms")
        return started if isinstance(started, int) else 0

    @property
    def document(self) -> dict[str, Any]:
        """The run document (docs/tracking.md). Of a run that was killed, its metrics are summed up now."""
        if not self._document:
            self._document = read(self.folder)
        return self._document

    def points(self, metric: str) -> Iterator[tuple[int, float, float]]:
        """(step, seconds since 1970, value), file by file, in bounded memory."""
        from wherry.track.points import points

        for _, step, time, value in points(self.folder, metric):
            yield step, time, value

    def curve(self, metric: str, buckets: int = 1000) -> list[tuple[int, float]]:
        """At most five points for each of `buckets` spans of steps, by step: enough to draw it."""
        from wherry.track.points import Curve, batches

        found = Curve(buckets)
        for _, steps, _, values in batches(self.folder, metric):
            found.extend(steps, values)
        return found.points()

    def artifact(self, name: str) -> str:
        """The path of a file that the run kept. Raises: KeyError."""
        for one in self.document["artifacts"]:
            if one["name"] == name:
                return "{}/artifacts/sha256/{}".format(self.folder, one["digest"].rpartition(":")[2])
        raise KeyError(name)


def read(folder: str) -> dict[str, Any]:
    """The run document: start, events and end in one. Costs a pass over all points when the end has no summary."""
    document = dict(folders.load(folder + "/run.json") or {})
    for key in ("params", "tags"):
        document[key] = dict(document[key]) if isinstance(document.get(key), dict) else {}
    artifacts: dict[str, dict[str, Any]] = {}
    for event in folders.events(folder):
        _apply(document, artifacts, event)
    document["artifacts"] = [artifacts[name] for name in sorted(artifacts)]
    end = folders.load(folder + "/end.json") or {}
    error = document.pop("error", "")
    document.update(end)
    if error and not document.get("error"):
        document["error"] = error
    document["status"] = status_of(folder, document, end)
    document["metrics"] = end["metrics"] if isinstance(end.get("metrics"), dict) else _metrics(folder, document)
    if document["status"] in {"killed", "lost"} and "ended_ms" not in document:
        document["ended_ms"] = last_sign(folder)
    document.pop("boot_id", None)
    document.pop("pid", None)
    return shaped(document, os.path.basename(folder))


def status_of(folder: str, start: dict[str, Any], end: dict[str, Any]) -> str:
    """ "killed": its process is gone and could not say how; "lost": its machine went down, or was another one."""
    if end.get("status") in STATUSES:
        return str(end["status"])
    if folders.is_held(folder):
        return "running"
    # Once more: it may have ended between the two looks
    end = folders.load(folder + "/end.json") or {}
    if end.get("status") in STATUSES:
        return str(end["status"])
    return "killed" if start.get("boot_id") == folders.boot_id() else "lost"


def last_sign(folder: str) -> int:
    """When something of the run was last written, in milliseconds since 1970."""
    found = 0.0
    for path in (folder, folder + "/metrics"):
        try:
            with os.scandir(path) as entries:
                found = max([found, *(one.stat().st_mtime for one in entries)])
        except OSError:
            pass
    return int(found * 1000)


def _metrics(folder: str, document: dict[str, Any]) -> dict[str, Any]:
    """While it runs the newest values alone, from the ends of the files."""
    from wherry.track.points import last, number_out, summaries

    if document["status"] == "running":
        newest = last(folder)
        return {name: {"last": number_out(newest[name][1]), "last_step": newest[name][0]} for name in sorted(newest)}
    return {name: one.document() for name, one in summaries(folder).items()}


def _key(value: dict[str, Any]) -> Any:
    """What a later entry takes the place of: data by name, a promotion by name and id of its image."""
    return value.get("image") or value.get("name")


def _apply(document: dict[str, Any], artifacts: dict[str, dict[str, Any]], event: dict[str, Any]) -> None:
    kind, name, value = event.get("type"), event.get("name"), event.get("value")
    if kind == "param" and isinstance(name, str):
        document["params"][name] = value
    elif kind == "tag" and isinstance(name, str):
        document["tags"][name] = str(value)
    elif kind == "artifact" and isinstance(name, str) and is_digest(event.get("digest")):
        artifacts[name] = {"name": name, "digest": event["digest"], "size": event.get("size", 0)}
    elif kind == "environment" and isinstance(value, dict):
        document["environment"] = value
    elif kind in {"data", "promoted"} and isinstance(value, dict):
        before = document[kind] if isinstance(document.get(kind), list) else []
        document[kind] = [one for one in before if not isinstance(one, dict) or _key(one) != _key(value)] + [value]
    elif (kind in {"image", "container", "git"} and isinstance(value, dict)) or (
        kind in {"experiment", "name", "error"} and isinstance(value, str)
    ):
        document[kind] = value
