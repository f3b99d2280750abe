"""The service as it runs: counts, tasks, events, why tasks stopped, and their log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from wherry.cancel import Cancel
from wherry.deploy.ecs import names
from wherry.deploy.ecs.aws import Aws
from wherry.deploy.ecs.task import CONTAINER, LOG_PREFIX
from wherry.deploy.target import Instance, LogLine, LogQuery
from wherry.errors import DeployError, NotFound

__all__ = ["describe", "events", "instances", "logs", "reasons", "stopped"]

_FOLLOW_S = 2.0
_LAST_LINES = 10
_REPLACED = "Scaling activity initiated by"
"""What ECS says of a task that it stopped since it has others: it has no code of its own."""


def describe(aws: Aws, cluster: str, service: str) -> dict[str, Any]:
    """{} for one that is not there."""
    if not cluster or not service:
        return {}
    found = aws.call("ecs", "describe_services", cluster=cluster, services=[service])["services"]
    return dict(found[0]) if found else {}


def events(service: dict[str, Any], most: int = 5) -> tuple[str, ...]:
    """Latest last, as Status has them."""
    return tuple(one["message"] for one in reversed(service.get("events", [])[:most]))


def _tasks(aws: Aws, cluster: str, service: str, state: str) -> list[dict[str, Any]]:
    named = service.rpartition("/")[2]
    arns = aws.call("ecs", "list_tasks", cluster=cluster, serviceName=named, desiredStatus=state)["taskArns"]
    found = aws.call("ecs", "describe_tasks", cluster=cluster, tasks=arns[:100])["tasks"] if arns else []
    return sorted(found, key=lambda one: str(one.get("createdAt", "")))


def instances(aws: Aws, cluster: str, service: str) -> tuple[Instance, ...]:
    return tuple(
        Instance(_short(one), one.get("lastStatus", ""), _is_ready(one), one.get("stoppedReason", ""))
        for one in _tasks(aws, cluster, service, "RUNNING")
    )


def _is_ready(task: dict[str, Any]) -> bool:
    """A task without a health check of its own is UNKNOWN: the load balancer's check decides, by running count."""
    return task.get("lastStatus") == "RUNNING" and task.get("healthStatus", "UNKNOWN") in {"HEALTHY", "UNKNOWN"}


def _short(task: dict[str, Any]) -> str:
    return str(task["taskArn"]).rpartition("/")[2]


def stopped(aws: Aws, cluster: str, service: str) -> list[tuple[str, str]]:
    """(task, why) of those that ECS still remembers: an hour. Oldest first; not those that a deployment replaced."""
    if not service:  # the stack has not come so far
        return []
    found = _tasks(aws, cluster, service, "STOPPED")
    return [(_short(one), _why(one)) for one in found if not one.get("stoppedReason", "").startswith(_REPLACED)]


def _why(task: dict[str, Any]) -> str:
    parts = [task.get("stoppedReason", "")]
    for one in task.get("containers", []):
        if one.get("exitCode") is not None:
            parts.append(f"{one['name']} exited with {one['exitCode']}")
        parts.append(one.get("reason", ""))
    return "; ".join(part for part in parts if part) or "no reason given"


def reasons(aws: Aws, name: str, cluster: str, service: str) -> tuple[str, ...]:
    """Why it is not healthy: the last events, why the last tasks stopped, what the last one wrote. Never raises."""
    try:
        found = describe(aws, cluster, service)
        if not found:
            return ()
        dead = stopped(aws, cluster, service)
        lines = [*events(found), *(f"task {task}: {why}" for task, why in dead[-3:])]
        return (*lines, *(f"log: {text}" for text in _last_lines(aws, name, dead[-1][0]))) if dead else tuple(lines)
    except DeployError as fault:
        return (f"AWS does not say why: {fault}",)


def _last_lines(aws: Aws, name: str, task: str) -> list[str]:
    stream = f"{LOG_PREFIX}/{CONTAINER}/{task}"
    try:
        found = aws.call("logs", "get_log_events", logGroupName=names.log_group(name), logStreamName=stream,
                         limit=_LAST_LINES)["events"]  # fmt: skip
    except DeployError as fault:
        if fault.platform_code == "ResourceNotFoundException":  # it wrote nothing
            return []
        raise
    return [one["message"] for one in found]


def logs(aws: Aws, name: str, query: LogQuery, cancel: Cancel) -> Iterator[LogLine]:
    """Oldest first, of all tasks. Raises: NotFound."""
    asked: dict[str, Any] = {"logGroupName": names.log_group(name)}
    if query.since_s is not None:
        asked["startTime"] = int((time.time() - query.since_s) * 1000)
    seen: deque[str] = deque(maxlen=10_000)
    lines: deque[LogLine] = deque(maxlen=query.tail)
    for one in _pages(aws, name, asked, seen):
        lines.append(one)
    yield from lines
    while query.follow and not cancel.wait(_FOLLOW_S):
        yield from _pages(aws, name, asked, seen)


def _pages(aws: Aws, name: str, asked: dict[str, Any], seen: deque[str]) -> Iterator[LogLine]:
    """What was not seen; `asked` begins at the last line from then on, since two may come in one millisecond."""
    token, last = "", asked.get("startTime", 0)
    known = set(seen)
    while True:
        try:
            answer = aws.call("logs", "filter_log_events", **asked, **({"nextToken": token} if token else {}))
        except DeployError as fault:
            if fault.platform_code == "ResourceNotFoundException":
                raise NotFound(f"{name} has no log on ECS in {aws.region}") from None
            raise
        for one in answer["events"]:
            last = max(last, one["timestamp"])
            if one["eventId"] not in known:
                seen.append(one["eventId"])
                yield LogLine(one["logStreamName"].rpartition("/")[2], one["message"])
        token = answer.get("nextToken", "")
        if not token:
            asked["startTime"] = last
            return
