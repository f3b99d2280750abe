"""The CloudFormation template: all of a deployment but the image, and the secrets' values. Pure."""

from __future__ import annotations

from typing import Any

from wherry.deploy.application import Application
from wherry.deploy.ecs import names
from wherry.deploy.ecs.choice import Choice
from wherry.deploy.ecs.express import express_service
from wherry.deploy.ecs.roles import execution_role, infrastructure_role
from wherry.deploy.ecs.task import CONTAINER, task_definition

__all__ = ["CPU_PERCENT", "template"]

CPU_PERCENT = 60
"""Where more instances are started: low enough that one can start before the others are full."""

Doc = dict[str, Any]


def template(app: Application, choice: Choice) -> Doc:
    """As JSON values; no intrinsic in its short form. Parameters: `Image`, the network, one a secret."""
    parts = _express(app, choice) if choice.is_express else _balanced(app, choice)
    resources, outputs = parts
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{app.name}, deployed by wherry",
        "Parameters": _parameters(app, choice),
        "Resources": resources,
        "Outputs": outputs,
    }


def _parameters(app: Application, choice: Choice) -> Doc:
    image: Doc = {"Type": "String", "Description": "NAME@sha256:DIGEST, where the tasks can pull it"}
    if app.image.digest:
        image["Default"] = app.image.reference
    made: Doc = {"Image": image}
    if not choice.is_express:
        made["Vpc"] = {"Type": "AWS::EC2::VPC::Id"}
    if not choice.is_express or choice.subnets:
        made["Subnets"] = {"Type": "List<AWS::EC2::Subnet::Id>", "Description": "In two availability zones at least"}
    for one in app.secrets:
        where = one.where if one.kind == "ref" else names.secret(app.name, one.name)
        made[names.secret_parameter(one.name)] = {
            "Type": "String",
            "Description": f"The ARN of {where} in the secret store: what {one.name} is",
            **({"Default": one.where} if one.kind == "ref" and one.where.startswith("arn:") else {}),
        }
    return made


def _balanced(app: Application, choice: Choice) -> tuple[Doc, Doc]:
    tags = names.pairs(names.tags(app))
    resources = {
        **_base(app, choice),
        "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": {**task_definition(app, choice), "Tags": tags}},
        **_front(app, choice, tags),
        "Service": _service(app, choice, tags),
        **_scaling(app),
    }
    scheme = "https" if choice.certificate else "http"
    url = choice.domain or "${LoadBalancer.DNSName}"
    outputs = {
        "Url": {"Value": {"Fn::Sub": f"{scheme}://{url}"} if "$" in url else f"{scheme}://{url}"},
        "Address": {"Value": {"Fn::GetAtt": ["LoadBalancer", "DNSName"]}},
        "Cluster": {"Value": {"Ref": "Cluster"}},
        "Service": {"Value": {"Fn::GetAtt": ["Service", "Name"]}},
    }
    return resources, outputs


def _base(app: Application, choice: Choice) -> Doc:
    tags = names.pairs(names.tags(app))
    return {
        "Logs": {
            "Type": "AWS::Logs::LogGroup", "DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete",
            "Properties": {"LogGroupName": names.log_group(app.name), "RetentionInDays": choice.log_days, "Tags": tags},
        },
        "ExecutionRole": execution_role(app),
        "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": names.cluster(app.name), "Tags": tags}},
    }  # fmt: skip


def _group(what: str, port: int, source: list[Doc], tags: list[dict[str, str]]) -> Doc:
    rules = [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **one} for one in source]
    return {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {"GroupDescription": what, "VpcId": {"Ref": "Vpc"}, "SecurityGroupIngress": rules, "Tags": tags},
    }


def _front(app: Application, choice: Choice, tags: list[dict[str, str]]) -> Doc:
    """Load balancer, its listeners, where they forward, and who may talk to whom."""
    anywhere: list[Doc] = [{"CidrIp": "0.0.0.0/0"}]
    group = _group(f"who may ask {app.name}", 80, anywhere, tags)
    if choice.certificate:
        rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **anywhere[0]}
        group["Properties"]["SecurityGroupIngress"].append(rule)
    balancer = [{"SourceSecurityGroupId": {"Ref": "LoadBalancerGroup"}}]
    return {
        "LoadBalancerGroup": group,
        "TaskGroup": _group(f"the tasks of {app.name}", app.port, balancer, tags),
        "LoadBalancer": {
            "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
            "Properties": {
                "Type": "application",
                "Scheme": "internal" if choice.is_internal else "internet-facing",
                "Subnets": {"Ref": "Subnets"},
                "SecurityGroups": [{"Ref": "LoadBalancerGroup"}],
                # A model may think for longer than the minute after which a load balancer hangs up
                "LoadBalancerAttributes": [{"Key": "idle_timeout.timeout_seconds", "Value": "300"}],
                "Tags": tags,
            },
        },
        "Targets": _targets(app, tags),
        **_listeners(choice),
    }


