"""A deployment as Kubernetes objects. Pure.

Spec: https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.32/ (image volumes: on by default since 1.35).
"""

from __future__ import annotations

from typing import Any

from wherry.deploy.application import Application
from wherry.deploy.target import Chosen
from wherry.oci.reference import Reference

__all__ = ["LABEL", "image_name", "objects", "secret_name"]

LABEL = "wherry.dev/application"
"""Kubernetes allows no colon in a label's name."""


_SHM_MIB = 1024


def secret_name(app: Application) -> str:
    """The Secret that wherry makes, through the API alone."""
    return f"{app.name}-secrets"


def image_name(app: Application, chosen: Chosen) -> str:
    """What the nodes pull: below --registry, unless it is there already, or in a registry and not here."""
    prefix = chosen.text("registry").rstrip("/")
    if not prefix or not app.image.id or app.image.reference.startswith(f"{prefix}/"):
        return app.image.reference
    reference = Reference.parse(app.image.reference)
    return f"{prefix}/{reference.repository.rpartition('/')[2]}:{reference.tag or 'latest'}"


def objects(app: Application, chosen: Chosen) -> list[dict[str, Any]]:
    """In the order in which they are applied. A Secret is never among them."""
    found = [_service(app, chosen), _deployment(app, chosen)]
    if app.max_instances > app.min_instances:
        found.append(_autoscaler(app, chosen))
    if app.min_instances > 1:
        found.append(_budget(app, chosen))
    if chosen.text("ingress"):
        found.append(_ingress(app, chosen))
    return found


def _meta(app: Application, chosen: Chosen) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": app.name}
    if namespace := chosen.text("namespace"):
        meta["namespace"] = namespace
    meta["labels"] = _labels(app)
    return meta


def _labels(app: Application) -> dict[str, str]:
    return {**app.labels, "app.kubernetes.io/name": app.name, "app.kubernetes.io/managed-by": "wherry", LABEL: app.name}


def _selector(app: Application) -> dict[str, str]:
    """It can't be changed later: only what never changes."""
    return {"app.kubernetes.io/name": app.name, LABEL: app.name}


def _deployment(app: Application, chosen: Chosen) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    if app.max_instances == app.min_instances:
        spec["replicas"] = app.min_instances  # otherwise the autoscaler's: ours would fight with it
    spec |= {
        "revisionHistoryLimit": 5,
        "progressDeadlineSeconds": 600,
        "selector": {"matchLabels": _selector(app)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {"metadata": {"labels": _labels(app)}, "spec": _pod(app, chosen)},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _meta(app, chosen), "spec": spec}


def _pod(app: Application, chosen: Chosen) -> dict[str, Any]:
    security: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if (uid := app.image.uid) is not None:
        security |= {"runAsUser": uid, "fsGroup": uid}
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        # The time of the preStop sleep counts as grace
        "terminationGracePeriodSeconds": app.grace_s + 5,
        "securityContext": security,
        "containers": [_container(app, chosen)],
        "volumes": _volumes(app),
    }
    if runtime := chosen.text("runtime-class"):
        pod["runtimeClassName"] = runtime
    if pulls := chosen.all("pull-secret"):
        pod["imagePullSecrets"] = [{"name": name} for name in pulls]
    # amd64 and arm64 nodes may be in one cluster
    pod["nodeSelector"] = {"kubernetes.io/os": "linux", "kubernetes.io/arch": app.image.platform.architecture}
    return pod


def _container(app: Application, chosen: Chosen) -> dict[str, Any]:
    found: dict[str, Any] = {"name": "app", "image": image_name(app, chosen)}
    if app.entrypoint is not None:
        found["command"] = list(app.entrypoint)
    if app.command is not None:
        found["args"] = list(app.command)
    found["env"] = [{"name": "PORT", "value": str(app.port)}]
    found["env"] += [{"name": name, "value": value} for name, value in app.env.items() if name != "PORT"]
    found["env"] += [_secret_env(app, one.name, one.kind, one.where) for one in app.secrets]
    found |= {
        "ports": [{"name": "http", "containerPort": app.port}],
        "securityContext": {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        },
        **_probes(app),
        # Endpoints take a moment to hear of it: connections still come in
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "resources": _resources(app),
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"}, {"name": "shm", "mountPath": "/dev/shm"},
            *({"name": f"weights-{i}", "mountPath": one.mount, "readOnly": True} for i, one in enumerate(app.weights)),
        ],
    }  # fmt: skip
    return found


def _secret_env(app: Application, name: str, kind: str, where: str) -> dict[str, Any]:
    """A "ref" is SECRET/KEY, or SECRET alone, whose key is the variable's name."""
    secret, _, key = where.partition("/") if kind == "ref" else (secret_name(app), "", name)
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key or name}}}


def _probes(app: Application) -> dict[str, Any]:
    def probe(path: str) -> dict[str, Any]:
        return {"httpGet": {"path": path, "port": "http"}} if path else {"tcpSocket": {"port": "http"}}

    # Weights take minutes to load: nothing is restarted for that
    return {
        "startupProbe": {**probe(app.health.ready), "periodSeconds": 5, "failureThreshold": 120},
        "readinessProbe": {**probe(app.health.ready), "periodSeconds": 5},
        "livenessProbe": {**probe(app.health.live), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3},
    }


def _resources(app: Application) -> dict[str, Any]:
    memory = f"{app.memory_mib}Mi"
    # No CPU limit: throttling makes an idle node's instance slow
    found: dict[str, Any] = {"requests": {"cpu": f"{app.cpu_m}m", "memory": memory}, "limits": {"memory": memory}}
    if app.gpu:
        found["limits"][app.gpu.kind or "nvidia.com/gpu"] = app.gpu.count
    return found


def _volumes(app: Application) -> list[dict[str, Any]]:
    # It counts as the instance's memory: never more than half of it
    shm = min(_SHM_MIB, max(64, app.memory_mib // 2))
    weights = [
        {"name": f"weights-{i}", "image": {"reference": one.reference, "pullPolicy": "IfNotPresent"}}
        for i, one in enumerate(app.weights)
    ]
    return [{"name": "tmp", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{shm}Mi"}}, *weights]  # fmt: skip


def _service(app: Application, chosen: Chosen) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": _meta(app, chosen),
            "spec": {"selector": _selector(app), "ports": ports}}  # fmt: skip


def _autoscaler(app: Application, chosen: Chosen) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": 70}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": app.name},
        "minReplicas": app.min_instances, "maxReplicas": app.max_instances,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }  # fmt: skip
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": _meta(app, chosen),
            "spec": spec}  # fmt: skip


def _budget(app: Application, chosen: Chosen) -> dict[str, Any]:
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": _meta(app, chosen),
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": _selector(app)}}}  # fmt: skip


def _ingress(app: Application, chosen: Chosen) -> dict[str, Any]:
    backend = {"service": {"name": app.name, "port": {"name": "http"}}}
    rule = {
        "host": chosen.text("ingress"),
        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
    }
    spec: dict[str, Any] = {"rules": [rule]}
    if name := chosen.text("ingress-class"):
        spec["ingressClassName"] = name
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": _meta(app, chosen), "spec": spec}
