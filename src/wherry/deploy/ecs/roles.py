"""The roles that a service needs, with no permission beyond. Pure."""

from __future__ import annotations

import re
from typing import Any

from wherry.deploy.application import Application
from wherry.deploy.ecs import names

__all__ = ["EXPRESS_POLICY", "execution_role", "infrastructure_role"]

EXPRESS_POLICY = "service-role/AmazonECSInfrastructureRoleforExpressGatewayServices"
_ECR = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^@:]+)")


def execution_role(app: Application) -> dict[str, Any]:
    """Of the agent that pulls, writes the log, and reads the application's secrets."""
    group = f"log-group:{names.log_group(app.name)}:*"
    logs = {"Fn::Sub": f"arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:{group}"}
    statements = [{"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": logs}]
    return _role("ecs-tasks.amazonaws.com", [*_pull(app), *statements, *_secrets(app)], names.tags(app))


def _pull(app: Application) -> list[dict[str, Any]]:
    """What is not in ECR is pulled without permission."""
    found = _ECR.match(app.image.reference)
    if found:
        arn = f"arn:${{AWS::Partition}}:ecr:{found[2]}:{found[1]}:repository/{found[3]}"
    elif app.image.id:
        arn = (
            f"arn:${{AWS::Partition}}:ecr:${{AWS::Region}}:${{AWS::AccountId}}:repository/{names.repository(app.name)}"
        )
    else:
        return []
    return [
        {"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken"], "Resource": "*"},  # it knows no resources
        {
            "Effect": "Allow",
            "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            "Resource": {"Fn::Sub": arn},
        },
    ]


def _secrets(app: Application) -> list[dict[str, Any]]:
    statements = []
    here = "${AWS::Partition}:%s:${AWS::Region}:${AWS::AccountId}"
    for action, service in (("secretsmanager:GetSecretValue", "secretsmanager"), ("ssm:GetParameters", "ssm")):
        resources: list[Any] = []
        for one in app.secrets:
            if one.kind != "ref":
                ours = service == "secretsmanager"
                # "-??????" is what Secrets Manager puts behind a name
                what = f"secret:{names.secret(app.name, one.name)}-??????"
            elif one.where.startswith("arn:"):
                ours, what = one.where.split(":")[2] == service, one.where
            else:
                ours, what = service == "secretsmanager", f"secret:{one.where}-??????"
            if ours:
                resources.append(what if what.startswith("arn:") else {"Fn::Sub": f"arn:{here % service}:{what}"})
        if resources:
            statements.append({"Effect": "Allow", "Action": [action], "Resource": resources})
    return statements


def infrastructure_role(app: Application) -> dict[str, Any]:
    """Of ECS itself, which makes an Express service's load balancer with it."""
    role = _role("ecs.amazonaws.com", [], names.tags(app))
    policy = {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::aws:policy/{EXPRESS_POLICY}"}
    role["Properties"]["ManagedPolicyArns"] = [policy]
    return role


def _role(service: str, statements: list[dict[str, Any]], tags: dict[str, str]) -> dict[str, Any]:
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    properties: dict[str, Any] = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]}}
    if statements:
        document = {"Version": "2012-10-17", "Statement": statements}
        properties["Policies"] = [{"PolicyName": "wherry", "PolicyDocument": document}]
    return {"Type": "AWS::IAM::Role", "Properties": {**properties, "Tags": names.pairs(tags)}}
