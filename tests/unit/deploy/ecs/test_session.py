"""Bad days of a stack, against a fake at our own border (`fake_aws`)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.deploy.ecs.fake_aws import FakeAws, Told
from tests.unit.deploy.ecs_cases import PLAIN
from wherry.cancel import Cancel
from wherry.deploy.ecs.boto import refusal
from wherry.deploy.ecs.choice import Choice
from wherry.deploy.ecs.service import stopped
from wherry.deploy.ecs.session import EcsSession
from wherry.deploy.plan import Plan
from wherry.errors import Cancelled, DeployError, InputError, NotFound, NotSignedIn, Unhealthy

OTHER = PLAIN.with_image("123456789012.dkr.ecr.eu-central-1.amazonaws.com/wherry/iris", "sha256:" + "ef" * 32)


class Hurried(Cancel):
    """Time does not pass; set after so many waits."""

    def __init__(self, waits: int = 1000) -> None:
        super().__init__()
        self._left = waits

    def wait(self, timeout_s: float) -> bool:
        self._left -= 1
        if not self._left:
            self.set()
        return self.is_set()


def session(aws: FakeAws) -> EcsSession:
    return EcsSession(aws, Choice(), lambda secret: "value")


def event(number: int, name: str, status: str, reason: str = "") -> dict[str, Any]:
    return {"EventId": str(number), "LogicalResourceId": name, "ResourceStatus": status, "ResourceStatusReason": reason}


def deployed(aws: FakeAws) -> EcsSession:
    """`aws` has PLAIN now."""
    made = session(aws)
    aws.states = ["CREATE_COMPLETE"]
    made.apply(PLAIN, made.plan(PLAIN), Told(), Hurried())
    aws.calls.clear()
    return made


def test_steps_begin_and_end_as_the_stack_tells() -> None:
    aws, told = FakeAws(["CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"]), Told()
    aws.events = [event(1, "Cluster", "CREATE_IN_PROGRESS"), event(2, "Cluster", "CREATE_COMPLETE"),
                  event(3, "Service", "CREATE_IN_PROGRESS")]  # fmt: skip
    made = session(aws)
    made.apply(PLAIN, made.plan(PLAIN), told, Hurried())
    assert told.lines == ["begin Cluster", "done Cluster", "begin Service"]
    found = made.wait(PLAIN, told, Hurried())
    assert (found.url, found.revision) == ("http://iris.elb", "wherry-iris:7")
    assert aws.sent["OnFailure"] == "DO_NOTHING"


def test_unchanged_means_nothing_is_done() -> None:
    aws = FakeAws()
    made = deployed(aws)
    assert made.plan(PLAIN).is_empty
    made.apply(PLAIN, made.plan(PLAIN), Told(), Hurried())
    assert aws.changes() == []


def test_what_runs_again_after_an_update_that_went_back_is_healthy() -> None:
    aws = FakeAws()
    made = deployed(aws)
    aws.status = "UPDATE_ROLLBACK_COMPLETE"
    aws.refuse["update_stack"] = DeployError("No updates are to be performed.", platform_code="ValidationError")
    made = session(aws)
    made.apply(PLAIN, made.plan(PLAIN), Told(), Hurried())
    assert made.wait(PLAIN, Told(), Hurried()).url == "http://iris.elb"


def test_what_never_gets_healthy_says_why() -> None:
    aws, told = (
        FakeAws(["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"]),
        Told(),
    )
    aws.sent, aws.status = {"x": 1}, "UPDATE_IN_PROGRESS"
    made = session(aws)
    made._is_sent = True
    with pytest.raises(Unhealthy) as caught:
        made.wait(PLAIN, told, Hurried())
    reasons = "\n".join(caught.value.reasons)
    assert "(service iris) is unable" in reasons
    assert "task 9f: Essential container in task exited; app exited with 3" in reasons
    assert "log: ModuleNotFoundError: torch" in reasons
    assert told.lines.count("task 9f stopped: Essential container in task exited; app exited with 3") == 1


def test_tasks_that_an_update_replaced_are_no_failures() -> None:
    aws = FakeAws()
    replaced = {"taskArn": "arn/8e", "stoppedReason": "Scaling activity initiated by (deployment ecs-svc/1)"}
    aws.describe_tasks = lambda **_: {"tasks": [replaced]}  # type: ignore[method-assign]
    assert stopped(aws, "wherry-iris", "iris-1") == []
    assert stopped(aws, "wherry-iris", "") == []


def test_a_failed_resource_is_one_clear_line() -> None:
    aws = FakeAws(["CREATE_IN_PROGRESS", "CREATE_FAILED"])
    aws.events = [event(1, "LoadBalancer", "CREATE_FAILED", "not authorized to perform: elasticloadbalancing:Create"),
                  event(2, "Logs", "CREATE_FAILED", "Resource creation cancelled")]  # fmt: skip
    made = session(aws)
    with pytest.raises(DeployError, match=r"CREATE_FAILED: LoadBalancer: not authorized to perform"):
        made.apply(PLAIN, made.plan(PLAIN), Told(), Hurried())
    assert made.rollback(PLAIN, Told(), Hurried()) == ""


def test_half_applied_then_again_goes_on() -> None:
    aws = FakeAws()
    made = deployed(aws)
    aws.status, aws.states, aws.sent = "CREATE_FAILED", ["UPDATE_COMPLETE"], {}
    made.apply(PLAIN, made.plan(PLAIN), Told(), Hurried())
    assert aws.changes() == ["update_stack"]
    assert aws.sent["DisableRollback"] is True


def test_a_stack_that_takes_no_update_is_made_again() -> None:
    aws = FakeAws(["CREATE_COMPLETE"], status="ROLLBACK_COMPLETE")
    made = session(aws)
    plan = made.plan(PLAIN)
    assert "deleted and made again" in plan.text()
    made.apply(PLAIN, plan, Told(), Hurried())
    assert aws.changes() == ["delete_stack", "create_stack"]


def test_interrupting_leaves_aws_alone_and_says_so() -> None:
    aws = FakeAws(["CREATE_IN_PROGRESS"])
    made = session(aws)
    with pytest.raises(Cancelled):
        made.apply(PLAIN, made.plan(PLAIN), Told(), Hurried(2))
    assert aws.changes() == ["create_stack"]


def test_going_back_sends_what_was_there() -> None:
    aws = FakeAws()
    made = deployed(aws)
    before = aws.body, aws.parameters
    aws.states, aws.sent = ["UPDATE_COMPLETE"], {}
    made.apply(OTHER, made.plan(OTHER), Told(), Hurried())
    assert aws.parameters != before[1]
    aws.states = ["UPDATE_COMPLETE", "UPDATE_COMPLETE"]
    assert made.rollback(OTHER, Told(), Hurried()).endswith(PLAIN.image.reference)
    assert (aws.body, aws.parameters) == before


CLEANUP = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"


def test_going_back_waits_for_the_cleanup_of_what_it_takes_back() -> None:
    """The service is good while AWS still removes old revisions; it takes no update until that is done."""
    aws = FakeAws()
    made = deployed(aws)
    aws.states, aws.sent = ["UPDATE_COMPLETE"], {}
    made.apply(OTHER, made.plan(OTHER), Told(), Hurried())
    aws.states = [CLEANUP]
    assert made.wait(OTHER, Told(), Hurried()).revision
    aws.states = [CLEANUP, CLEANUP, "UPDATE_COMPLETE", "UPDATE_COMPLETE"]
    assert made.rollback(OTHER, Told(), Hurried()).endswith(PLAIN.image.reference)


def test_the_next_deployment_and_the_end_wait_for_a_cleanup_too() -> None:
    aws = FakeAws()
    made = deployed(aws)
    aws.states = [CLEANUP, CLEANUP, *["UPDATE_COMPLETE"] * 3]
    made.apply(OTHER, made.plan(OTHER), Told(), Hurried())
    assert aws.parameters[0]["ParameterValue"] == OTHER.image.reference
    aws.states = ["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]
    aws.describe_repositories = lambda **_: {"repositories": []}  # type: ignore[method-assign]
    made.destroy(Plan("iris", "ecs", made.where, ()), Told(), Hurried())
    assert aws.status == "DELETE_COMPLETE"


def test_a_network_that_does_not_do() -> None:
    aws = FakeAws()
    aws.describe_vpcs = lambda **_: {"Vpcs": []}  # type: ignore[method-assign]
    with pytest.raises(NotFound, match="no default VPC in eu-central-1"):
        session(aws).plan(PLAIN)
    one = {"SubnetId": "subnet-a", "VpcId": "vpc-1", "AvailabilityZone": "a"}
    aws = FakeAws()
    aws.describe_subnets = lambda **_: {"Subnets": [one]}  # type: ignore[method-assign]
    with pytest.raises(InputError, match="two availability zones"):
        session(aws).plan(PLAIN)


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("ExpiredToken", NotSignedIn, "does not take the credentials"),
        ("AccessDeniedException", DeployError, "AWS does not let you ecs:DescribeServices"),
        ("ThrottlingException", DeployError, "throttling"),
        ("LimitExceededException", DeployError, "quota"),
        ("OptInRequired", DeployError, "does not use this region"),
        ("ValidationError", DeployError, "ecs:DescribeServices: words (ValidationError)"),
    ],
)
def test_refusals_by_their_code(code: str, kind: type[DeployError], said: str) -> None:
    fault = refusal("ecs:DescribeServices", code, "words", 400)
    assert type(fault) is kind
    assert said in fault.message
