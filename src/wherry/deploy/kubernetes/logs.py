"""Log lines of all pods of a deployment, in the order of their times."""

from __future__ import annotations

from collections.abc import Iterator

from wherry.cancel import Cancel
from wherry.deploy.kubernetes.cluster import Cluster
from wherry.deploy.target import LogLine, LogQuery

__all__ = ["log_lines"]

_FOLLOW_S = 1.0


def log_lines(cluster: Cluster, label: str, query: LogQuery, cancel: Cancel) -> Iterator[LogLine]:
    """`--follow` asks again each second, behind the last line of each pod: pods that come later are heard too."""
    asked = {"timestamps": "true"}
    if query.tail is not None:
        asked["tailLines"] = str(query.tail)
    if query.since_s is not None:
        asked["sinceSeconds"] = str(max(1, round(query.since_s)))
    last: dict[str, str] = {}
    while True:
        found = []
        for pod in cluster.every("Pod", label=label):
            name = pod["metadata"]["name"]
            since = last.get(name)
            lines = _stamped(cluster.log(name, {"timestamps": "true", "sinceTime": since} if since else asked) or "")
            # sinceTime counts whole seconds: what was shown comes again
            fresh = [(when, name, text) for when, text in lines if not since or when > since]
            if fresh:
                last[name] = fresh[-1][0]
            found += fresh
        for _, name, text in sorted(found, key=lambda one: one[0]):
            yield LogLine(name, text)
        if not query.follow or cancel.wait(_FOLLOW_S):
            return


def _stamped(text: str) -> list[tuple[str, str]]:
    parted = (line.partition(" ") for line in text.splitlines())
    return [(when, said) for when, _, said in parted]
