"""A subscription of Azure's in plain dictionaries: what a resource becomes when it is put. `FakeAzure` is it at our own
border; tests/integration/test_deploy_aca.py has it behind HTTP, for Azure's own client.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from wherry.cancel import Cancel
from wherry.deploy.aca import names
from wherry.deploy.aca.azure import Entry
from wherry.deploy.aca.choice import Choice
from wherry.deploy.application import Application, Gpu, Health, ImageFacts, Secret
from wherry.errors import DeployError
from wherry.oci.platform import Platform

SUB = "11111111-2222-3333-4444-555555555555"
DIGEST = "sha256:" + "ab" * 32
IMAGE = ImageFacts("iris:latest", Platform("linux", "amd64"), id="sha256:" + "cd" * 32)
OWN = names.own_registry(SUB, "wherry-iris", "iris")
THERE = f"{OWN}.azurecr.io/iris@{DIGEST}"
PLAIN = Application("iris", replace(IMAGE, reference=THERE, digest=DIGEST), 8000, Health("/readyz", "/healthz"))
VAULT = "https://team.vault.azure.net/secrets/token"
FULL = replace(
    PLAIN,
    env={"LOG_LEVEL": "info", "ODD": "[resourceGroup().location]"},
    secrets=(Secret("API_KEY", "env", "API_KEY"), Secret("TOKEN", "ref", VAULT)),
    cpu_m=2000, memory_bytes=4 << 30, min_instances=0, max_instances=3, concurrency=8,
    entrypoint=("python",), command=("-m", "serve"), labels={"team": "vision"}, grace_s=60,
)  # fmt: skip
LOCAL = replace(PLAIN, image=IMAGE)
ELSEWHERE = replace(PLAIN, image=replace(IMAGE, id="", reference=f"ghcr.io/team/iris@{DIGEST}", digest=DIGEST))
HERE = Choice(location="westeurope")
CASES: dict[str, tuple[Application, Choice]] = {
    "plain": (PLAIN, HERE),
    "full": (FULL, HERE),
    "not-pushed": (LOCAL, Choice()),
    "gpu": (replace(PLAIN, gpu=Gpu(1), cpu_m=8000, memory_bytes=56 << 30), HERE),
    "elsewhere": (ELSEWHERE, Choice(SUB, "team", environment="shared", is_internal=True, allows_http=True)),
    "team-registry": (LOCAL, Choice(SUB, "team", registry="team.azurecr.io/apps")),
}

Doc = dict[str, Any]


class World:
    """`becomes` is what a revision comes to: ready, crash, pull, slow or failed."""

    def __init__(self) -> None:
        self.things: dict[str, Doc] = {}
        self.values: dict[str, str] = {}
        self.made: list[Doc] = []
        self.said: list[Doc] = []
        self.calls: list[str] = []
        self.becomes = "ready"
        self.hides_secrets = False

    def get(self, resource_id: str) -> Doc | None:
        return copy.deepcopy(self.things.get(resource_id.lower()))

    def put(self, resource_id: str, doc: Doc) -> Doc:
        self.calls.append(f"put {names.last(resource_id)}")
        made = copy.deepcopy(doc)
        made |= {"id": resource_id, "name": names.last(resource_id), "type": "/".join(resource_id.split("/")[-3:-1])}
        known = made.setdefault("properties", {})
        known["provisioningState"] = "Succeeded"
        if "/registries/" in resource_id and "/roleAssignments/" not in resource_id:
            known["loginServer"] = f"{names.last(resource_id)}.azurecr.io"
        if "/userAssignedIdentities/" in resource_id:
            known |= {"principalId": "99999999-8888-7777-6666-555555555555", "clientId": "c"}
        self.things[resource_id.lower()] = made
        return copy.deepcopy(made)

    def delete(self, resource_id: str) -> None:
        self.calls.append(f"delete {names.last(resource_id)}")
        gone = resource_id.lower()
        for one in [one for one in self.things if one == gone or one.startswith(f"{gone}/")]:
            del self.things[one]

    def put_app(self, resource_id: str, doc: Doc, *, is_new: bool) -> Doc:
        """PUT, or PATCH as JSON merge: lists are replaced."""
        self.calls.append(f"{'create' if is_new else 'patch'} app {names.last(resource_id)}")
        before = self.things.get(resource_id.lower(), {})
        assert is_new == (not before)
        made = copy.deepcopy(doc) if is_new else _merged(before, doc)
        made |= {"id": resource_id, "name": names.last(resource_id), "type": "Microsoft.App/containerApps"}
        known = made["properties"]
        for secret in known["configuration"].get("secrets", []):
            if "value" in secret:
                self.values[secret["name"]] = secret.pop("value")
        known["configuration"]["ingress"]["fqdn"] = f"{made['name']}.nice-1.westeurope.azurecontainerapps.io"
        if before.get("properties", {}).get("template") != known["template"]:
            self._revise(made)
        self.things[resource_id.lower()] = made
        return copy.deepcopy(made)

    def _revise(self, app: Doc) -> None:
        known, good = app["properties"], self.becomes == "ready"
        name = f"{app['name']}--{len(self.made) + 1:07}"
        state = {"ready": "Running", "slow": "Processing", "failed": "Failed"}.get(self.becomes, "Degraded")
        details = {"crash": "CrashLoopBackOff", "pull": "ImagePullBackOff"}.get(self.becomes, "")
        health = "Healthy" if good else "Unhealthy"
        revision = {
            "createdTime": f"2026-12-03T10:00:{len(self.made):02}+00:00", "template": copy.deepcopy(known["template"]),
            "active": True, "healthState": health if state != "Processing" else "None", "runningState": state,
            "provisioningState": "Failed" if state == "Failed" else "Provisioned",
            **({"provisioningError": "the port 8000 is closed"} if state == "Failed" else {}),
        }  # fmt: skip
        container = {"name": app["name"], "ready": good, "started": good, "restartCount": 5 if details else 0,
                     "runningState": "Running" if good else "Waiting", "runningStateDetails": details,
                     "logStreamEndpoint": f"http://logs/{name}"}  # fmt: skip
        count = known["template"]["scale"]["minReplicas"]
        replicas = [{"name": f"{name}-{index}", "properties": {"runningState": "Running" if good else "NotRunning",
                     "containers": [container]}} for index in range(max(1, count))]  # fmt: skip
        self.made.insert(0, {"name": name, "properties": revision, "replicas": replicas})
        known["latestRevisionName"] = name
        if good:
            known["latestReadyRevisionName"] = name
        known["provisioningState"] = {"slow": "InProgress", "failed": "Failed"}.get(self.becomes, "Succeeded")

    def foreign(self, resource_id: str, **properties: Any) -> None:
        doc = {"id": resource_id, "name": names.last(resource_id), "tags": {"team": "them"}, "location": "westeurope"}
        self.things[resource_id.lower()] = {**doc, "properties": properties}

    def members(self, group: str) -> list[Doc]:
        prefix = f"{names.group_id(SUB, group)}/providers/".lower()
        return [one for name, one in self.things.items() if name.startswith(prefix) and "/roleassignments/" not in name]

    def registries(self) -> list[Doc]:
        return [one for name, one in self.things.items() if name.split("/")[-2] == "registries"]


def _merged(before: Any, patch: Any) -> Any:
    if not isinstance(patch, dict) or not isinstance(before, dict):
        return copy.deepcopy(patch)
    return {**copy.deepcopy(before), **{key: _merged(before.get(key), value) for key, value in patch.items()}}


class FakeAzure:
    """See azure.Azure."""

    subscription = SUB

    def __init__(self, world: World) -> None:
        self.world = world
        self.lines: dict[str, list[Entry]] = {}
        self.fault = ""
        self.refuse_roles = 0

    def get(self, resource_id: str) -> Doc | None:
        return self.world.get(resource_id)

    def put(self, resource_id: str, doc: Doc, cancel: Cancel) -> Doc:
        if "roleAssignments" in resource_id and self.refuse_roles:
            self.refuse_roles -= 1
            raise DeployError("no such principal", status=400, platform_code="PrincipalNotFound")
        return self.world.put(resource_id, doc)

    def delete(self, resource_id: str, cancel: Cancel) -> None:
        self.world.delete(resource_id)

    def members(self, group: str) -> list[Doc]:
        return self.world.members(group)

    def registries(self) -> list[Doc]:
        return self.world.registries()

    def put_app(self, group: str, name: str, doc: Doc, *, is_new: bool) -> None:
        self.world.put_app(names.app_id(SUB, group, name), doc, is_new=is_new)

    def operation_fault(self, name: str) -> str:
        return self.fault

    def secret_values(self, group: str, name: str) -> dict[str, str] | None:
        return None if self.world.hides_secrets else dict(self.world.values)

    def revisions(self, group: str, name: str) -> list[Doc]:
        return copy.deepcopy(self.world.made)

    def replicas(self, group: str, name: str, revision: str) -> list[Doc]:
        return next((one["replicas"] for one in self.world.made if one["name"] == revision), [])

    def console(self, group: str, name: str, container: Doc, *, tail: int) -> Iterator[Entry]:
        lines = self.lines.get(container["logStreamEndpoint"].rpartition("/")[2], [])
        yield from lines[-tail:] if tail else []

    def registry_token(self, server: str) -> str:
        return f"token-of-{server}"
