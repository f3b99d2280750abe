"""Taking a deployment away: exactly what has our tag, in the order in which nothing is left hanging."""

from __future__ import annotations

from typing import Any

from wherry.cancel import Cancel
from wherry.deploy.aca import names
from wherry.deploy.aca.azure import Azure
from wherry.deploy.aca.choice import Choice
from wherry.deploy.plan import Plan, Step
from wherry.deploy.target import Watch
from wherry.errors import Cancelled

__all__ = ["removals", "remove"]

Doc = dict[str, Any]


def removals(azure: Azure, choice: Choice, group: str, name: str) -> list[Step]:
    """Empty when there is nothing. A resource group of ours goes when nothing of somebody else's is in it."""
    found: list[Step] = []

    def ours(kind: str, resource_id: str, note: str = "") -> Doc | None:
        there = azure.get(resource_id)
        if there is None or not names.is_ours(there, name):
            return None
        found.append(_delete(kind, resource_id, note))
        return there

    sub = azure.subscription
    app = ours("app", names.app_id(sub, group, name))
    identity_id = names.identity_id(sub, group, names.own(name))
    identity = azure.get(identity_id)
    if identity is not None and names.is_ours(identity, name):
        # Else the registry keeps a right of somebody that nobody knows any more
        found += _rights(azure, app, (identity.get("properties") or {}).get("principalId", ""))
        found.append(_delete("identity", identity_id))
    ours("environment", names.environment_id(sub, group, names.own(name)))
    own = names.own_registry(sub, group, name)
    ours("registry", names.registry_id(sub, group, own), "with the images in it")
    group_id = names.group_id(sub, group)
    if not choice.group and names.is_ours(azure.get(group_id), name):
        gone = {step.body["id"].lower() for step in found}
        left = [one for one in azure.members(group) if str(one.get("id", "")).lower() not in gone]
        if not left:
            found.append(_delete("resource group", group_id))
    return found


def _rights(azure: Azure, app: Doc | None, principal: str) -> list[Step]:
    configuration = ((app or {}).get("properties") or {}).get("configuration") or {}
    hosts = {str(one.get("server", "")).lower() for one in configuration.get("registries") or []}
    if not hosts or not principal:
        return []
    found = []
    for one in azure.registries():
        if (one.get("properties") or {}).get("loginServer", "").lower() in hosts:
            right = names.assignment(str(one["id"]), principal)
            if azure.get(right) is not None:
                found.append(Step("delete", "role", f"AcrPull of {names.last(str(one['id']))}", body={"id": right}))
    return found


def _delete(kind: str, resource_id: str, note: str = "") -> Step:
    return Step("delete", kind, names.last(resource_id), (note,) if note else (), body={"id": resource_id})


def remove(azure: Azure, plan: Plan, watch: Watch, cancel: Cancel) -> None:
    for step in plan.steps:
        if cancel.is_set():
            raise Cancelled("stopped in the middle", hint="the same command removes the rest")
        watch.begin(step)
        azure.delete(step.body["id"], cancel)
        watch.done(step)
