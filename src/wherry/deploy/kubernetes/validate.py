"""What a cluster would refuse, said before it is asked. Pure."""

from __future__ import annotations

import re

from wherry.deploy.application import Application
from wherry.deploy.kubernetes.documents import image_name
from wherry.deploy.target import Chosen, Problem
from wherry.oci.reference import DEFAULT_REGISTRY, Reference

__all__ = ["problems", "wrong_options"]

_LABEL = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_KEY = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_DNS = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_HOST = re.compile(rf"(?:\*\.)?{_DNS.pattern}(?:\.{_DNS.pattern})*")


def problems(app: Application, chosen: Chosen) -> list[Problem]:
    """All of them at once."""
    return [*_image(app, chosen), *wrong_options(chosen), *_labels(app), *_scale(app), *_secrets(app)]


def _image(app: Application, chosen: Chosen) -> list[Problem]:
    found = []
    reference = Reference.parse(image_name(app, chosen))
    is_bare = reference.registry == DEFAULT_REGISTRY and reference.repository.startswith("library/")
    if app.image.id and is_bare and not app.image.digest:
        found.append(Problem("image", f"{app.image.reference} is on this machine only: no node can pull it",
                             "--registry HOST/PREFIX"))  # fmt: skip
    user = app.image.user.partition(":")[0]
    if user in {"", "0", "root"}:
        found.append(Problem("image", "it runs as root, and the pod's security context forbids that",
                             "USER 10001 in its Dockerfile"))  # fmt: skip
    elif app.image.uid is None:
        # The kubelet can't know what number the name has in the image
        found.append(Problem("image", f"its user is a name ({user}), and runAsNonRoot needs a number",
                             "USER with a number in its Dockerfile, as USER 10001"))  # fmt: skip
    return found


def wrong_options(chosen: Chosen) -> list[Problem]:
    found = []
    if (namespace := chosen.text("namespace")) and not _DNS.fullmatch(namespace):
        found.append(Problem("namespace", f"{namespace!r} is no name of one"))
    if (host := chosen.text("ingress")) and not _HOST.fullmatch(host):
        found.append(Problem("ingress", f"{host!r} is no host name", "as --ingress iris.example.com"))
    if chosen.text("ingress-class") and not chosen.text("ingress"):
        found.append(Problem("ingress-class", "there is no Ingress without a host", "--ingress HOST"))
    return found


def _labels(app: Application) -> list[Problem]:
    found = []
    for name, value in app.labels.items():
        if not _KEY.fullmatch(name) or not _LABEL.fullmatch(value):
            found.append(Problem("label", f"{name}={value} is no label of Kubernetes",
                                 "at most 63 of letters, digits, - _ and ."))  # fmt: skip
    return found


def _scale(app: Application) -> list[Problem]:
    if app.min_instances == 0:
        return [Problem("min", "a Deployment with an autoscaler does not scale to 0", "--min 1")]
    return []


def _secrets(app: Application) -> list[Problem]:
    return [
        Problem("secret", f"{one.where!r} names no Secret of the namespace", f"{one.name}=ref:SECRET/KEY")
        for one in app.secrets
        if one.kind == "ref" and not re.fullmatch(r"[a-z0-9][a-z0-9.-]*(?:/[A-Za-z0-9._-]+)?", one.where)
    ]
