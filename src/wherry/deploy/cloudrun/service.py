"""The service as the v2 API takes it, in JSON's names. Pure.

Spec: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services (google.cloud.run.v2.Service)
"""

from __future__ import annotations

from typing import Any

from wherry.deploy.application import Application
from wherry.deploy.cloudrun import names
from wherry.deploy.cloudrun.choice import Choice

__all__ = ["latest", "service", "traffic_to"]

Doc = dict[str, Any]


def service(app: Application, choice: Choice) -> Doc:
    """Without its name: the call has it."""
    return {
        "labels": names.labels(app),
        "client": "wherry",
        "ingress": "INGRESS_TRAFFIC_INTERNAL_ONLY" if choice.is_internal else "INGRESS_TRAFFIC_ALL",
        # Else the first thing that a beginner's curl gets is 403
        "invokerIamDisabled": not choice.is_private,
        "template": _template(app, choice),
        "traffic": latest(),
    }


def latest() -> list[Doc]:
    return [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}]


def traffic_to(revision: str) -> list[Doc]:
    """All of it to one revision, named without what it belongs to."""
    return [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": revision, "percent": 100}]


def _template(app: Application, choice: Choice) -> Doc:
    made: Doc = {
        "labels": names.labels(app),
        "scaling": {"minInstanceCount": app.min_instances, "maxInstanceCount": app.max_instances},
        "timeout": f"{choice.timeout_s}s",
        "containers": [_container(app, choice)],
    }
    if app.concurrency is not None:
        made["maxInstanceRequestConcurrency"] = app.concurrency
    if choice.service_account:
        made["serviceAccount"] = choice.service_account
    if app.gpu is not None:
        made["nodeSelector"] = {"accelerator": app.gpu.kind or "nvidia-l4"}
        made["gpuZonalRedundancyDisabled"] = True
    return made


def _container(app: Application, choice: Choice) -> Doc:
    limits = {"cpu": app.cpus if app.cpu_m % 1000 == 0 else f"{app.cpu_m}m", "memory": f"{app.memory_mib}Mi"}
    if app.gpu is not None:
        limits["nvidia.com/gpu"] = str(app.gpu.count)
    made: Doc = {
        "image": app.image.reference,
        "ports": [{"name": "http1", "containerPort": app.port}],
        "env": _variables(app),
        # A GPU is billed while the instance stands, and so is its CPU
        "resources": {
            "limits": limits,
            "cpuIdle": not (choice.keeps_cpu or app.gpu is not None),
            "startupCpuBoost": app.gpu is None,
        },
        "startupProbe": _startup(app),
    }  # fmt: skip
    if app.health.live:
        made["livenessProbe"] = {"httpGet": {"path": app.health.live, "port": app.port}, "periodSeconds": 10,
                                 "timeoutSeconds": 5, "failureThreshold": 3}  # fmt: skip
    if app.entrypoint is not None:
        made["command"] = list(app.entrypoint)
    if app.command is not None:
        made["args"] = list(app.command)
    return made


def _startup(app: Application) -> Doc:
    """Four minutes, which is what Cloud Run gives a start: models take their time to load."""
    every: Doc = {"periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 48}
    if app.health.ready:
        return {"httpGet": {"path": app.health.ready, "port": app.port}, **every}
    return {"tcpSocket": {"port": app.port}, **every}


def _variables(app: Application) -> list[Doc]:
    plain: list[Doc] = [{"name": name, "value": value} for name, value in app.env.items()]
    for secret in app.secrets:
        where = secret.where if secret.kind == "ref" else names.secret(app.name, secret.name)
        plain.append({"name": secret.name, "valueSource": {"secretKeyRef": {"secret": where, "version": "latest"}}})
    return plain
