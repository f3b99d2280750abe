"""A deployment on Container Apps, done over `azure.Azure`. What is there is found by its tag: no other is touched."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from wherry.cancel import Cancel
from wherry.deploy.aca import look, names
from wherry.deploy.aca.app import Wiring, container_app, registry_entry
from wherry.deploy.aca.around import Around, Surrounding
from wherry.deploy.aca.azure import Azure
from wherry.deploy.aca.changes import changes
from wherry.deploy.aca.choice import Choice
from wherry.deploy.aca.destroying import removals, remove
from wherry.deploy.aca.logs import last_words, log_lines
from wherry.deploy.aca.validate import notes
from wherry.deploy.application import Application, Secret
from wherry.deploy.plan import Plan, Step
from wherry.deploy.target import Deployed, LogLine, LogQuery, PushTo, Status, Watch
from wherry.errors import Conflict, DeployError, NotFound, Unhealthy

__all__ = ["AcaSession"]

Doc = dict[str, Any]
_NOBODY = "00000000-0000-0000-0000-000000000000"
"""Who one is at a registry of Azure's with a token: https://aka.ms/acr/authentication."""
_BEFORE = "wherry-before"
"""The app's tag with the revision that was ready before the last change: what going back goes back to."""
_STUCK_S = 60.0
_AGAIN_S = 15.0
_COST = "Container Apps: vCPU and memory of an instance, while requests are answered"
_COST_ALWAYS = "Container Apps: vCPU and memory of {count} instance{s} that always stand{stands}, less while idle"
_COST_GPU = "Container Apps: one GPU for each instance that stands"
_COST_PROFILE = "Container Apps: the nodes of the workload profile {profile}"


