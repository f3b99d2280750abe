"""The Express service: ECS makes load balancer, certificate, security groups and scaling by itself. Pure."""

from __future__ import annotations

from typing import Any

from wherry.deploy.application import Application
from wherry.deploy.ecs import names
from wherry.deploy.ecs.choice import Choice
from wherry.deploy.ecs.task import LOG_PREFIX, environment, secrets
from wherry.deploy.ecs.validate import size_of

__all__ = ["express_service"]


def express_service(app: Application, choice: Choice, cpu_percent: int) -> dict[str, Any]:
    """AWS::ECS::ExpressGatewayService."""
    container: dict[str, Any] = {
        "Image": {"Ref": "Image"},
        "ContainerPort": app.port,
        "AwsLogsConfiguration": {"LogGroup": {"Ref": "Logs"}, "LogStreamPrefix": LOG_PREFIX},
    }
    if app.command is not None:
        container["Command"] = list(app.command)
    if app.env:
        container["Environment"] = environment(app)
    if app.secrets:
        container["Secrets"] = secrets(app)
    size = size_of(app)
    properties: dict[str, Any] = {
        "ServiceName": app.name,
        "Cluster": {"Ref": "Cluster"},
        "ExecutionRoleArn": {"Fn::GetAtt": ["ExecutionRole", "Arn"]},
        "InfrastructureRoleArn": {"Fn::GetAtt": ["InfrastructureRole", "Arn"]},
        **({"TaskRoleArn": choice.task_role} if choice.task_role else {}),
        "Cpu": str(size.cpu),
        "Memory": str(size.memory),
        "HealthCheckPath": app.health.ready or "/",
        "PrimaryContainer": container,
        "ScalingTarget": {
            "MinTaskCount": app.min_instances,
            "MaxTaskCount": app.max_instances,
            "AutoScalingMetric": "AVERAGE_CPU",
            "AutoScalingTargetValue": cpu_percent,
        },
        "Tags": names.pairs(names.tags(app)),
    }
    if choice.subnets:
        properties["NetworkConfiguration"] = {"Subnets": {"Ref": "Subnets"}}
    return {"Type": "AWS::ECS::ExpressGatewayService", "Properties": properties}
