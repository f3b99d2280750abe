"""What the engine there says of the container, and what that means. Pure."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from wherry.deploy.application import APPLICATION_LABEL
from wherry.deploy.target import Instance

__all__ = ["View", "containers", "image_of", "instance", "judge", "strangers"]

Doc = dict[str, Any]


class View(NamedTuple):
    """`failed` is final."""

    text: str
    is_ready: bool = False
    failed: str = ""


def containers(inspected: bytes) -> list[Doc]:
    """Of `inspect`: docker's and wherry's are the same. What can't be read is none."""
    try:
        found = json.loads(inspected or b"[]")
    except ValueError:
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _labels(container: Doc) -> Doc:
    return (container.get("Config") or {}).get("Labels") or {}


def strangers(found: list[Doc], name: str) -> list[str]:
    """Names of containers that lack our label."""
    return [str(one.get("Name", "")).lstrip("/") for one in found if _labels(one).get(APPLICATION_LABEL) != name]


def instance(container: Doc) -> Instance:
    state = container.get("State") or {}
    health = (state.get("Health") or {}).get("Status", "")
    is_ready = state.get("Status") == "running" and health in ("", "none", "healthy")
    reasons = [str(state["Error"])] if state.get("Error") else []
    if health not in ("", "none", "healthy"):
        reasons.append(f"health: {health}")
    if state.get("Status") in ("exited", "dead", "restarting"):
        reasons.append(f"exit code {state.get('ExitCode', '?')}")
    if state.get("OOMKilled"):
        reasons.append("it ran out of memory")
    if restarts := container.get("RestartCount"):
        reasons.append(f"restarted {restarts} times")
    name = str(container.get("Name", "")).lstrip("/")
    return Instance(name, str(state.get("Status", "unknown")), is_ready, ", ".join(reasons))


def judge(found: list[Doc]) -> View:
    if not found:
        return View("", failed="there is no container of it")
    shown = instance(found[0])
    state, restarts = shown.state, found[0].get("RestartCount") or 0
    health = ((found[0].get("State") or {}).get("Health") or {}).get("Status", "")
    if health == "unhealthy" or state in ("exited", "dead") or (restarts > 2 and not shown.is_ready) or restarts > 5:
        return View("", failed=f"its container is {health if health == 'unhealthy' else state}: {shown.reason}")
    return View(f"its container is {state}" + (f", {shown.reason}" if shown.reason else ""), shown.is_ready)


def image_of(compose: str) -> str:
    """What a compose file of ours names; "" for what is none."""
    import yaml

    try:
        doc = yaml.safe_load(compose)
        return str(doc["services"]["app"]["image"])
    except (yaml.YAMLError, KeyError, TypeError):
        return ""
