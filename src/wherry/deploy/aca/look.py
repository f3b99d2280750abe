"""What the documents of an app, its revision and its replicas say. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from wherry.deploy.target import Instance, Status

__all__ = ["View", "failing_containers", "judge", "latest", "status", "url"]

Doc = dict[str, Any]


class View(NamedTuple):
    """`failed` is final, `stuck` may end by itself: an image that is being copied, a crash while a database starts."""

    text: str
    is_ready: bool = False
    failed: str = ""
    stuck: str = ""


def _properties(doc: Doc | None) -> Doc:
    found: Doc = (doc or {}).get("properties") or {}
    return found


def latest(app: Doc) -> str:
    return str(_properties(app).get("latestRevisionName") or "")


def url(app: Doc) -> str:
    host = (_properties(app).get("configuration") or {}).get("ingress", {}).get("fqdn", "")
    return f"https://{host}" if host else ""


def judge(app: Doc, revision: Doc | None, replicas: list[Doc], wanted: int) -> View:
    """Of the newest revision; `revision` is None as long as Azure has not made it."""
    known, new = _properties(app), _properties(revision)
    state = known.get("provisioningState", "")
    ready = sum(one.is_ready for one in map(instance, replicas))
    if error := new.get("provisioningError"):
        return View("", failed=str(error))
    for what, value in (("provisioning", new.get("provisioningState")), ("running", new.get("runningState"))):
        if value == "Failed":
            return View("", failed=f"the revision's {what} state is Failed")
    if state in ("Failed", "Canceled"):
        return View("", failed=f"the app's provisioning state is {state}")
    text = f"{ready} of {wanted} ready"
    if state != "Succeeded" or revision is None:
        return View(f"{text}, the app's state is {state or 'not known'}", stuck=_stuck(replicas))
    is_latest = known.get("latestReadyRevisionName") == known.get("latestRevisionName")
    if is_latest and new.get("healthState") != "Unhealthy" and ready >= wanted:
        return View(text, is_ready=True)
    unwell = new.get("healthState") == "Unhealthy" or new.get("runningState") == "Degraded"
    return View(text, stuck=_stuck(replicas) or ("the revision is unhealthy" if unwell else ""))


def _stuck(replicas: list[Doc]) -> str:
    """A container that waits with a reason, or was started again and again."""
    for replica in replicas:
        for one in failing_containers(replica):
            details = one.get("runningStateDetails") or ""
            if one.get("runningState") == "Waiting" and details and details != "ContainerCreating":
                return f"{replica.get('name', '')}: {details}"
            if one.get("runningState") == "Terminated" or one.get("restartCount", 0) > 2:
                return f"{replica.get('name', '')}: {details or 'its container ends again and again'}"
    return ""


def failing_containers(replica: Doc) -> list[Doc]:
    return [one for one in _properties(replica).get("containers") or [] if not one.get("ready")]


def instance(replica: Doc) -> Instance:
    known = _properties(replica)
    containers = known.get("containers") or []
    is_ready = bool(containers) and all(one.get("ready") for one in containers)
    failing = failing_containers(replica)
    reason = next((str(one["runningStateDetails"]) for one in failing if one.get("runningStateDetails")), "")
    restarts = sum(one.get("restartCount", 0) for one in containers)
    reason = reason or str(known.get("runningStateDetails") or "")
    if restarts:
        reason = f"{reason + ', ' if reason else ''}restarted {restarts} times"
    return Instance(replica.get("name", ""), known.get("runningState", "Unknown"), is_ready, reason)


def status(name: str, where: str, app: Doc, revision: Doc | None, replicas: list[Doc]) -> Status:
    known, new = _properties(app), _properties(revision)
    template = known.get("template") or {}
    wanted = int((template.get("scale") or {}).get("minReplicas") or 0)
    view = judge(app, revision, replicas, wanted)
    shown = tuple(map(instance, replicas))
    state = "running" if view.is_ready else "failed" if view.failed or view.stuck else "updating"
    if known.get("runningStatus") in ("Stopped", "Suspended"):
        state = "stopped"
    image = next((one.get("image", "") for one in template.get("containers") or []), "")
    events = tuple(text for text in (view.failed, view.stuck, new.get("provisioningError")) if text)
    return Status(name, "aca", where, state, url(app), image, latest(app), wanted,
                  sum(one.is_ready for one in shown), shown, tuple(dict.fromkeys(events)))  # fmt: skip
