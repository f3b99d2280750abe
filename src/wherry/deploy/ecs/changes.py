"""What a new template and its parameters change of a stack. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wherry.deploy.plan import Step

__all__ = ["COSTS", "removals", "steps"]

COSTS = {
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "a load balancer, per hour and by traffic, with its public addresses",
    "AWS::ECS::Service": "Fargate: vCPU and memory of every running task by the second, disk beyond 20 GiB, a public "
    "address each (or the NAT gateway of private subnets)",
    "AWS::ECS::ExpressGatewayService": "Fargate: vCPU and memory of every running task by the second; a load balancer "
    "that Express services share",
    "AWS::Logs::LogGroup": "logs, by volume taken in and kept",
}

Doc = Mapping[str, Any]


def steps(old: Doc, new: Doc, before: Mapping[str, str], after: Mapping[str, str]) -> list[Step]:
    """In the template's order, then what goes. `old` is {} where there is no stack. No secret's ARN is shown."""
    were: Doc = old.get("Resources", {})
    moved = {name for name in after if before.get(name) != after[name]}
    made: list[Step] = []
    changed: set[str] = set()
    for name, resource in new["Resources"].items():
        kind, cost = resource["Type"].removeprefix("AWS::"), COSTS.get(resource["Type"], "")
        if name not in were:
            made.append(Step("create", kind, name, (), cost))
            continue
        lines = [*_differing(were[name], resource), *_parameters(resource, moved, before, after)]
        if "Task" in changed and {"Ref": "Task"} in resource.get("Properties", {}).values():
            lines.append("a new revision of the task definition")
        if lines:
            changed.add(name)
        made.append(Step("change" if lines else "leave", kind, name, tuple(lines), cost))
    gone = [name for name in were if name not in new["Resources"]]
    return made + [Step("delete", were[name]["Type"].removeprefix("AWS::"), name) for name in gone]


def removals(resources: list[Doc]) -> list[Step]:
    """Of an answer of ListStackResources, in the order in which they go: the reverse of how they came."""
    here = [one for one in resources if one.get("ResourceStatus") != "DELETE_COMPLETE" and "LogicalResourceId" in one]
    return [
        Step("delete", one["ResourceType"].removeprefix("AWS::"), one["LogicalResourceId"]) for one in reversed(here)
    ]


def _parameters(resource: Doc, moved: set[str], before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    text = json.dumps(resource)
    return [
        f"{name}: a new version" if name.startswith("Secret") else f"{name}: {before.get(name)} → {after[name]}"
        for name in sorted(moved)
        if f'{{"Ref": "{name}"}}' in text
    ]


def _differing(old: Any, new: Any, at: str = "") -> list[str]:
    """The properties that differ, a line each, by their path."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = list(dict.fromkeys([*old, *new]))
        return [
            line
            for name in names
            for line in _differing(old.get(name), new.get(name), name if at in {"", "Properties"} else f"{at}.{name}")
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [line for number, (one, other) in pairs for line in _differing(one, other, f"{at}[{number}]")]
    return [] if _same(old, new) else [f"{at}: {_short(old)} → {_short(new)}"]


def _same(old: Any, new: Any) -> bool:
    """A stack's template may come back with its numbers as text."""
    return bool(old == new) or (not isinstance(old, dict | list) and old is not None and new is not None
                                and str(old) == str(new))  # fmt: skip


def _short(value: Any) -> str:
    text = "nothing" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
