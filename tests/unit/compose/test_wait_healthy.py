"""What `up --wait` waits for."""

from __future__ import annotations

from wherry.compose.conditions import RUNNING
from wherry.compose.model import Project, Service
from wherry.compose.model_parts import Dependency
from wherry.compose.observe import Observed, ObservedContainer
from wherry.compose.plan import COMPLETED, WaitFor
from wherry.compose.wait_healthy import wait_plan


def test_a_service_that_others_wait_to_complete_is_waited_for_so() -> None:
    services = {
        "job": Service(name="job", image="x"),
        "none": Service(name="none", image="x", scale=0),
        "web": Service(name="web", image="x", depends_on={"job": Dependency(condition=COMPLETED)}),
    }
    project = Project(name="demo", working_dir="/", services=services)
    there = (
        ObservedContainer("1", "demo-job-1", "job"),
        ObservedContainer("2", "demo-web-1", "web"),
        ObservedContainer("3", "demo-web-2", "web", 2),
        ObservedContainer("4", "demo-web-run-1", "web", one_off=True),
    )
    waits = [step.operation for step in wait_plan(project, Observed("demo", there)).steps]
    found = [
        (one.service, one.condition, [ref.name for ref in one.containers]) for one in waits if isinstance(one, WaitFor)
    ]
    assert found == [("job", COMPLETED, ["demo-job-1"]), ("web", RUNNING, ["demo-web-1", "demo-web-2"])]
