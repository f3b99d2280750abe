"""A deployment on Cloud Run, done over `gcp.Gcp`. What is there is found by its label; nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from wherry.cancel import Cancel
from wherry.deploy.application import Application, Secret
from wherry.deploy.cloudrun import look, names
from wherry.deploy.cloudrun.changes import changes
from wherry.deploy.cloudrun.choice import Choice
from wherry.deploy.cloudrun.gcp import Gcp
from wherry.deploy.cloudrun.service import service, traffic_to
from wherry.deploy.cloudrun.validate import notes
from wherry.deploy.plan import Plan, Step
from wherry.deploy.target import Deployed, LogLine, LogQuery, PushTo, Status, Watch
from wherry.errors import Cancelled, Conflict, NotFound, Unhealthy
from wherry.oci.reference import Reference

__all__ = ["CloudRunSession"]

Doc = dict[str, Any]
_POLL_S = 2.0
_SECRETS = "wherry-secrets"
_COST = "Cloud Run: vCPU and memory, while requests are answered"
_COST_ALWAYS = "Cloud Run: vCPU and memory of {count} instance{s} that always stand{stands}"
_COST_GPU = "Cloud Run: one GPU for each instance that stands"


class CloudRunSession:
    """See deploy.target.Session."""

    def __init__(self, gcp: Gcp, choice: Choice, read_secret: Callable[[Secret], str]) -> None:
        self._gcp, self._choice, self._read_secret = gcp, choice, read_secret
        self._served: str | None = None
        """The revision that had the requests before this session changed the service; "" where there was none."""
        self.where = f"project {gcp.project}, {gcp.region}"

    def push_to(self, app: Application) -> PushTo | None:
        host = Reference.parse(app.image.reference).registry
        if host.endswith((".pkg.dev", "gcr.io")):
            return None
        repository = self._choice.repository or names.own_repository(app.name)
        tag = app.image.id.rpartition(":")[2][:12] or "latest"
        place = f"{names.registry(self._gcp.region)}/{self._gcp.project}/{repository}/{app.name}:{tag}"
        return PushTo(place, "oauth2accesstoken", self._gcp.token())

    def make_registry(self, app: Application, watch: Watch, cancel: Cancel) -> None:
        step = self._registry_step(app)
        if step and step.action == "create":
            watch.begin(step)
            self._gcp.create_repository(step.name, names.labels(app))
            watch.done(step)

    def _registry_step(self, app: Application) -> Step | None:
        """Raises: NotFound for one that the user names, Conflict for one of ours that is somebody else's."""
        chosen, own = self._choice.repository, names.own_repository(app.name)
        there = self._gcp.repository(chosen or own)
        if chosen:
            if there is None:
                raise NotFound(f"there is no repository {chosen} in {self.where}",
                               hint="make it, or leave --repository out: wherry makes one")  # fmt: skip
            return None
        if there is not None and not names.is_ours(there.get("labels", {}), app.name):
            raise _taken("repository", own)
        return Step(
            "create" if there is None else "leave", "repository", own, cost="Artifact Registry: the image's bytes"
        )

    def plan(self, app: Application) -> Plan:
        steps: list[Step] = []
        if f"/{names.own_repository(app.name)}/" in app.image.reference and (step := self._registry_step(app)):
            steps.append(step)
        secrets = [self._secret_step(app, one) for one in app.secrets if one.kind != "ref"]
        steps += secrets
        steps.append(self._service_step(app, any(step.action == "change" for step in secrets)))
        return Plan(app.name, "cloudrun", self.where, tuple(steps), notes(app))

    def _secret_step(self, app: Application, secret: Secret) -> Step:
        name = names.secret(app.name, secret.name)
        there = self._gcp.secret(name)
        if there is None:
            return Step("create", "secret", name, body={"secret": secret})
        if not names.is_ours(there.get("labels", {}), app.name):
            raise _taken("secret", name)
        same = self._gcp.secret_value(name) == self._read_secret(secret).encode()
        changed = () if same else ("its value, as a new version",)
        return Step("leave" if same else "change", "secret", name, changed, body={"secret": secret})

    def _service_step(self, app: Application, has_new_values: bool) -> Step:
        wished = service(app, self._choice)
        there = self._gcp.service(app.name)
        cost = _cost(app)
        if there is None:
            return Step("create", "service", app.name, cost=cost, body=wished)
        if not names.is_ours(there.get("labels", {}), app.name):
            raise _taken("service", app.name)
        differ = changes(there, wished)
        if not differ and there.get("terminalCondition", {}).get("state") == "CONDITION_FAILED":
            differ = ("its last revision failed: the same again",)
        if has_new_values:
            # A running instance has read its secrets: only a new revision reads them again
            marked = there.get("template", {}).get("annotations", {}).get(_SECRETS, "0")
            wished["template"]["annotations"] = {_SECRETS: str(int(marked) + 1)}
            differ = (*differ, "restarted, to read the new secrets")
        return Step("change" if differ else "leave", "service", app.name, differ, cost, wished)

    def apply(self, app: Application, plan: Plan, watch: Watch, cancel: Cancel) -> None:
        for step in plan.steps:
            if cancel.is_set():
                raise Cancelled("the deployment was stopped")
            if step.kind == "repository":
                continue
            if step.kind == "secret":
                self._put_secret(app, step, watch)
            elif step.action != "leave":
                watch.begin(step)
                self._served = look.serving(self._gcp.service(app.name) or {})
                self._gcp.put_service(step.name, dict(step.body), is_new=step.action == "create")
                watch.done(step)

    def _put_secret(self, app: Application, step: Step, watch: Watch) -> None:
        """With the right to read it, also of one that stays: the last time may have ended before it came to that."""
        secret: Secret = step.body["secret"]
        if step.action != "leave":
            watch.begin(step)
        if step.action == "create":
            self._gcp.create_secret(step.name, names.labels(app))
        self._gcp.let_read(step.name, self._choice.service_account)
        if step.action != "leave":
            self._gcp.add_secret_version(step.name, self._read_secret(secret).encode())
            watch.done(step)

    def wait(self, app: Application, watch: Watch, cancel: Cancel) -> Deployed:
        while True:
            there = self._gcp.service(app.name)
            if there is None:
                raise Unhealthy(f"the service {app.name} was removed while it was waited for")
            state = look.progress(there)
            if state == "ready":
                return Deployed(there.get("uri", ""), look.short(there.get("latestReadyRevision", "")))
            if state == "failed":
                raise Unhealthy(
                    f"{app.name} did not get healthy: {look.why(there)}", reasons=self._reasons(app.name, there)
                )
            watch.waiting(look.why(there) or "the new revision starts")
            if cancel.wait(_POLL_S):
                raise Cancelled("the deployment was stopped")

    def _reasons(self, name: str, there: Doc) -> tuple[str, ...]:
        lines = [f"{entry.revision}: {entry.text}" for entry in self._gcp.entries(name, last=20)]
        return (*look.conditions(there), *lines)

    def reach(self, app: Application, deployed: Deployed) -> AbstractContextManager[str]:
        # Behind IAM or inside of a VPC, this machine gets 403 or nothing
        hidden = self._choice.is_private or self._choice.is_internal
        return nullcontext("" if hidden else deployed.url)

    def rollback(self, app: Application, watch: Watch, cancel: Cancel) -> str:
        """To the revision that had the requests: another one may be ready, and be what failed the last time."""
        there = self._gcp.service(app.name)
        if there is None or self._served == "":
            return ""
        now = look.short(there.get("latestCreatedRevision", ""))
        if self._served is None or self._served == now:
            return "its revision is the one that ran before: there is nothing to go back to"
        kept: Doc = {key: there[key] for key in ("labels", "ingress", "invokerIamDisabled", "template") if key in there}
        self._gcp.put_service(app.name, {**kept, "traffic": traffic_to(self._served)}, is_new=False)
        return f"all requests go to {self._served} again, which ran before"

    def status(self, name: str) -> Status:
        there = self._ours(name)
        return look.status(name, self.where, there, self._gcp.revisions(name))

    def logs(self, name: str, query: LogQuery, cancel: Cancel) -> Iterator[LogLine]:
        self._ours(name)
        yield from look.lines(self._gcp, name, query, cancel)

    def plan_destroy(self, name: str) -> Plan:
        steps = []
        there = self._gcp.service(name)
        if there is not None and names.is_ours(there.get("labels", {}), name):
            steps.append(Step("delete", "service", name))
        steps += [Step("delete", "secret", one) for one in sorted(self._gcp.secrets(names.LABEL, name))]
        repository = self._gcp.repository(names.own_repository(name))
        if repository is not None and names.is_ours(repository.get("labels", {}), name):
            steps.append(Step("delete", "repository", names.own_repository(name), ("with the images in it",)))
        if not steps:
            raise NotFound(
                f"there is nothing of {name} in {self.where}", hint="wherry deploy ls shows what was deployed"
            )
        return Plan(name, "cloudrun", self.where, tuple(steps))

    def destroy(self, plan: Plan, watch: Watch, cancel: Cancel) -> None:
        delete = {"service": self._gcp.delete_service, "secret": self._gcp.delete_secret,
                  "repository": self._gcp.delete_repository}  # fmt: skip
        for step in plan.steps:
            if cancel.is_set():
                raise Cancelled("stopped in the middle", hint="the same command removes the rest")
            watch.begin(step)
            delete[step.kind](step.name)
            watch.done(step)

    def close(self) -> None:
        pass

    def _ours(self, name: str) -> Doc:
        there = self._gcp.service(name)
        if there is None or not names.is_ours(there.get("labels", {}), name):
            raise NotFound(f"there is no service {name} of wherry's in {self.where}",
                           hint="another --project or --region? wherry deploy ls shows what was deployed")  # fmt: skip
        return there


def _taken(kind: str, name: str) -> Conflict:
    return Conflict(f"the {kind} {name} is there, and was not made by wherry for this application",
                    hint="give another --name; wherry does not touch what lacks its label")  # fmt: skip


def _cost(app: Application) -> str:
    if app.gpu is not None:
        return _COST_GPU
    if app.min_instances:
        many = app.min_instances > 1
        return _COST_ALWAYS.format(count=app.min_instances, s="s" if many else "", stands="" if many else "s")
    return _COST
