"""The task definition: what one container of the application gets. Pure."""

from __future__ import annotations

from typing import Any

from wherry.deploy.application import Application
from wherry.deploy.ecs import names
from wherry.deploy.ecs.choice import Choice
from wherry.deploy.ecs.sizes import FREE_DISK_GIB, disk_gib
from wherry.deploy.ecs.validate import ARCHITECTURES, size_of
from wherry.oci.config import Healthcheck

__all__ = ["CONTAINER", "LOG_PREFIX", "environment", "for_registration", "secrets", "task_definition"]

CONTAINER = "app"
LOG_PREFIX = "app"
_NS = 1_000_000_000


def task_definition(app: Application, choice: Choice) -> dict[str, Any]:
    """Properties of AWS::ECS::TaskDefinition."""
    size, disk = size_of(app), disk_gib(app.image.size_bytes)
    return {
        "Family": names.stack(app.name),
        "RequiresCompatibilities": ["FARGATE"],
        "NetworkMode": "awsvpc",
        "Cpu": str(size.cpu),
        "Memory": str(size.memory),
        "RuntimePlatform": {
            "CpuArchitecture": ARCHITECTURES[app.image.platform.architecture],
            "OperatingSystemFamily": "LINUX",
        },
        **({"EphemeralStorage": {"SizeInGiB": disk}} if disk > FREE_DISK_GIB else {}),
        "ExecutionRoleArn": {"Fn::GetAtt": ["ExecutionRole", "Arn"]},
        **({"TaskRoleArn": choice.task_role} if choice.task_role else {}),
        "ContainerDefinitions": [_container(app, choice)],
    }


def _container(app: Application, choice: Choice) -> dict[str, Any]:
    document: dict[str, Any] = {"Name": CONTAINER, "Image": {"Ref": "Image"}, "Essential": True}
    if app.entrypoint is not None:
        document["EntryPoint"] = list(app.entrypoint)
    if app.command is not None:
        document["Command"] = list(app.command)
    linux: dict[str, Any] = {"InitProcessEnabled": True}
    if not choice.is_writable:
        # A volume would belong to root, and the image's user could not write there; a tmpfs is everybody's.
        linux["Tmpfs"] = [{"ContainerPath": "/tmp", "Size": max(64, size_of(app).memory // 4)}]
    document |= {
        "ReadonlyRootFilesystem": not choice.is_writable,
        "StopTimeout": max(2, app.grace_s),
        "LinuxParameters": linux,
        "PortMappings": [{"ContainerPort": app.port, "Protocol": "tcp"}],
    }
    if app.env:
        document["Environment"] = environment(app)
    if app.secrets:
        document["Secrets"] = secrets(app)
    if check := _health_check(app.image.healthcheck):
        document["HealthCheck"] = check
    document["LogConfiguration"] = {
        "LogDriver": "awslogs",
        "Options": {
            "awslogs-group": {"Ref": "Logs"},
            "awslogs-region": {"Ref": "AWS::Region"},
            "awslogs-stream-prefix": LOG_PREFIX,
        },
    }
    return document


def environment(app: Application) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in sorted(app.env.items())]


def secrets(app: Application) -> list[dict[str, Any]]:
    """By the parameter that says which secret, and which version of it: a new value is a new revision."""
    return [{"Name": one.name, "ValueFrom": {"Ref": names.secret_parameter(one.name)}} for one in app.secrets]


def _health_check(check: Healthcheck | None) -> dict[str, Any] | None:
    """The image's own, which ECS would not look at by itself. Docker's defaults, within the limits of ECS."""
    if check is None or not check.test or check.test[0] == "NONE":
        return None

    def seconds(ns: int, default: int, least: int, most: int) -> int:
        return min(max(-(-ns // _NS) or default, least), most)

    return {
        "Command": list(check.test),
        "Interval": seconds(check.interval_ns, 30, 5, 300),
        "Timeout": seconds(check.timeout_ns, 30, 2, 60),
        "Retries": min(max(check.retries or 3, 1), 10),
        "StartPeriod": seconds(check.start_period_ns, 0, 0, 300),
    }


def for_registration(app: Application, choice: Choice) -> dict[str, Any]:
    """As `aws ecs register-task-definition --cli-input-json` reads it; <...> stands for what only the stack knows."""
    known = {
        "ExecutionRole": "<the execution role's ARN>", "Image": app.image.reference, "Logs": names.log_group(app.name),
        "AWS::Region": choice.region or "<region>",
    }  # fmt: skip
    known |= {names.secret_parameter(one.name): f"<ARN of the secret {one.name}>" for one in app.secrets}

    def plain(value: Any, *, is_open: bool = False) -> Any:
        if isinstance(value, list):
            return [plain(one) for one in value]
        if not isinstance(value, dict):
            return value
        if "Ref" in value:
            return known[value["Ref"]]
        if "Fn::GetAtt" in value:
            return known[value["Fn::GetAtt"][0]]
        # The log driver's options are named by the driver: their names stay as they are
        return {
            name if is_open else name[0].lower() + name[1:]: plain(one, is_open=name == "Options")
            for name, one in value.items()
        }

    document: dict[str, Any] = plain(task_definition(app, choice))
    return {**document, "tags": names.pairs(names.tags(app), "key", "value")}
