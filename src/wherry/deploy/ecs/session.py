"""The target `ecs`, signed in. The stack is the truth: nothing about a deployment is kept on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from wherry.cancel import Cancel
from wherry.deploy.application import Application
from wherry.deploy.ecs import changes, names, network, registry, secrets, service
from wherry.deploy.ecs import stack as stacks
from wherry.deploy.ecs.aws import Aws
from wherry.deploy.ecs.choice import Choice
from wherry.deploy.ecs.progress import Progress
from wherry.deploy.ecs.stack import Stack
from wherry.deploy.ecs.template import template
from wherry.deploy.plan import Plan, Step
from wherry.deploy.target import Deployed, LogLine, LogQuery, PushTo, Status, Watch
from wherry.errors import DeployError, NotFound, Unhealthy

__all__ = ["EcsSession"]


class Before(NamedTuple):
    """What a stack was before an update: what one goes back to."""

    template: dict[str, Any]
    parameters: dict[str, str]


class EcsSession:
    def __init__(self, aws: Aws, choice: Choice, read: secrets.Read) -> None:
        self.where = f"account {aws.account}, {aws.region}"
        self._aws, self._choice, self._read = aws, choice, read
        self._before: Before | None = None
        self._is_sent = False

    def push_to(self, app: Application) -> PushTo | None:
        return registry.push_to(self._aws, app)

    def make_registry(self, app: Application, watch: Watch, cancel: Cancel) -> None:
        cancel.check()
        registry.make(self._aws, app)

    def plan(self, app: Application) -> Plan:
        stack = stacks.find(self._aws, app.name)
        first = [self._repository(app)] if app.image.id else []
        known, parameters = secrets.look(self._aws, app, self._read)
        old, were = ({}, {}) if stack is None or stack.must_go else (stacks.body(self._aws, stack), stack.parameters)
        now = {**parameters, **self._parameters(app)}
        steps = changes.steps(old, template(app, self._choice), were, now)
        return Plan(app.name, "ecs", self.where, (*first, *known, *steps), self._notes(app, stack))

    def _repository(self, app: Application) -> Step:
        there = registry.find(self._aws, app.name)
        name, cost = names.repository(app.name), "images in ECR, by size and month"
        return Step("leave" if there else "create", "ECR::Repository", name, (), cost)

    def _notes(self, app: Application, stack: Stack | None) -> tuple[str, ...]:
        notes = []
        if stack is not None and stack.must_go:
            notes.append(f"the stack is {stack.status}: it is deleted and made again")
        if not self._choice.certificate and not self._choice.is_express:
            notes.append(
                "it answers http, which everybody on the way can read: --certificate ARN --domain NAME for https"
            )
        if app.concurrency is not None:
            notes.append("ECS does not limit how many requests one task gets: concurrency is not heeded")
        return tuple(notes)

    def _parameters(self, app: Application) -> dict[str, str]:
        """But those of the secrets."""
        made = {"Image": app.image.reference}
        if self._choice.is_express:
            return {**made, "Subnets": ",".join(self._choice.subnets)} if self._choice.subnets else made
        found = network.find(self._aws, self._choice)
        return {**made, "Vpc": found.vpc, "Subnets": ",".join(found.subnets)}

    def apply(self, app: Application, plan: Plan, watch: Watch, cancel: Cancel) -> None:
        """The secrets, then the stack, as far as its service: for that `wait` waits."""
        progress = Progress(plan, watch)
        progress.secrets(begin=True)
        parameters = {**secrets.put(self._aws, app, self._read), **self._parameters(app)}
        progress.secrets(begin=False)
        stack = self._settled(app, watch, cancel)
        document = template(app, self._choice)
        if stack is not None:
            self._before = Before(stacks.body(self._aws, stack), dict(stack.parameters))
            if stack.is_good and not _differs(self._before, document, parameters):
                return
        # What happens from here on is news: of a new stack all of it
        follower = self._follower(app.name, progress, is_new=False) if stack is not None else None
        if not stacks.send(self._aws, stack, stacks.wanted(app.name, document, parameters)):
            return
        self._is_sent = True
        follower = follower or self._follower(app.name, progress, is_new=True)
        end = follower.until(lambda one: not one.is_moving or progress.is_at_service, cancel, progress.waiting)
        if end is not None and (end.is_moving or end.is_good or progress.is_at_service):
            return  # of a service that failed, `wait` says why
        raise DeployError(f"the stack of {app.name} is {end.status if end else 'gone'}: {progress.first_failure(end)}")

    def _settled(self, app: Application, watch: Watch, cancel: Cancel) -> Stack | None:
        """The stack in a state from which one can go on; None where a new one is made."""
        stack = stacks.find(self._aws, app.name)
        if stack is not None and stack.is_moving:
            watch.note(f"an earlier change of {app.name} is still going on ({stack.status}): waiting for it")
            stack = self._end(app.name, stack, watch, cancel)
        if stack is not None and stack.status == "UPDATE_ROLLBACK_FAILED":
            self._aws.call("cloudformation", "continue_update_rollback", StackName=stack.id)
            stack = self._end(app.name, stack, watch, cancel)
        if stack is not None and stack.must_go:
            watch.note(f"the stack is {stack.status}: deleting it first")
            self._aws.call("cloudformation", "delete_stack", StackName=stack.id)
            stack = self._end(app.name, stack, watch, cancel)
            if stack is not None:
                raise DeployError(f"the stack of {app.name} can't be deleted: {stack.status}: {stack.reason}")
        return stack

    def _end(self, name: str, stack: Stack, watch: Watch, cancel: Cancel) -> Stack | None:
        progress = Progress(Plan(name, "ecs", self.where, ()), watch)
        follower = stacks.Follower(self._aws, name, stack.id, progress.told)
        return follower.until(lambda one: not one.is_moving, cancel, progress.waiting)

    def _follower(self, name: str, progress: Progress, *, is_new: bool) -> stacks.Follower:
        stack = stacks.find(self._aws, name)
        if stack is None:
            raise DeployError(f"the stack of {name} was deleted by somebody else")
        follower = stacks.Follower(self._aws, name, stack.id, progress.told)
        if is_new:
            follower.again()
        return follower

    def wait(self, app: Application, watch: Watch, cancel: Cancel) -> Deployed:
        """CloudFormation waits for the service, and the circuit breaker ends that when tasks keep failing."""
        progress = Progress(Plan(app.name, "ecs", self.where, ()), watch)
        told: set[str] = set()

        def look(stack: Stack) -> None:
            progress.waiting(stack)
            for task, why in service.stopped(self._aws, names.cluster(app.name), _service(self._aws, stack)):
                if task not in told and not told.add(task):  # type: ignore[func-returns-value]
                    watch.note(f"task {task} stopped: {why}")

        follower = self._follower(app.name, progress, is_new=False)
        stack = follower.until(lambda one: not one.is_moving or one.is_good, cancel, look)
        # An update that went back earlier left what is wanted now, and there was nothing to send
        is_back = stack is not None and stack.status == "UPDATE_ROLLBACK_COMPLETE" and not self._is_sent
        if stack is None or not (stack.is_good or is_back):
            failed = follower.failures or ([stack.reason] if stack and stack.reason else [])
            found = service.reasons(self._aws, app.name, names.cluster(app.name), _service(self._aws, stack))
            raise Unhealthy(f"{app.name} did not get healthy on ECS", reasons=(*failed, *found),
                            hint=f"wherry deploy logs ecs {app.name}")  # fmt: skip
        described = service.describe(self._aws, stack.outputs.get("Cluster", ""), stack.outputs.get("Service", ""))
        return Deployed(_url(stack), str(described.get("taskDefinition", "")).rpartition("/")[2])

    def reach(self, app: Application, deployed: Deployed) -> AbstractContextManager[str]:
        """An internal load balancer is not reached from here; a domain is once it points there: that is the user's."""
        return nullcontext("" if self._choice.is_internal else deployed.url)

    def rollback(self, app: Application, watch: Watch, cancel: Cancel) -> str:
        stack = stacks.find(self._aws, app.name)
        if stack is not None and stack.is_moving:  # also when it cleans up only: AWS takes no update until that is done
            stack = self._end(app.name, stack, watch, cancel)
        if stack is None or self._before is None or stack.status.startswith(("CREATE_", "ROLLBACK_")):
            return ""
        if stack.status == "UPDATE_FAILED":
            self._aws.call("cloudformation", "rollback_stack", StackName=stack.id)
            stack = self._end(app.name, stack, watch, cancel)
        elif stack.is_good:
            request = stacks.wanted(app.name, self._before.template, self._before.parameters)
            if stacks.send(self._aws, stack, request):
                stack = self._end(app.name, stack, watch, cancel)
        if stack is None or stack.status not in {"UPDATE_ROLLBACK_COMPLETE", "UPDATE_COMPLETE"}:
            raise DeployError(f"the stack of {app.name} is {stack.status if stack else 'gone'}")
        return f"it runs what it ran before: {self._before.parameters.get('Image', '')}"

    def status(self, name: str) -> Status:
        stack = self._there(name)
        cluster, called = names.cluster(name), _service(self._aws, stack)
        found = service.describe(self._aws, cluster, called)
        there, ready = found.get("desiredCount", 0), found.get("runningCount", 0)
        if stack.is_moving and not stack.is_good:
            state = "updating"
        elif stack.is_good or stack.status == "UPDATE_ROLLBACK_COMPLETE":
            state = "stopped" if not there else "running" if ready >= there else "updating"
        else:
            state = "failed"
        return Status(
            name, "ecs", self.where, state, _url(stack), stack.parameters.get("Image", ""),
            str(found.get("taskDefinition", "")).rpartition("/")[2], there, ready,
            service.instances(self._aws, cluster, called) if found else (),
            (*([f"{stack.status}: {stack.reason}"] if stack.reason else []), *service.events(found)),
        )  # fmt: skip

    def logs(self, name: str, query: LogQuery, cancel: Cancel) -> Iterator[LogLine]:
        self._there(name)
        return service.logs(self._aws, name, query, cancel)

    def _there(self, name: str) -> Stack:
        stack = stacks.find(self._aws, name)
        if stack is None:
            raise NotFound(f"no {name} on ECS in {self.where}", hint="wherry deploy ls, or another --region")
        return stack

    def plan_destroy(self, name: str) -> Plan:
        stack = stacks.find(self._aws, name)
        steps: list[Step] = []
        if stack is not None:
            found = self._aws.call("cloudformation", "list_stack_resources", StackName=stack.id)
            steps += changes.removals(found["StackResourceSummaries"])
        steps += [Step("delete", "Secret", one) for one in secrets.listed(self._aws, name)]
        if registry.find(self._aws, name) is not None:
            steps.append(Step("delete", "ECR::Repository", names.repository(name), ("with its images",)))
        if stack is None and not steps:
            raise NotFound(f"no {name} on ECS in {self.where}")
        return Plan(name, "ecs", self.where, tuple(steps))

    def destroy(self, plan: Plan, watch: Watch, cancel: Cancel) -> None:
        """The stack, which AWS takes apart in the right order; then the secrets, then the images."""
        name, progress = plan.application, Progress(plan, watch)
        for _ in range(3):  # a network interface that is let go of late keeps a security group: AWS says try again
            stack = stacks.find(self._aws, name)
            if stack is None:
                break
            if stack.is_moving and not stack.status.startswith(("CREATE_", "DELETE_")):
                watch.note(f"an earlier change of {name} is still going on ({stack.status}): waiting for it")
                self._end(name, stack, watch, cancel)
            if not stack.status.startswith("DELETE_IN"):
                self._aws.call("cloudformation", "delete_stack", StackName=stack.id)
            follower = stacks.Follower(self._aws, name, stack.id, progress.told)
            end = follower.until(lambda one: one.status == "DELETE_FAILED", cancel, progress.waiting)
        else:
            raise DeployError(f"the stack of {name} can't be deleted: {end.reason if end else ''}")
        for step in plan.steps:
            if step.kind in {"Secret", "ECR::Repository"}:
                watch.begin(step)
                remove = secrets.remove if step.kind == "Secret" else registry.remove
                remove(self._aws, step.name if step.kind == "Secret" else name)
                watch.done(step)

    def close(self) -> None:
        close = getattr(self._aws, "close", None)
        if close is not None:
            close()


def _differs(before: Before, document: dict[str, Any], parameters: dict[str, str]) -> bool:
    steps = changes.steps(before.template, document, before.parameters, parameters)
    return any(step.action != "leave" for step in steps)


def _url(stack: Stack) -> str:
    """An Express service's endpoint comes without a scheme, and is https."""
    url = stack.outputs.get("Url") or stack.outputs.get("Address", "")
    return url if not url or "://" in url else f"https://{url}"


def _service(aws: Aws, stack: Stack | None) -> str:
    """Its name, also while the stack has no outputs yet."""
    if stack is None:
        return ""
    if "Service" in stack.outputs:
        return stack.outputs["Service"]
    found = aws.call("cloudformation", "list_stack_resources", StackName=stack.id)["StackResourceSummaries"]
    physical = next(
        (one.get("PhysicalResourceId", "") for one in found if one.get("LogicalResourceId") == "Service"), ""
    )
    return str(physical or "").rpartition("/")[2]
