"""What Fargate would refuse, all of it at once. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.deploy.application import Application
from wherry.deploy.ecs.choice import LOG_DAYS, Choice
from wherry.deploy.ecs.sizes import FREE_DISK_GIB, LARGEST_DISK_GIB, PAIRS, Size, disk_gib, fitting, is_sold
from wherry.deploy.target import Problem

__all__ = ["ARCHITECTURES", "size_of", "validate", "wrong_options"]

ARCHITECTURES = {"amd64": "X86_64", "arm64": "ARM64"}
_LONGEST_STOP_S = 120
_ARN = r"arn:aws[a-z-]*:{service}:{region}:\d{{12}}:{rest}"


def size_of(app: Application) -> Size:
    """In the units of a task definition. 1000 thousandths of a CPU are 1024 units."""
    return Size(round(app.cpu_m * 1024 / 1000), app.memory_mib)


def validate(app: Application, choice: Choice) -> list[Problem]:
    """In the order in which one reads the command line."""
    return [*_size(app), *_image(app), *_listening(app, choice), *_scaling(app), *_lacking(app), *_secrets(app),
            *wrong_options(choice), *_together(choice),
            *(_express(app, choice) if choice.is_express else ())]  # fmt: skip


def _size(app: Application) -> Iterator[Problem]:
    size = size_of(app)
    if is_sold(size):
        return
    near = fitting(size)
    if near is None:
        yield Problem("memory" if size.cpu in PAIRS else "cpu",
                      f"Fargate has nothing as large as {size.text}",
                      "at most 16 vCPU and 120 GB: more runs on EC2, or on kubernetes")  # fmt: skip
        return
    field = "memory" if size.cpu in PAIRS else "cpu"
    memories = PAIRS.get(size.cpu)
    allowed = f"with {size.cpu / 1024:g} vCPU it sells {_span(memories)}" if memories else "it sells 0.25 to 16 vCPU"
    yield Problem(field, f"Fargate does not sell {size.text}: {allowed}",
                  f"the smallest that holds it: --cpu {near.cpu / 1024:g} --memory {near.memory}m")  # fmt: skip


def _span(memories: tuple[int, ...]) -> str:
    step = "" if len(memories) < 4 else f" in steps of {(memories[-1] - memories[-2]) / 1024:g} GB"
    return f"{memories[0] / 1024:g} to {memories[-1] / 1024:g} GB{step}"


def _image(app: Application) -> Iterator[Problem]:
    platform = app.image.platform
    if platform.os != "linux" or platform.architecture not in ARCHITECTURES:
        yield Problem("image", f"Fargate runs linux/amd64 and linux/arm64, and the image is {platform}",
                      "build it with --platform linux/amd64 or linux/arm64")  # fmt: skip
    if disk_gib(app.image.size_bytes) > LARGEST_DISK_GIB:
        size = app.image.size_bytes / (1 << 30)
        yield Problem("image", f"the image has {size:.0f} GiB, and a task's disk at most {LARGEST_DISK_GIB} GiB, which"
                      " must hold it twice", "keep the weights on S3 or EFS, or deploy to kubernetes")  # fmt: skip


def _listening(app: Application, choice: Choice) -> Iterator[Problem]:
    if not 1 <= app.port <= 65535:
        yield Problem("port", f"a port is 1 to 65535, not {app.port}")
    path = app.health.ready
    if path and (not path.startswith("/") or len(path) > 1024 or re.search(r"\s", path)):
        yield Problem("health", f"the load balancer asks for a path like /health, not {path[:80]!r}")
    if app.grace_s > _LONGEST_STOP_S:
        yield Problem("grace", f"Fargate waits at most {_LONGEST_STOP_S} s before it kills, not {app.grace_s} s")


def _scaling(app: Application) -> Iterator[Problem]:
    if app.min_instances < 1:
        yield Problem("min", "an ECS service behind a load balancer never wakes up from 0 instances",
                      "--min 1, or deploy to cloudrun, which scales from zero")  # fmt: skip


def _lacking(app: Application) -> Iterator[Problem]:
    """What Fargate does not have at all."""
    if app.gpu is not None:
        yield Problem("gpu", "Fargate has no GPUs",
                      "deploy to cloudrun or kubernetes (EKS); on AWS also ECS on EC2, or SageMaker")  # fmt: skip
    if app.weights:
        yield Problem("weights", "Fargate can't mount a model artifact into a container",
                      "COPY the weights into the image: they are a layer of their own, pushed once")  # fmt: skip


def _secrets(app: Application) -> Iterator[Problem]:
    for secret in app.secrets:
        if secret.name in app.env:
            yield Problem("secret", f"{secret.name} is both a variable and a secret", "keep the secret")
        if secret.kind == "ref" and secret.where.startswith("arn:") and not re.fullmatch(
            _ARN.format(service="(secretsmanager|ssm)", region="[a-z0-9-]+", rest=".+"), secret.where
        ):  # fmt: skip
            yield Problem(
                "secret", f"{secret.name}: {secret.where} is neither a secret of Secrets Manager nor an SSM parameter"
            )


def wrong_options(choice: Choice) -> Iterator[Problem]:
    if choice.region and not re.fullmatch(r"[a-z]{2,4}(-[a-z]+)+-\d", choice.region):
        yield Problem("region", f"{choice.region!r} is no AWS region", "as eu-central-1")
    if choice.vpc and not re.fullmatch(r"vpc-[0-9a-f]{8,17}", choice.vpc):
        yield Problem("vpc", f"{choice.vpc!r} is no VPC's id", "as vpc-0a1b2c3d4e5f67890")
    for subnet in choice.subnets:
        if not re.fullmatch(r"subnet-[0-9a-f]{8,17}", subnet):
            yield Problem("subnet", f"{subnet!r} is no subnet's id", "as subnet-0a1b2c3d4e5f67890")
    if choice.certificate and not re.fullmatch(_ARN.format(service="acm", region="[a-z0-9-]+", rest="certificate/.+"),
                                               choice.certificate):  # fmt: skip
        yield Problem("certificate", f"{choice.certificate!r} is no certificate of ACM", "its ARN, as arn:aws:acm:...")
    if choice.task_role and not re.fullmatch(_ARN.format(service="iam", region="", rest="role/.+"), choice.task_role):
        yield Problem("task-role", f"{choice.task_role!r} is no role's ARN", "as arn:aws:iam::123456789012:role/NAME")
    if choice.log_days not in LOG_DAYS:
        near = next((days for days in LOG_DAYS if days >= choice.log_days), LOG_DAYS[-1])
        yield Problem("log-days", f"CloudWatch can't keep logs for {choice.log_days} days", f"--log-days {near}")


def _together(choice: Choice) -> Iterator[Problem]:
    """Options that exclude each other."""
    if len(choice.subnets) == 1:
        yield Problem("subnet", "a load balancer needs subnets in two availability zones, and one was given")
    if choice.domain and not choice.certificate:
        yield Problem("domain", "a domain needs the certificate for it", "--certificate ARN")


def _express(app: Application, choice: Choice) -> Iterator[Problem]:
    """What AWS::ECS::ExpressGatewayService has no property for."""
    refused = {"certificate": choice.certificate, "domain": choice.domain, "internal": choice.is_internal,
               "writable": choice.is_writable, "vpc": choice.vpc}  # fmt: skip
    for name in (name for name, value in refused.items() if value):
        yield Problem(name, f"an Express service decides that itself: --{name} and --express exclude each other")
    without = "leave --express out"
    if app.image.platform.architecture == "arm64":
        yield Problem("image", "a stack's Express service runs X86_64, and the image is for arm64", without)
    if app.entrypoint is not None:
        yield Problem("entrypoint", "an Express service has no entrypoint of its own", without)
    if disk_gib(app.image.size_bytes) > FREE_DISK_GIB:
        yield Problem("image", f"an Express service's disk has {FREE_DISK_GIB} GiB, too little for the image", without)
