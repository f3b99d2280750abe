"""The same service as Knative YAML: what `gcloud run services replace` takes. Pure.

Spec: https://cloud.google.com/run/docs/reference/yaml/v1
"""

from __future__ import annotations

from typing import Any

from wherry.deploy.application import Application
from wherry.deploy.cloudrun import names
from wherry.deploy.cloudrun.choice import Choice
from wherry.deploy.cloudrun.service import service

__all__ = ["knative"]

Doc = dict[str, Any]


def knative(app: Application, choice: Choice) -> Doc:
    v2 = service(app, choice)
    template, container = v2["template"], v2["template"]["containers"][0]
    annotations = {
        "autoscaling.knative.dev/minScale": str(app.min_instances),
        "autoscaling.knative.dev/maxScale": str(app.max_instances),
        "run.googleapis.com/startup-cpu-boost": _word(container["resources"]["startupCpuBoost"]),
        "run.googleapis.com/cpu-throttling": _word(container["resources"]["cpuIdle"]),
    }
    spec: Doc = {"timeoutSeconds": choice.timeout_s, "containers": [_container(container)]}
    if app.concurrency is not None:
        spec["containerConcurrency"] = app.concurrency
    if choice.service_account:
        spec["serviceAccountName"] = choice.service_account
    if app.gpu is not None:
        annotations["run.googleapis.com/gpu-zonal-redundancy-disabled"] = "true"
        spec["nodeSelector"] = {"run.googleapis.com/accelerator": template["nodeSelector"]["accelerator"]}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {
            "name": app.name,
            "labels": names.labels(app),
            "annotations": {
                "run.googleapis.com/ingress": "internal" if choice.is_internal else "all",
                "run.googleapis.com/invoker-iam-disabled": _word(not choice.is_private),
            },
        },
        "spec": {
            "template": {"metadata": {"labels": names.labels(app), "annotations": annotations}, "spec": spec},
            "traffic": [{"percent": 100, "latestRevision": True}],
        },
    }


def _word(value: bool) -> str:
    return "true" if value else "false"


def _container(v2: Doc) -> Doc:
    made = {key: value for key, value in v2.items() if key not in ("resources", "env")}
    made["resources"] = {"limits": v2["resources"]["limits"]}
    made["env"] = [_variable(one) for one in v2["env"]]
    return made


def _variable(v2: Doc) -> Doc:
    if "value" in v2:
        return v2
    reference = v2["valueSource"]["secretKeyRef"]
    key = {"name": reference["secret"], "key": reference["version"]}
    return {"name": v2["name"], "valueFrom": {"secretKeyRef": key}}
