"""From what should be and what is to the steps. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from wherry.deploy.kubernetes.documents import LABEL
from wherry.deploy.plan import Step
from wherry.errors import Conflict

__all__ = ["Seen", "is_ours", "removals", "steps"]

_COSTS = {"Deployment": "the nodes' CPU, memory and GPUs that its instances ask for", "Ingress": "the ingress controller's load balancer"}  # fmt: skip  # noqa: E501


class Seen(NamedTuple):
    """One object: `wanted` as it is sent, `live` as it is (None: absent), `would` as a dry run says it would be."""

    wanted: Mapping[str, Any]
    live: Mapping[str, Any] | None
    would: Mapping[str, Any] | None


def is_ours(live: Mapping[str, Any], application: str) -> bool:
    return bool((live["metadata"].get("labels") or {}).get(LABEL) == application)


def steps(seen: Sequence[Seen], left: Sequence[Mapping[str, Any]], application: str) -> list[Step]:
    """`left` are objects with our label that are not wanted any more: deleted at the end.

    Raises: Conflict for a name that something without our label has.
    """
    found = []
    for one in seen:
        kind, name = one.wanted["kind"], one.wanted["metadata"]["name"]
        if one.live is None:
            found.append(Step("create", kind, name, (), _COSTS.get(kind, ""), one.wanted))
            continue
        if not is_ours(one.live, application):
            raise Conflict(f"{kind} {name} is there already, and wherry did not make it",
                           hint="another --name, or another --namespace")  # fmt: skip
        changes = differences(one.live, one.would or one.wanted, is_secret=kind == "Secret")
        found.append(
            Step("change" if changes else "leave", kind, name, tuple(changes), _COSTS.get(kind, ""), one.wanted)
        )
    return [*found, *removals(left)]


def removals(objects: Sequence[Mapping[str, Any]]) -> list[Step]:
    return [
        Step("delete", one["kind"], one["metadata"]["name"], body={"uid": one["metadata"].get("uid", "")})
        for one in objects
    ]


_NOT_OURS = frozenset({"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"})
_SERVERS = frozenset({"deployment.kubernetes.io/revision"})


def differences(live: Mapping[str, Any], would: Mapping[str, Any], *, is_secret: bool) -> list[str]:
    """A line each: "spec.replicas: 1 → 2". A secret's lines have its keys alone."""
    if is_secret:
        before, after = live.get("data") or {}, would.get("data") or {}
        return [f"{key}: a new value" for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    found: list[str] = []
    for key in ("metadata", "spec"):
        _compare(key, _cleaned(live.get(key)), _cleaned(would.get(key)), found)
    return found


def _cleaned(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kept = {key: one for key, one in value.items() if key not in _NOT_OURS}
    if "annotations" in kept:
        kept["annotations"] = {key: one for key, one in (kept["annotations"] or {}).items() if key not in _SERVERS}
        if not kept["annotations"]:
            del kept["annotations"]
    return kept


def _compare(path: str, before: Any, after: Any, found: list[str]) -> None:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(one for one in after if one not in before)]:
            _compare(f"{path}.{key}", before.get(key), after.get(key), found)
    elif isinstance(before, list) and isinstance(after, list):
        _compare(path, _keyed(before), _keyed(after), found)
    else:
        found.append(f"{path.removeprefix('spec.template.')}: {_shown(before)} → {_shown(after)}")


def _keyed(values: list[Any]) -> dict[str, Any]:
    """By name where each has one: an added variable must not look like a change of all behind it."""
    names = [one.get("name") if isinstance(one, dict) else None for one in values]
    if all(names) and len(set(names)) == len(names):
        return dict(zip(map(str, names), values, strict=True))
    return {str(i): one for i, one in enumerate(values)}


def _shown(value: Any) -> str:
    if value is None:
        return "(none)"
    import json

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."
