"""How a rollout goes, from what the cluster says of the Deployment and its pods. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from wherry.deploy.target import Instance

__all__ = ["View", "instance", "judge"]

_FATAL = frozenset({
    "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "ErrImageNeverPull", "ErrImagePull",
    "ImagePullBackOff", "InvalidImageName", "RunContainerError",
})  # fmt: skip


class View(NamedTuple):
    """`stuck` names what the newest pods can't get over (they may still: a registry comes back); `failed` is final."""

    is_done: bool
    text: str
    stuck: str = ""
    failed: str = ""


def judge(deployment: Mapping[str, Any], pods: Sequence[Mapping[str, Any]]) -> View:
    """`pods` are those of the newest revision."""
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 1):
        return View(False, "the cluster has not looked at it yet")
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    is_done = updated >= wanted and available >= wanted and status.get("replicas", 0) == updated
    text = f"{min(available, updated)} of {wanted} ready"
    if is_done:
        return View(True, text)
    failure, progress = conditions.get("ReplicaFailure", {}), conditions.get("Progressing", {})
    if failure.get("status") == "True":
        return View(False, text, failed=f"no pod can be made: {failure.get('message', '')}")
    stuck = next((said for pod in pods if (said := _stuck(pod))), "")
    failed = ""
    if progress.get("status") == "False":
        failed = f"{progress.get('message') or progress.get('reason', 'no progress')}"
    return View(False, f"{text}{f': {stuck}' if stuck else ''}", stuck if _is_fatal(pods) else "", failed)


def _waiting(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    for one in (pod.get("status") or {}).get("containerStatuses") or ():
        if found := (one.get("state") or {}).get("waiting"):
            return dict(found)
    return {}


def _is_fatal(pods: Sequence[Mapping[str, Any]]) -> bool:
    return any(_waiting(pod).get("reason") in _FATAL for pod in pods)


def _stuck(pod: Mapping[str, Any]) -> str:
    waiting = _waiting(pod)
    if waiting.get("reason") in _FATAL:
        return f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    for one in (pod.get("status") or {}).get("conditions") or ():
        if one.get("type") == "PodScheduled" and one.get("status") == "False":
            return f"{one.get('reason', 'Unschedulable')}: {one.get('message', '')}".rstrip(": ")
    return ""


def instance(pod: Mapping[str, Any]) -> Instance:
    status = pod.get("status") or {}
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in status.get("conditions") or ())
    state = str(_waiting(pod).get("reason") or status.get("phase") or "Unknown")
    if pod["metadata"].get("deletionTimestamp"):
        state = "Terminating"
    return Instance(pod["metadata"]["name"], state, ready, _stuck(pod))
