"""The app and what stands around it, as Azure Resource Manager takes them. Pure, and without any secret's value.

Spec: https://learn.microsoft.com/azure/templates/microsoft.app/2025-07-01/containerapps
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wherry.deploy.aca import names
from wherry.deploy.aca.choice import Choice
from wherry.deploy.aca.validate import gpu_profile
from wherry.deploy.application import Application

__all__ = ["Wiring", "container_app", "environment", "needs_identity", "registry_entry"]

Doc = dict[str, Any]
_CONSUMPTION = "Consumption"


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the app is tied to: ids, or what stands for them in a document. `identity` is "" where none is needed.

    `registry` is the entry of `registries`, None for one that asks nobody. `mark` is the count of names.MARK.
    """

    location: str
    environment: str
    identity: str = ""
    registry: Doc | None = None
    profile: str = ""
    mark: str = ""


def needs_identity(app: Application, is_azure_registry: bool) -> bool:
    """To pull from Azure's registry, or to read a Key Vault."""
    return is_azure_registry or any(secret.kind == "ref" for secret in app.secrets)


def registry_entry(host: str, *, identity: str = "", username: str = "") -> Doc | None:
    if identity:
        return {"server": host, "identity": identity}
    if username:
        return {"server": host, "username": username, "passwordSecretRef": names.REGISTRY_SECRET}
    return None


def profile_of(app: Application, choice: Choice) -> str:
    """The name of the workload profile in an environment of ours."""
    return choice.profile or ("gpu" if app.gpu else _CONSUMPTION)


def environment(app: Application, location: str) -> Doc:
    """One of its own: logs are streamed and not kept, which costs nothing."""
    profiles = [{"name": _CONSUMPTION, "workloadProfileType": _CONSUMPTION}]
    if kind := gpu_profile(app):
        profiles.append({"name": "gpu", "workloadProfileType": kind})
    return {"location": location, "tags": names.tags(app), "properties": {"workloadProfiles": profiles}}


def container_app(app: Application, choice: Choice, wiring: Wiring) -> Doc:
    """Without its name: the call has it."""
    configuration: Doc = {
        # One revision gets all requests; the one before stands until the new one is ready
        "activeRevisionsMode": "Single",
        "ingress": {
            "external": not choice.is_internal,
            "targetPort": app.port,
            "transport": "auto",
            "allowInsecure": choice.allows_http,
            "traffic": [{"latestRevision": True, "weight": 100}],
        },
        "registries": [wiring.registry] if wiring.registry else [],
        "secrets": _secrets(app, wiring),
    }
    return {
        "location": wiring.location,
        "tags": names.tags(app),
        "identity": _identity(wiring),
        "properties": {
            "environmentId": wiring.environment,
            "workloadProfileName": wiring.profile or profile_of(app, choice),
            "configuration": configuration,
            "template": _template(app, wiring),
        },
    }


def _identity(wiring: Wiring) -> Doc:
    if not wiring.identity:
        return {"type": "None"}
    return {"type": "UserAssigned", "userAssignedIdentities": {wiring.identity: {}}}


def _secrets(app: Application, wiring: Wiring) -> list[Doc]:
    found: list[Doc] = []
    for secret in app.secrets:
        one: Doc = {"name": names.secret(secret.name)}
        if secret.kind == "ref":
            one |= {"keyVaultUrl": secret.where, "identity": wiring.identity}
        found.append(one)
    if wiring.registry and "passwordSecretRef" in wiring.registry:
        found.append({"name": names.REGISTRY_SECRET})
    return found


def _template(app: Application, wiring: Wiring) -> Doc:
    scale: Doc = {"minReplicas": app.min_instances, "maxReplicas": app.max_instances}
    if app.concurrency is not None:
        rule = {"metadata": {"concurrentRequests": str(app.concurrency)}}
        scale["rules"] = [{"name": "http", "http": rule}]
    return {
        "terminationGracePeriodSeconds": app.grace_s,
        "containers": [_container(app, wiring)],
        "scale": scale,
    }


def _container(app: Application, wiring: Wiring) -> Doc:
    made: Doc = {
        "name": app.name,
        "image": app.image.reference,
        "resources": {"cpu": app.cpu_m / 1000, "memory": _memory(app.memory_mib)},
        "env": _variables(app, wiring),
        "probes": _probes(app),
    }
    if app.entrypoint is not None:
        made["command"] = list(app.entrypoint)
    if app.command is not None:
        made["args"] = list(app.command)
    return made


def _memory(mib: int) -> str:
    """Gi with at most two digits, which is what Azure takes and answers: "0.5Gi", "2Gi"."""
    return f"{mib / 1024:.2f}".rstrip("0").rstrip(".") + "Gi"


def _variables(app: Application, wiring: Wiring) -> list[Doc]:
    found: list[Doc] = [{"name": "PORT", "value": str(app.port)}]
    found += [{"name": name, "value": value} for name, value in app.env.items() if name != "PORT"]
    found += [{"name": secret.name, "secretRef": names.secret(secret.name)} for secret in app.secrets]
    if wiring.mark:
        found.append({"name": names.MARK, "value": wiring.mark})
    return found


def _probes(app: Application) -> list[Doc]:
    """Four minutes for a start: models take their time to load. 48 and 30 failures are what Azure takes at most."""
    ready, live = app.health.ready, app.health.live
    found = [{"type": "Startup", **_ask(ready, app.port), "periodSeconds": 5, "timeoutSeconds": 5,
              "failureThreshold": 48}]  # fmt: skip
    every = {"periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3}
    if ready:
        found.append({"type": "Readiness", **_ask(ready, app.port), **every})
    if live:
        found.append({"type": "Liveness", **_ask(live, app.port), **every})
    return found


def _ask(path: str, port: int) -> Doc:
    return {"httpGet": {"path": path, "port": port}} if path else {"tcpSocket": {"port": port}}
