"""The policy in the docs has every call of wherry's, and what CloudFormation's own schemas say that it does.

Written anew by `python -m tests.integration.test_deploy_ecs_policy`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deploy.ecs_cases import CASES
from wherry.deploy.ecs.aws import CALLS, action
from wherry.deploy.ecs.template import template

PAGE = Path(__file__).parents[2] / "docs" / "deploy-ecs-policy.json"
SERVICES = {"application-autoscaling", "cloudwatch", "ec2", "ecs", "elasticloadbalancing", "iam", "logs"}
"""Schemas name others too (Lambda, Firehose ...), for properties that no template of ours has."""


def of_the_stack() -> set[str]:
    import cfnlint

    data = Path(cfnlint.__file__).parent / "data" / "schemas"
    index = json.loads((data / "providers" / "eu-central-1.json").read_text())
    types = {one["Type"] for case in CASES.values() for one in template(*case)["Resources"].values()}
    found: set[str] = set()
    for name in types:
        handlers = json.loads((data / "resources" / f"{index[name]}.json").read_text()).get("handlers", {})
        found |= {one for handler in handlers.values() for one in handler.get("permissions", [])}
    return {one for one in found if one.partition(":")[0] in SERVICES}


def policy() -> dict[str, Any]:
    own = {action(service, operation) for service, operations in CALLS.items() for operation in operations}
    ecr = ("BatchCheckLayerAvailability", "BatchGetImage", "CompleteLayerUpload", "InitiateLayerUpload", "PutImage",
           "TagResource", "UploadLayerPart")  # fmt: skip
    pushed = {"secretsmanager:TagResource", *(f"ecr:{name}" for name in ecr)}
    statements = [("Wherry", own | pushed), ("Stack", of_the_stack())]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": name, "Effect": "Allow", "Action": sorted(actions), "Resource": "*"} for name, actions in statements
        ],
    }


@pytest.mark.requires("cfn-lint")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_policy_is_the_list_of_calls() -> None:
    assert json.loads(PAGE.read_text()) == policy()


if __name__ == "__main__":
    PAGE.write_text(json.dumps(policy(), indent=2) + "\n")
