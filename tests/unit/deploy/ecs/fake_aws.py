"""AWS at our own border: a stack that goes through the states it is told, and refusals at chosen calls.

moto can't do this: its stacks are done at once, and its tasks never start.
"""

from __future__ import annotations

import json
from typing import Any

from wherry.deploy.ecs import names
from wherry.errors import DeployError

__all__ = ["FakeAws", "Told"]


class FakeAws:
    """`states` are what describe_stacks answers after a change, one a look, the last for ever."""

    region, account = "eu-central-1", "123456789012"

    def __init__(self, states: list[str] | None = None, *, status: str = "") -> None:
        self.states, self.status = list(states or []), status
        self.calls: list[str] = []
        self.sent: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.body: Any = {}
        self.parameters: list[dict[str, str]] = []
        self.refuse: dict[str, DeployError] = {}

    def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        self.calls.append(operation)
        if operation in self.refuse:
            raise self.refuse[operation]
        answer: dict[str, Any] = getattr(self, operation)(**parameters)
        return answer

    def changes(self) -> list[str]:
        return [one for one in self.calls if not one.startswith(("describe", "list", "get", "filter"))]

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        if self.sent and self.states:
            self.status = self.states.pop(0)
        if not self.status:
            raise DeployError("no such stack", platform_code="ValidationError")
        stack = {"StackId": "arn:stack", "StackStatus": self.status, "Tags": names.pairs(names.own_tags("iris")),
                 "Parameters": self.parameters, "Outputs": [{"OutputKey": "Url", "OutputValue": "http://iris.elb"},
                 {"OutputKey": "Cluster", "OutputValue": "wherry-iris"},
                 {"OutputKey": "Service", "OutputValue": "iris-1"}]}  # fmt: skip
        return {"Stacks": [stack]}

    def create_stack(self, **sent: Any) -> dict[str, Any]:
        self.sent, self.status = sent, "CREATE_IN_PROGRESS"
        self.body, self.parameters = json.loads(sent["TemplateBody"]), sent["Parameters"]
        return {}

    def _is_free(self) -> None:
        if self.status.endswith("_IN_PROGRESS"):
            said = f"Stack:arn:stack is in {self.status} state and can not be updated."
            raise DeployError(said, platform_code="ValidationError")

    def update_stack(self, **sent: Any) -> dict[str, Any]:
        self._is_free()
        self.create_stack(**sent)
        self.status = "UPDATE_IN_PROGRESS"
        return {}

    def delete_stack(self, **_: Any) -> dict[str, Any]:
        self._is_free()
        self.status = "DELETE_COMPLETE"
        return {}

    def continue_update_rollback(self, **_: Any) -> dict[str, Any]:
        self.status = "UPDATE_ROLLBACK_COMPLETE"
        return {}

    def get_template(self, **_: Any) -> dict[str, Any]:
        return {"TemplateBody": self.body}

    def describe_stack_events(self, **_: Any) -> dict[str, Any]:
        return {"StackEvents": list(reversed(self.events)) if self.sent else []}

    def list_stack_resources(self, **_: Any) -> dict[str, Any]:
        return {"StackResourceSummaries": []}

    def describe_vpcs(self, **_: Any) -> dict[str, Any]:
        return {"Vpcs": [{"VpcId": "vpc-1"}]}

    def describe_subnets(self, **_: Any) -> dict[str, Any]:
        return {
            "Subnets": [{"SubnetId": f"subnet-{zone}", "VpcId": "vpc-1", "AvailabilityZone": zone} for zone in "ab"]
        }

    def describe_repositories(self, **_: Any) -> dict[str, Any]:
        return {"repositories": [{"repositoryArn": "arn:repository"}]}

    def list_tags_for_resource(self, **_: Any) -> dict[str, Any]:
        return {"tags": names.pairs(names.own_tags("iris"))}

    def describe_services(self, **_: Any) -> dict[str, Any]:
        return {
            "services": [{"taskDefinition": "arn/wherry-iris:7", "events": [{"message": "(service iris) is unable"}]}]
        }

    def list_tasks(self, **_: Any) -> dict[str, Any]:
        return {"taskArns": ["arn/9f"]}

    def describe_tasks(self, **_: Any) -> dict[str, Any]:
        task = {"taskArn": "arn/9f", "stoppedReason": "Essential container in task exited",
                "containers": [{"name": "app", "exitCode": 3}]}  # fmt: skip
        return {"tasks": [task]}

    def get_log_events(self, **_: Any) -> dict[str, Any]:
        return {"events": [{"message": "ModuleNotFoundError: torch"}]}


class Told:
    """A Watch that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, step: Any) -> None:
        self.lines.append(f"begin {step.name}")

    def done(self, step: Any) -> None:
        self.lines.append(f"done {step.name}")

    def waiting(self, text: str) -> None:
        self.lines.append(text)

    def note(self, line: str) -> None:
        self.lines.append(line)