class AcaSession:
    """See deploy.target.Session. `login` knows user and password of a registry that is not Azure's."""

    def __init__(
        self, azure: Azure, choice: Choice, read_secret: Callable[[Secret], str],
        login: Callable[[str], tuple[str, str] | None], *, poll_s: float = 2.0,
    ) -> None:  # fmt: skip
        self._azure, self._choice, self._read_secret, self._login = azure, choice, read_secret, login
        self._poll_s = poll_s
        self._tries_left = 0
        self._is_put = False
        self.where = f"subscription {azure.subscription}" + (f", {choice.group}" if choice.group else "")

    def push_to(self, app: Application) -> PushTo | None:
        """Without a login as long as the registry is not there: it is asked again when it was made."""
        around = Surrounding(self._azure, self._choice, app)
        reference = around.place.push_to(app)
        if not reference:
            return None
        if not around.place.is_azure:
            return PushTo(reference)
        if around.place.is_own and any(step.action == "create" for step in around.registry_steps()[1]):
            return PushTo(reference)
        return PushTo(reference, _NOBODY, self._azure.registry_token(around.place.host))

    def make_registry(self, app: Application, watch: Watch, cancel: Cancel) -> None:
        for step in Surrounding(self._azure, self._choice, app).registry_steps()[1]:
            if step.action != "leave":
                self._make(step, watch, cancel)

    def _make(self, step: Step, watch: Watch, cancel: Cancel) -> Doc:
        watch.begin(step)
        made = self._azure.put(step.body["id"], dict(step.body["doc"]), cancel)
        watch.done(step)
        return made

    def plan(self, app: Application) -> Plan:
        looked = Surrounding(self._azure, self._choice, app)
        around = looked.look()
        steps = (*around.steps, self._app_step(app, looked, around))
        return Plan(app.name, "aca", f"{self.where}, {around.location}", steps, notes(app, self._choice))

    def _app_step(self, app: Application, looked: Surrounding, around: Around) -> Step:
        """Raises: Conflict."""
        there = self._azure.get(names.app_id(self._azure.subscription, looked.group, app.name))
        if there is not None and not names.is_ours(there, app.name):
            raise Conflict(f"the app {app.name} is there, and was not made by wherry for this application",
                           hint="give another --name; wherry does not touch what lacks its tag")  # fmt: skip
        values = self._changed_values(app, looked) if there is not None else ()
        mark = _mark(there) if there is not None else ""
        if values:
            # A running replica has read its secrets: only a new revision reads them again
            mark = str(int(mark or "0") + 1)
        wished = container_app(app, self._choice, self._wiring(app, looked, around, mark))
        cost = _cost(app, self._choice)
        body = {"group": looked.group, "doc": wished}
        if there is None:
            return Step("create", "app", app.name, cost=cost, body=body)
        differ = (*changes(there, wished), *values)
        state = (there.get("properties") or {}).get("provisioningState", "Succeeded")
        if not differ and state != "Succeeded":
            differ = (f"its state is {state}: the same again",)
        return Step("change" if differ else "leave", "app", app.name, differ, cost, {**body, "there": there})

    def _wiring(self, app: Application, looked: Surrounding, around: Around, mark: str) -> Wiring:
        place = looked.place
        if place.is_azure:
            entry = registry_entry(place.host, identity=around.identity)
        else:
            known = self._login(place.host)
            entry = registry_entry(place.host, username=known[0] if known else "")
        return Wiring(around.location, around.environment, around.identity, entry, around.profile, mark)

    def _changed_values(self, app: Application, looked: Surrounding) -> tuple[str, ...]:
        """A line for each secret whose value is another than the app's."""
        wanted = self._values(app, looked.place.host)
        if not wanted:
            return ()
        known = self._azure.secret_values(looked.group, app.name)
        if known is None:
            return ("its secrets can't be read with your rights, so all of them are written again",)
        return tuple(f"secret {name}: a new value" for name, value in wanted.items() if known.get(name) not in
                     (None, value))  # fmt: skip

    def _values(self, app: Application, host: str) -> dict[str, str]:
        found = {names.secret(one.name): self._read_secret(one) for one in app.secrets if one.kind != "ref"}
        if not host.endswith(".azurecr.io") and (known := self._login(host)):
            found[names.REGISTRY_SECRET] = known[1]
        return found

    def apply(self, app: Application, plan: Plan, watch: Watch, cancel: Cancel) -> None:
        principal = ""
        for step in plan.steps:
            cancel.check()
            if step.kind == "role":
                self._let_pull(step, step.body["principal"] or principal, watch, cancel)
            elif step.action == "leave":
                continue
            elif step.kind == "app":
                watch.begin(step)
                self._put_app(app, step, cancel)
                watch.done(step)
            else:
                made = self._make(step, watch, cancel)
                principal = str((made.get("properties") or {}).get("principalId", "")) or principal

    def _let_pull(self, step: Step, principal: str, watch: Watch, cancel: Cancel) -> None:
        if step.action == "leave":
            return
        watch.begin(step)
        role = {"roleDefinitionId": names.role(self._azure.subscription), "principalId": principal,
                "principalType": "ServicePrincipal"}  # fmt: skip
        for left in range(9, -1, -1):
            try:
                self._azure.put(names.assignment(step.body["scope"], principal), {"properties": role}, cancel)
                break
            except DeployError as fault:
                # An identity that was made a moment ago is not known everywhere yet
                if fault.platform_code != "PrincipalNotFound" or not left:
                    raise
            cancel.wait(self._poll_s * 3)
            cancel.check()
        # Nor is its right: the first pull may be refused
        self._tries_left = 4
        watch.done(step)

    def _put_app(self, app: Application, step: Step, cancel: Cancel) -> None:
        group, doc = step.body["group"], copy.deepcopy(dict(step.body["doc"]))
        values = self._values(app, Surrounding(self._azure, self._choice, app).place.host)
        for secret in doc["properties"]["configuration"]["secrets"]:
            if secret["name"] in values:
                secret["value"] = values[secret["name"]]
        is_new = step.action == "create"
        if not is_new:
            del doc["location"]
            there = self._settled(group, app.name, cancel)
            ready = (there.get("properties") or {}).get("latestReadyRevisionName")
            doc["tags"] = {**doc["tags"], **({_BEFORE: ready} if ready else {})}
        self._is_put = True
        self._azure.put_app(group, app.name, doc, is_new=is_new)

    def _settled(self, group: str, name: str, cancel: Cancel) -> Doc:
        """Azure refuses a change as long as it works at the last one."""
        while True:
            there = self._azure.get(names.app_id(self._azure.subscription, group, name)) or {}
            if (there.get("properties") or {}).get("provisioningState") != "InProgress":
                return there
            cancel.wait(self._poll_s)
            cancel.check()

    def wait(self, app: Application, watch: Watch, cancel: Cancel) -> Deployed:
        """What looks final is given a minute, since it may be a pull that is tried again."""
        group, stuck_s = self._group(app.name), 0.0
        while True:
            there = self._azure.get(names.app_id(self._azure.subscription, group, app.name))
            if there is None:
                raise Unhealthy(f"the app {app.name} was removed while it was waited for")
            view = self._judged(group, there, app.min_instances)
            if view.is_ready:
                return Deployed(look.url(there), look.latest(there))
            failed = view.failed and (self._azure.operation_fault(app.name) or view.failed)
            stuck_s = stuck_s + self._poll_s if view.stuck else 0.0
            if failed and self._tries_left:
                self._try_again(app, watch, cancel)
                continue
            if failed or stuck_s > _STUCK_S:
                raise Unhealthy(f"{app.name} did not get healthy: {failed or view.stuck}",
                                hint=f"wherry deploy logs aca {app.name}",
                                reasons=self._reasons(group, there))  # fmt: skip
            watch.waiting(view.text)
            cancel.wait(self._poll_s)
            cancel.check()

    def _try_again(self, app: Application, watch: Watch, cancel: Cancel) -> None:
        self._tries_left -= 1
        watch.waiting("the right to pull the image is not known everywhere yet")
        cancel.wait(_AGAIN_S if self._poll_s else 0)
        cancel.check()
        step = self.plan(app).steps[-1]
        self._put_app(app, step, cancel)

    def _judged(self, group: str, there: Doc, wanted: int) -> look.View:
        name, revision = there.get("name", ""), look.latest(there)
        known = next((one for one in self._azure.revisions(group, name) if one.get("name") == revision), None)
        replicas = self._azure.replicas(group, name, revision) if known else []
        return look.judge(there, known, replicas, wanted)

    def _reasons(self, group: str, there: Doc) -> tuple[str, ...]:
        name, revision = there.get("name", ""), look.latest(there)
        replicas = self._azure.replicas(group, name, revision) if revision else []
        shown = [look.instance(one) for one in replicas]
        states = [f"{one.name}: {one.state}" + (f" ({one.reason})" if one.reason else "") for one in shown]
        return (*states[:5], *last_words(self._azure, group, name, revision))

    def reach(self, app: Application, deployed: Deployed) -> AbstractContextManager[str]:
        # Inside of the environment's network, this machine gets nothing
        return nullcontext("" if self._choice.is_internal else deployed.url)

    def rollback(self, app: Application, watch: Watch, cancel: Cancel) -> str:
        """The template of the revision before, as a new revision; secrets keep their new values."""
        if not self._is_put:
            return "its revision is the one that ran before: there is nothing to go back to"
        group = self._group(app.name)
        there = self._settled(group, app.name, cancel)
        before = (there.get("tags") or {}).get(_BEFORE, "")
        found = [one for one in self._azure.revisions(group, app.name) if one.get("name") == before]
        if not found or before == look.latest(there):
            return ""
        template = copy.deepcopy(found[0]["properties"]["template"])
        template.pop("revisionSuffix", None)
        self._azure.put_app(group, app.name, {"properties": {"template": template}}, is_new=False)
        return f"the revision {before}, which ran before, is deployed again; until it is ready it answers as it did"

    def status(self, name: str) -> Status:
        group = self._group(name)
        there = self._ours(group, name)
        revision = look.latest(there)
        known = next((one for one in self._azure.revisions(group, name) if one.get("name") == revision), None)
        return look.status(name, self.where, there, known, self._azure.replicas(group, name, revision) if known else [])

    def logs(self, name: str, query: LogQuery, cancel: Cancel) -> Iterator[LogLine]:
        group = self._group(name)
        self._ours(group, name)
        yield from log_lines(self._azure, group, name, query, cancel)

    def plan_destroy(self, name: str) -> Plan:
        steps = removals(self._azure, self._choice, self._group(name), name)
        if not steps:
            raise NotFound(f"there is nothing of {name} in {self.where}",
                           hint="wherry deploy ls shows what was deployed")  # fmt: skip
        return Plan(name, "aca", self.where, tuple(steps))

    def destroy(self, plan: Plan, watch: Watch, cancel: Cancel) -> None:
        remove(self._azure, plan, watch, cancel)

    def close(self) -> None:
        """Connections end with the process."""

    def _group(self, name: str) -> str:
        return self._choice.group or names.own(name)

    def _ours(self, group: str, name: str) -> Doc:
        there = self._azure.get(names.app_id(self._azure.subscription, group, name))
        if there is None or not names.is_ours(there, name):
            raise NotFound(f"there is no app {name} of wherry's in {self.where}",
                           hint="another --subscription or --resource-group? wherry deploy ls")  # fmt: skip
        return there


def _mark(there: Doc) -> str:
    template = (there.get("properties") or {}).get("template") or {}
    variables = next((one.get("env") or [] for one in template.get("containers") or []), [])
    said = next((str(one.get("value", "")) for one in variables if one.get("name") == names.MARK), "")
    return said if said.isdecimal() else ""


def _cost(app: Application, choice: Choice) -> str:
    if choice.profile:
        return _COST_PROFILE.format(profile=choice.profile)
    if app.gpu is not None:
        return _COST_GPU
    if app.min_instances:
        many = app.min_instances > 1
        return _COST_ALWAYS.format(count=app.min_instances, s="s" if many else "", stands="" if many else "s")
    return _COST
