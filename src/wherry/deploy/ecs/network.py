"""Where tasks and load balancer stand: the given subnets, those of the given VPC, or the default VPC's."""

from __future__ import annotations

from typing import Any, NamedTuple

from wherry.deploy.ecs.aws import Aws
from wherry.deploy.ecs.choice import Choice
from wherry.errors import InputError, NotFound

__all__ = ["Network", "find"]


class Network(NamedTuple):
    vpc: str
    subnets: tuple[str, ...]


def find(aws: Aws, choice: Choice) -> Network:
    """One subnet a zone where wherry chooses. Raises: NotFound, InputError with what to give."""
    if choice.subnets:
        subnets = _pages(aws, SubnetIds=list(choice.subnets))
        vpcs = {one["VpcId"] for one in subnets}
        if len(vpcs) > 1 or (choice.vpc and vpcs != {choice.vpc}):
            raise InputError(f"the subnets are not all in one VPC{f', {choice.vpc}' if choice.vpc else ''}")
        return _checked(vpcs.pop(), subnets, keep_all=True)
    vpc = choice.vpc or _default(aws)
    return _checked(vpc, _pages(aws, Filters=[{"Name": "vpc-id", "Values": [vpc]}]), keep_all=False)


def _default(aws: Aws) -> str:
    found = aws.call("ec2", "describe_vpcs", Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    if not found:
        raise NotFound(f"the account has no default VPC in {aws.region}",
                       hint="--vpc VPC with public subnets in two zones, or --subnet A --subnet B")  # fmt: skip
    vpc: str = found[0]["VpcId"]
    return vpc


def _pages(aws: Aws, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        answer = aws.call("ec2", "describe_subnets", **asked)
        found += answer["Subnets"]
        if not answer.get("NextToken"):
            return found
        asked["NextToken"] = answer["NextToken"]


def _checked(vpc: str, subnets: list[dict[str, Any]], *, keep_all: bool) -> Network:
    zones: dict[str, str] = {}
    for one in sorted(subnets, key=lambda one: (not one.get("MapPublicIpOnLaunch"), one["SubnetId"])):
        zones.setdefault(one["AvailabilityZone"], one["SubnetId"])
    if len(zones) < 2:
        have = ", ".join(zones) or "none"
        raise InputError(f"a load balancer needs subnets in two availability zones; {vpc} has them in: {have}",
                         hint="make another subnet, or name them: --subnet A --subnet B")  # fmt: skip
    chosen = [one["SubnetId"] for one in subnets] if keep_all else list(zones.values())
    return Network(vpc, tuple(sorted(chosen)))