def _targets(app: Application, tags: list[dict[str, str]]) -> Doc:
    known = bool(app.health.ready)
    properties = {
        "TargetType": "ip", "Protocol": "HTTP", "Port": app.port, "VpcId": {"Ref": "Vpc"},
        "HealthCheckPath": app.health.ready or "/",
        # With no path for it, any answer but a server's failure says that the application listens
        "Matcher": {"HttpCode": "200-399" if known else "200-499"},
        "HealthCheckIntervalSeconds": 10, "HealthCheckTimeoutSeconds": 5,
        "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 3,
        "TargetGroupAttributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": str(app.grace_s)}],
        "Tags": tags,
    }  # fmt: skip
    return {"Type": "AWS::ElasticLoadBalancingV2::TargetGroup", "Properties": properties}


def _listeners(choice: Choice) -> Doc:
    def listener(port: int, protocol: str, action: Doc, **more: Any) -> Doc:
        properties = {"LoadBalancerArn": {"Ref": "LoadBalancer"}, "Port": port, "Protocol": protocol, **more}
        return {
            "Type": "AWS::ElasticLoadBalancingV2::Listener",
            "Properties": {**properties, "DefaultActions": [action]},
        }

    forward = {"Type": "forward", "TargetGroupArn": {"Ref": "Targets"}}
    if not choice.certificate:
        return {"Listener": listener(80, "HTTP", forward)}
    away = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}
    certificates = [{"CertificateArn": choice.certificate}]
    policy = "ELBSecurityPolicy-TLS13-1-2-2021-06"
    return {
        "Listener": listener(443, "HTTPS", forward, Certificates=certificates, SslPolicy=policy),
        "RedirectListener": listener(80, "HTTP", away),
    }


def _service(app: Application, choice: Choice, tags: list[dict[str, str]]) -> Doc:
    properties: Doc = {
        "Cluster": {"Ref": "Cluster"},
        "TaskDefinition": {"Ref": "Task"},
        "LaunchType": "FARGATE",
        "HealthCheckGracePeriodSeconds": 180,
        "DeploymentConfiguration": {
            "MinimumHealthyPercent": 100, "MaximumPercent": 200,
            "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
        },
        "NetworkConfiguration": {"AwsvpcConfiguration": {
            "Subnets": {"Ref": "Subnets"}, "SecurityGroups": [{"Ref": "TaskGroup"}],
            "AssignPublicIp": "DISABLED" if choice.is_private else "ENABLED",
        }},
        "LoadBalancers": [
            {"ContainerName": CONTAINER, "ContainerPort": app.port, "TargetGroupArn": {"Ref": "Targets"}}
        ],
        "EnableECSManagedTags": True, "PropagateTags": "SERVICE", "Tags": tags,
    }  # fmt: skip
    if app.min_instances == app.max_instances:
        # Else the number is the autoscaling's: a stack that gave it too would set it back at each update
        properties["DesiredCount"] = app.min_instances
    return {"Type": "AWS::ECS::Service", "DependsOn": ["Listener"], "Properties": properties}


def _scaling(app: Application) -> Doc:
    if app.min_instances == app.max_instances:
        return {}
    target = {
        "MinCapacity": app.min_instances, "MaxCapacity": app.max_instances, "ServiceNamespace": "ecs",
        "ScalableDimension": "ecs:service:DesiredCount",
        "ResourceId": {"Fn::Sub": "service/${Cluster}/${Service.Name}"},
    }  # fmt: skip
    policy = {
        "PolicyName": "cpu", "PolicyType": "TargetTrackingScaling", "ScalingTargetId": {"Ref": "ScalableTarget"},
        "TargetTrackingScalingPolicyConfiguration": {
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
            "TargetValue": CPU_PERCENT,
        },
    }  # fmt: skip
    return {
        "ScalableTarget": {"Type": "AWS::ApplicationAutoScaling::ScalableTarget", "Properties": target},
        "ScalingPolicy": {"Type": "AWS::ApplicationAutoScaling::ScalingPolicy", "Properties": policy},
    }


def _express(app: Application, choice: Choice) -> tuple[Doc, Doc]:
    resources = {
        **_base(app, choice),
        "InfrastructureRole": infrastructure_role(app),
        "Service": express_service(app, choice, CPU_PERCENT),
    }
    outputs = {
        "Address": {"Value": {"Fn::GetAtt": ["Service", "Endpoint"]}},
        "Cluster": {"Value": {"Ref": "Cluster"}},
        "Service": {"Value": {"Fn::GetAtt": ["Service", "ServiceArn"]}},
    }
    return resources, outputs
