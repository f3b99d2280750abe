"""A deployment on a cluster that was signed in to: plan, apply, wait, go back, look, destroy."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from wherry.cancel import Cancel
from wherry.deploy.application import Application
from wherry.deploy.kubernetes import rollout
from wherry.deploy.kubernetes.cluster import Cluster
from wherry.deploy.kubernetes.documents import LABEL, image_name, objects, secret_name
from wherry.deploy.kubernetes.logs import log_lines
from wherry.deploy.kubernetes.planning import Seen, is_ours, removals, steps
from wherry.deploy.plan import Plan, Step
from wherry.deploy.target import Chosen, Deployed, LogLine, LogQuery, PushTo, Status, Surroundings, Watch
from wherry.errors import NotFound, Unhealthy
from wherry.oci.reference import DEFAULT_REGISTRY, Reference

__all__ = ["KubernetesSession"]

_OURS = ("Ingress", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Service", "Deployment", "Secret")
"""In the order in which they are deleted: requests end before instances do."""
_REVISION = "deployment.kubernetes.io/revision"
_SECRETS_VERSION = "wherry.dev/secrets-version"
_STUCK_S = 30.0
"""How long what looks final is given: an image that is still being copied, a crash while a database starts."""


class KubernetesSession:
    """A `target.Session`. `poll_s` is how often a rollout is looked at."""

    def __init__(
        self, cluster: Cluster, chosen: Chosen, around: Surroundings, context: str, *, poll_s: float = 1.0,
        stuck_s: float = _STUCK_S,
    ) -> None:  # fmt: skip
        self._cluster, self._chosen, self._around = cluster, chosen, around
        self._poll_s, self._stuck_s = poll_s, stuck_s
        self._going: list[Step] = []
        self._sent: Mapping[str, Any] | None = None
        self._before: Mapping[str, Any] | None = None
        self.where = f"{f'context {context}, ' if context else ''}namespace {cluster.namespace}"

    def push_to(self, app: Application) -> PushTo | None:
        reference = image_name(app, self._chosen)
        parsed = Reference.parse(reference)
        is_bare = parsed.registry == DEFAULT_REGISTRY and parsed.repository.startswith("library/")
        if not app.image.id or parsed.digest or is_bare:
            return None
        return PushTo(reference)

    def make_registry(self, app: Application, watch: Watch, cancel: Cancel) -> None:
        """Registries make repositories by themselves, or their owners do."""

    def plan(self, app: Application) -> Plan:
        """Asks the cluster what it would make of each document (a dry run), so that quotas and rights are told now."""
        cluster, seen = self._cluster, []
        version = ""
        if (secret := self._secret(app)) is not None:
            live = cluster.get("Secret", secret["metadata"]["name"])
            is_new = not live or not is_ours(live, app.name) or (live.get("data") or {}) != secret["data"]
            version = "" if is_new or not live else str(live["metadata"].get("resourceVersion", ""))
            seen.append(Seen(secret, live, secret if is_new else live))
        for wanted in self._objects(app, version or ("new" if secret else "")):
            live = cluster.get(wanted["kind"], wanted["metadata"]["name"])
            if wanted["kind"] == "Deployment" and "replicas" not in wanted["spec"]:
                # Else it falls to 1, until the autoscaler looks: ours are as many as there are now
                now = live["spec"].get("replicas", 1) if live else 0
                wanted["spec"]["replicas"] = min(max(now, app.min_instances), app.max_instances)
            ours = live is None or is_ours(live, app.name)
            seen.append(Seen(wanted, live, cluster.apply(wanted, dry_run=True) if ours else None))
        names = {(one.wanted["kind"], one.wanted["metadata"]["name"]) for one in seen}
        left = [one for one in self._made(app.name) if (one["kind"], one["metadata"]["name"]) not in names]
        notes = []
        if app.weights:
            notes.append("image volumes need Kubernetes 1.35 or newer: older clusters drop them without a word")
        return Plan(app.name, "kubernetes", self.where, tuple(steps(seen, left, app.name)), tuple(notes))

    def _secret(self, app: Application) -> dict[str, Any] | None:
        values = {one.name: self._around.read_secret(one) for one in app.secrets if one.kind != "ref"}
        if not values:
            return None
        labels = {"app.kubernetes.io/name": app.name, "app.kubernetes.io/managed-by": "wherry", LABEL: app.name}
        data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
        return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": data,
                "metadata": {"name": secret_name(app), "labels": labels}}  # fmt: skip

    def _objects(self, app: Application, version: str) -> list[dict[str, Any]]:
        """With the version of the secrets on the pods, so that new values start new ones."""
        found = objects(app, self._chosen)
        for one in found:
            one["metadata"]["namespace"] = self._cluster.namespace
            if one["kind"] == "Deployment" and version:
                one["spec"]["template"]["metadata"]["annotations"] = {_SECRETS_VERSION: version}
        return found

    def _made(self, name: str) -> list[dict[str, Any]]:
        return [one for kind in _OURS for one in self._cluster.every(kind, label=f"{LABEL}={name}")]

    def apply(self, app: Application, plan: Plan, watch: Watch, cancel: Cancel) -> None:
        """But for what goes: `wait` does that, since what is gone back to may need it (a Secret)."""
        self._cluster.api.cancel = cancel
        version = ""
        for step in plan.steps:
            cancel.check()
            if step.action == "delete":
                continue
            watch.begin(step)
            if step.action != "leave":
                body = _with_version(step.body, version)
                if step.kind == "Deployment":
                    self._sent, self._before = body, self._cluster.get("Deployment", step.name)
                made = self._cluster.apply(body)
                if step.kind == "Secret":
                    version = str(made["metadata"].get("resourceVersion", ""))
            watch.done(step)
        self._going = [step for step in plan.steps if step.action == "delete"]

    def wait(self, app: Application, watch: Watch, cancel: Cancel) -> Deployed:
        """Images that can't be pulled and crashes in a loop are given half a minute, then they are final."""
        stuck_s = 0.0
        while True:
            deployment = self._deployment(app.name)
            pods = self._newest_pods(deployment)
            view = rollout.judge(deployment, pods)
            watch.waiting(view.text)
            if view.is_done:
                self._remove(self._going, watch, cancel)
                return Deployed(self._url(app.name), _revision(deployment))
            stuck_s = stuck_s + self._poll_s if view.stuck else 0.0
            if view.failed or stuck_s > self._stuck_s:
                raise Unhealthy(f"{app.name} does not get healthy: {view.failed or view.stuck}",
                                hint=f"wherry deploy logs kubernetes {app.name}",
                                reasons=self._reasons(app.name, pods))  # fmt: skip
            cancel.wait(self._poll_s)
            cancel.check()

    def _deployment(self, name: str) -> dict[str, Any]:
        found = self._cluster.get("Deployment", name)
        if found is None or not is_ours(found, name):
            raise NotFound(f"no deployment {name} of wherry's in {self.where}", hint="wherry deploy ls")
        return found

    def _sets(self, name: str) -> list[dict[str, Any]]:
        """Newest revision first."""
        found = self._cluster.every("ReplicaSet", label=f"{LABEL}={name}")
        return sorted(found, key=lambda one: -int(_revision(one) or 0))

    def _newest_pods(self, deployment: Mapping[str, Any]) -> list[dict[str, Any]]:
        name, revision = deployment["metadata"]["name"], _revision(deployment)
        newest = next((one for one in self._sets(name) if _revision(one) == revision), None)
        if newest is None:
            return []
        pods = self._cluster.every("Pod", label=f"{LABEL}={name}")
        uid = newest["metadata"].get("uid")
        return [one for one in pods if any(owner.get("uid") == uid
                                           for owner in one["metadata"].get("ownerReferences") or ())]  # fmt: skip

    def _reasons(self, name: str, pods: list[dict[str, Any]]) -> tuple[str, ...]:
        """Events, then the last words of the first pod that is not ready."""
        found = self._events(name)
        for pod in pods:
            one = rollout.instance(pod)
            if one.is_ready:
                continue
            # What the container said before it was restarted tells more than the new one's first line
            for query in ({"previous": "true", "tailLines": "20"}, {"tailLines": "20"}):
                if text := self._cluster.log(one.name, query):
                    return (*found[-8:], *(f"{one.name} | {line}" for line in text.splitlines()[-20:]))
        return tuple(found[-8:])

    def _events(self, name: str) -> list[str]:
        found = []
        for event in self._cluster.every("Event"):
            about = event.get("involvedObject") or {}
            named = str(about.get("name", ""))
            if event.get("type") == "Warning" and (named == name or named.startswith(f"{name}-")):
                when = str(event.get("lastTimestamp") or event.get("eventTime") or "")
                text = f"{about.get('kind')} {named}: {event.get('reason')}: {event.get('message')}"
                found.append((when, text))
        return list(dict.fromkeys(text for _, text in sorted(found)))

    @contextmanager
    def reach(self, app: Application, deployed: Deployed) -> Iterator[str]:
        yield deployed.url

    def _url(self, name: str) -> str:
        """The Ingress's; a Service is seen inside of the cluster alone."""
        ingress = self._cluster.get("Ingress", name)
        if ingress is None or not is_ours(ingress, name):
            return ""
        spec = ingress["spec"]
        return f"{'https' if spec.get('tls') else 'http'}://{spec['rules'][0]['host']}"

    def rollback(self, app: Application, watch: Watch, cancel: Cancel) -> str:
        """To the instances that still answer, or else the template that was replaced; secrets stay the new ones.

        It is applied, and not patched: what is set by a patch has another manager, with which the next apply conflicts.
        """
        self._cluster.api.cancel = cancel
        if self._sent is None:
            return "its instances are those that ran before: there is nothing to go back to"
        if self._before is None:
            return ""
        now = _revision(self._deployment(app.name))
        answering = (one for one in self._sets(app.name)
                     if _revision(one) != now and (one.get("status") or {}).get("readyReplicas"))  # fmt: skip
        to = next(answering, self._before)
        if _revision(to) == now:
            return "its instances are those that ran before: there is nothing to go back to"
        template = copy.deepcopy(to["spec"]["template"])
        (template["metadata"].get("labels") or {}).pop("pod-template-hash", None)
        template["metadata"].pop("creationTimestamp", None)
        self._cluster.apply({**self._sent, "spec": {**self._sent["spec"], "template": template}})
        watch.note(f"going back to revision {_revision(to)}")
        image = template["spec"]["containers"][0]["image"]
        return f"it was rolled back to revision {_revision(to)} ({image})"

    def status(self, name: str) -> Status:
        deployment = self._deployment(name)
        pods = self._cluster.every("Pod", label=f"{LABEL}={name}")
        view = rollout.judge(deployment, self._newest_pods(deployment))
        status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
        ready = status.get("availableReplicas", 0)
        state = "running" if view.is_done else "failed" if view.failed or (view.stuck and not ready) else "updating"
        return Status(
            name, "kubernetes", self.where, state, self._url(name),
            deployment["spec"]["template"]["spec"]["containers"][0]["image"], _revision(deployment), wanted, ready,
            tuple(rollout.instance(pod) for pod in pods), tuple(self._events(name)[-8:]),
        )  # fmt: skip

    def logs(self, name: str, query: LogQuery, cancel: Cancel) -> Iterator[LogLine]:
        self._cluster.api.cancel = cancel
        self._deployment(name)
        return log_lines(self._cluster, f"{LABEL}={name}", query, cancel)

    def plan_destroy(self, name: str) -> Plan:
        found = self._made(name)
        if not found:
            raise NotFound(f"no deployment {name} of wherry's in {self.where}", hint="wherry deploy ls")
        return Plan(name, "kubernetes", self.where, tuple(removals(found)))

    def destroy(self, plan: Plan, watch: Watch, cancel: Cancel) -> None:
        self._cluster.api.cancel = cancel
        self._remove(plan.steps, watch, cancel)

    def _remove(self, steps: Sequence[Step], watch: Watch, cancel: Cancel) -> None:
        for step in steps:
            cancel.check()
            watch.begin(step)
            self._cluster.delete(step.kind, step.name, step.body["uid"])
            watch.done(step)

    def close(self) -> None:
        """Connections end with the process."""


def _revision(one: Mapping[str, Any]) -> str:
    return str((one["metadata"].get("annotations") or {}).get(_REVISION, ""))


def _with_version(body: Mapping[str, Any], version: str) -> Mapping[str, Any]:
    if body["kind"] != "Deployment" or not version:
        return body
    found: dict[str, Any] = copy.deepcopy(dict(body))
    found["spec"]["template"]["metadata"]["annotations"] = {_SECRETS_VERSION: version}
    return found
