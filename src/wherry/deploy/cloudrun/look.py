"""What the service's own document says of it. Pure, but for `lines`, which asks for logs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from wherry.cancel import Cancel
from wherry.deploy.cloudrun.gcp import Gcp
from wherry.deploy.target import Instance, LogLine, LogQuery, Status

__all__ = ["conditions", "is_ready", "lines", "progress", "serving", "short", "status", "why"]

Doc = dict[str, Any]
_POLL_S = 2.0
_STATES = {"ready": "running", "failed": "failed", "waiting": "updating"}


def short(name: str) -> str:
    """projects/.../revisions/iris-00001-abc: iris-00001-abc."""
    return name.rpartition("/")[2]


def progress(there: Doc) -> str:
    """ready, failed or waiting. int64 is a string in proto3's JSON."""
    if there.get("reconciling") or int(there.get("observedGeneration", 0)) < int(there.get("generation", 0)):
        return "waiting"
    state = there.get("terminalCondition", {}).get("state", "")
    return {"CONDITION_SUCCEEDED": "ready", "CONDITION_FAILED": "failed"}.get(state, "waiting")


def serving(there: Doc) -> str:
    """The revision that most requests go to, "" where none is ready."""
    shares = sorted(there.get("trafficStatuses", []), key=lambda one: -int(one.get("percent", 0)))
    named = next((one["revision"] for one in shares if one.get("revision")), "")
    return short(named or there.get("latestReadyRevision", ""))


def why(there: Doc) -> str:
    return str(there.get("terminalCondition", {}).get("message", ""))


def conditions(there: Doc) -> tuple[str, ...]:
    """Those that say something, a line each."""
    found = [
        one for one in there.get("conditions", []) if one.get("message") and one.get("state") != "CONDITION_SUCCEEDED"
    ]
    return tuple(f"{one.get('type', '')}: {one['message']}" for one in found)


def is_ready(revision: Doc) -> bool:
    ready = [one for one in revision.get("conditions", []) if one.get("type") == "Ready"]
    return bool(ready) and ready[0].get("state") == "CONDITION_SUCCEEDED"


def status(name: str, where: str, there: Doc, revisions: list[Doc]) -> Status:
    """Instances are Google's own affair: a revision stands for them."""
    template = there.get("template", {})
    image = next((one.get("image", "") for one in template.get("containers", [])), "")
    shown = tuple(
        Instance(short(one["name"]), "ready" if is_ready(one) else "not ready", is_ready(one), _reason(one))
        for one in revisions[:5]
    )
    wanted = int(template.get("scaling", {}).get("minInstanceCount", 0))
    state = _STATES[progress(there)]
    revision = short(there.get("latestReadyRevision", ""))
    ready = wanted if state == "running" else 0
    return Status(name, "cloudrun", where, state, there.get("uri", ""), image, revision, wanted, ready, shown,
                  conditions(there))  # fmt: skip


def _reason(revision: Doc) -> str:
    return next((one["message"] for one in revision.get("conditions", []) if one.get("message")), "")


def lines(gcp: Gcp, name: str, query: LogQuery, cancel: Cancel) -> Iterator[LogLine]:
    """Cloud Logging takes some seconds to know a line: what is followed is asked for again from the last time on."""
    since = "" if query.since_s is None else _ago(query.since_s)
    last = query.tail if query.tail is not None else 1000
    told: set[str] = set()
    while True:
        found = gcp.entries(name, since=since, last=last) if since or last else []
        for entry in found:
            if entry.id not in told:
                yield LogLine(entry.revision, entry.text)
        if not query.follow:
            return
        # Those of the last moment may come once more
        told = {entry.id for entry in found} or told
        since = found[-1].time if found else since or _ago(0)
        last = 1000
        if cancel.wait(_POLL_S):
            return


def _ago(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds))
