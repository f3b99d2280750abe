"""The target: documents without a cluster, and the way to one."""

from __future__ import annotations

import os
from typing import Any

from wherry.cancel import Cancel
from wherry.deploy.application import Application
from wherry.deploy.documents import dump_all
from wherry.deploy.kubernetes.cluster import Api, Cluster
from wherry.deploy.kubernetes.documents import objects
from wherry.deploy.kubernetes.session import KubernetesSession
from wherry.deploy.kubernetes.validate import problems, wrong_options
from wherry.deploy.options import OPTIONS
from wherry.deploy.target import Chosen, Document, Problem, Surroundings
from wherry.deploy.targets import missing_extra, refuse
from wherry.errors import NotSignedIn

__all__ = ["KubernetesTarget"]


class KubernetesTarget:
    name = "kubernetes"
    extra = "kubernetes"
    options = OPTIONS["kubernetes"]

    def validate(self, app: Application, options: Chosen) -> list[Problem]:
        return problems(app, options)

    def documents(self, app: Application, options: Chosen) -> list[Document]:
        return [Document(f"{app.name}.yaml", dump_all(objects(app, options)))]

    def connect(self, options: Chosen, around: Surroundings) -> KubernetesSession:
        try:
            import kubernetes.client
            import kubernetes.config
        except ImportError as fault:
            raise missing_extra(self.name, self.extra, fault) from None
        refuse(self.name, wrong_options(options))
        client, context, namespace = _client(kubernetes, options, around)
        cluster = Cluster(Api(client, Cancel()), options.text("namespace") or namespace or "default")
        return KubernetesSession(cluster, options, around, context)


def _client(kubernetes: Any, options: Chosen, around: Surroundings) -> tuple[Any, str, str]:
    """(client, context, the context's namespace). Raises: NotSignedIn."""
    import yaml

    config = kubernetes.config
    said = options.text("kubeconfig")
    files = os.path.join(around.cwd, said) if said else around.env.get("KUBECONFIG", "")
    files = files or os.path.join(around.env.get("HOME", "/"), ".kube", "config")
    wanted = options.text("context")
    try:
        contexts, current = config.list_kube_config_contexts(files)
        chosen = next((one for one in contexts if one["name"] == wanted), None) if wanted else current
        if chosen is None:
            names = ", ".join(one["name"] for one in contexts)
            raise NotSignedIn(f"no context {wanted!r} in {files}", hint=f"--context one of {names}")
        client = config.new_client_from_config(files, context=chosen["name"], persist_config=False)
        return client, chosen["name"], chosen["context"].get("namespace", "")
    except (OSError, ValueError, TypeError, AttributeError, KeyError, yaml.YAMLError) as fault:
        # The package looks at no shape before it reads
        said = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        raise NotSignedIn(f"{files} is no kubeconfig: {said}", hint="--kubeconfig FILE, or KUBECONFIG") from None
    except config.ConfigException as fault:
        if not wanted and not said and "KUBERNETES_SERVICE_HOST" in around.env:
            return _inside(kubernetes), "", _own_namespace()
        raise NotSignedIn(f"no cluster is configured: {fault}",
                          hint="--kubeconfig FILE, or KUBECONFIG, or ~/.kube/config") from None  # fmt: skip


def _inside(kubernetes: Any) -> Any:
    """By the account of the pod that this runs in: a CI job in the cluster."""
    try:
        kubernetes.config.load_incluster_config()
    except kubernetes.config.ConfigException as fault:
        raise NotSignedIn(f"this pod has no account of its own: {fault}", hint="--kubeconfig FILE") from None
    return kubernetes.client.ApiClient()


def _own_namespace() -> str:
    try:
        with open("/var/run/secrets/kubernetes.io/serviceaccount/namespace") as file:
            return file.read(253).strip()
    except OSError:
        return ""
