"""One CloudFormation stack: what it is now, how it gets to the next state, and what happened on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wherry.cancel import Cancel
from wherry.deploy.ecs import names
from wherry.deploy.ecs.aws import Aws
from wherry.errors import Conflict, DeployError

__all__ = ["POLL_S", "Follower", "Stack", "body", "find", "send", "wanted"]

POLL_S = 5.0
_GONE = "DELETE_COMPLETE"


@dataclass(frozen=True, slots=True)
class Stack:
    """`id` is the ARN, which still answers when the stack is deleted. `reason` is AWS's for its status."""

    id: str
    status: str
    reason: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]

    @property
    def is_moving(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    @property
    def is_good(self) -> bool:
        return self.status in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"}

    @property
    def must_go(self) -> bool:
        """AWS takes no update of it: it is deleted and made again. Nothing in it runs."""
        return self.status in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"}


def find(aws: Aws, name: str, id: str = "") -> Stack | None:
    """The application's, or that with the ARN `id`. Raises: Conflict for one without our tag."""
    try:
        found = aws.call("cloudformation", "describe_stacks", StackName=id or names.stack(name))["Stacks"][0]
    except DeployError as fault:
        # The only ValidationError of a call with a valid name: there is none
        if fault.platform_code == "ValidationError":
            return None
        raise
    if found["StackStatus"] == _GONE and not id:
        return None
    if not names.is_ours(found.get("Tags"), name):
        raise Conflict(f"the stack {names.stack(name)} was not made by wherry for {name}: it is left alone",
                       hint="deploy under another --name")  # fmt: skip
    return Stack(
        found["StackId"], found["StackStatus"], found.get("StackStatusReason", ""),
        {one["ParameterKey"]: one.get("ParameterValue", "") for one in found.get("Parameters", [])},
        {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs") or []},
    )  # fmt: skip


def body(aws: Aws, stack: Stack) -> dict[str, Any]:
    """The template that the stack has now; {} for one that somebody replaced by YAML."""
    text = aws.call("cloudformation", "get_template", StackName=stack.id, TemplateStage="Original")["TemplateBody"]
    if isinstance(text, str):
        try:
            text = json.loads(text)
        except ValueError:
            return {}
    return json.loads(json.dumps(text)) if isinstance(text, dict) else {}


def wanted(app_name: str, template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """What create_stack and update_stack are given alike."""
    return {
        "StackName": names.stack(app_name),
        "TemplateBody": json.dumps(template, ensure_ascii=False),
        "Parameters": [{"ParameterKey": name, "ParameterValue": text} for name, text in sorted(parameters.items())],
        "Capabilities": ["CAPABILITY_IAM"],
        "Tags": names.pairs(names.own_tags(app_name)),
    }


def send(aws: Aws, stack: Stack | None, request: dict[str, Any]) -> bool:
    """Ask for it: False when the stack is so already.

    A stack that fails at its making is left, so that one can look, and so that the next try goes on from it. One that
    fails at an update goes back by itself.
    """
    if stack is None:
        aws.call("cloudformation", "create_stack", **request, OnFailure="DO_NOTHING")
        return True
    goes_on = stack.status in {"CREATE_FAILED", "UPDATE_FAILED"}
    try:
        aws.call("cloudformation", "update_stack", **request, DisableRollback=goes_on)
    except DeployError as fault:
        if fault.platform_code == "ValidationError" and "No updates" in fault.message:
            return False
        raise
    return True


class Follower:
    """Waits for a stack, and tells each event once, oldest first. `told(logical id, status, reason)`."""

    def __init__(self, aws: Aws, name: str, id: str, told: Callable[[str, str, str], None]) -> None:
        self._aws, self._name, self._id, self._told = aws, name, id, told
        self._seen = {one["EventId"] for one in self._events()}
        self.failures: list[str] = []

    def again(self) -> None:
        """Forget what was seen: the events of a stack that was just made are all news."""
        self._seen = set()

    def until(self, is_done: Callable[[Stack], bool], cancel: Cancel, each: Callable[[Stack], None]) -> Stack | None:
        """The stack, or None when it is gone. `each` is called between two looks. Raises: Cancelled."""
        while True:
            stack = find(self._aws, self._name, self._id)
            self._tell()
            if stack is None or stack.status == _GONE:
                return None
            if is_done(stack):
                return stack
            each(stack)
            cancel.wait(POLL_S)
            cancel.check()

    def _tell(self) -> None:
        for one in self._events():
            if one["EventId"] in self._seen:
                continue
            self._seen.add(one["EventId"])
            status, reason = one.get("ResourceStatus", ""), one.get("ResourceStatusReason", "")
            if status.endswith("_FAILED") and "cancelled" not in reason:
                self.failures.append(f"{one['LogicalResourceId']}: {reason or status}")
            self._told(one["LogicalResourceId"], status, reason)

    def _events(self) -> list[dict[str, Any]]:
        """Oldest first. The newest page is enough: it has 100, and one looks every few seconds."""
        answer = self._aws.call("cloudformation", "describe_stack_events", StackName=self._id)
        return [one for one in reversed(answer["StackEvents"]) if "EventId" in one and "LogicalResourceId" in one]
