"""Log lines of all replicas of an app's newest revision, in the order of their times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from wherry.cancel import Cancel
from wherry.deploy.aca import look
from wherry.deploy.aca.azure import Azure, Entry
from wherry.deploy.target import LogLine, LogQuery

__all__ = ["last_words", "log_lines"]

_FOLLOW_S = 2.0
_MOST = 300
"""What Azure keeps of a container for its stream."""


def last_words(azure: Azure, group: str, name: str, revision: str) -> list[str]:
    """Of the first replica that is not ready."""
    for replica in azure.replicas(group, name, revision):
        for container in look.failing_containers(replica):
            said = [entry.text for entry in azure.console(group, name, container, tail=20)]
            if said:
                return [f"{replica.get('name', '')} | {text}" for text in said]
    return []


def log_lines(azure: Azure, group: str, name: str, query: LogQuery, cancel: Cancel) -> Iterator[LogLine]:
    """Following asks again, behind the last line of each replica: those that come later are heard too."""
    since = "" if query.since_s is None else _stamp(datetime.now(UTC) - timedelta(seconds=query.since_s))
    tail = _MOST if query.tail is None else query.tail
    heard: dict[str, str] = {}
    while True:
        found = []
        for replica, entry in _entries(azure, group, name, tail):
            if entry.time > heard.get(replica, since) or not (entry.time or heard.get(replica)):
                found.append((entry.time, replica, entry.text))
        for when, replica, text in sorted(found, key=lambda one: one[0]):
            heard[replica] = max(when, heard.get(replica, ""))
            yield LogLine(replica, text)
        if not query.follow or cancel.wait(_FOLLOW_S):
            return
        tail, since = _MOST, since or _stamp(datetime.now(UTC))


def _entries(azure: Azure, group: str, name: str, tail: int) -> Iterator[tuple[str, Entry]]:
    app = azure.get(_id(azure, group, name))
    for replica in azure.replicas(group, name, look.latest(app)) if app else []:
        called = str(replica.get("name", ""))
        for container in replica.get("properties", {}).get("containers") or []:
            for entry in azure.console(group, name, container, tail=tail):
                yield called, entry


def _id(azure: Azure, group: str, name: str) -> str:
    from wherry.deploy.aca.names import app_id

    return app_id(azure.subscription, group, name)


def _stamp(when: datetime) -> str:
    """As Azure writes it, so that texts compare."""
    return when.strftime("%Y-%m-%dT%H:%M:%S")
