"""Applications that the tests of the target `ecs` are about, by the name of the case under tests/cases/deploy/ecs."""

from __future__ import annotations

from dataclasses import replace

from wherry.deploy.application import Application, Health, ImageFacts, Secret
from wherry.deploy.ecs.choice import Choice
from wherry.oci.config import Healthcheck
from wherry.oci.platform import Platform

DIGEST = "sha256:" + "ab" * 32
ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
IMAGE = ImageFacts(f"{ECR}/wherry/iris@{DIGEST}", Platform("linux", "amd64"), id="sha256:" + "cd" * 32, digest=DIGEST,
                   size_bytes=700 << 20, user="1000", exposed_ports=(8000,))  # fmt: skip
PLAIN = Application("iris", IMAGE, 8000, Health("/health"))
FULL = replace(
    PLAIN,
    image=replace(
        IMAGE, platform=Platform("linux", "arm64"), size_bytes=30 << 30,
        healthcheck=Healthcheck(("CMD", "python", "check.py"), 10_000_000_000, 1_000_000_000, 400_000_000_000),
    ),
    env={"LOG_LEVEL": "info", "WORKERS": "1"},
    secrets=(
        Secret("API_KEY", "env", "API_KEY"),
        Secret("DATABASE_URL", "ref", "shared/database"),
        Secret("TOKEN", "ref", "arn:aws:ssm:eu-central-1:123456789012:parameter/token"),
    ),
    cpu_m=4000, memory_bytes=16 << 30, min_instances=2, max_instances=8, grace_s=60,
    command=("serve", "--port", "8000"), labels={"team": "vision"},
)  # fmt: skip
CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/0f1e2d3c"
FULL_CHOICE = Choice(region="eu-central-1", certificate=CERTIFICATE, domain="iris.example.org", is_private=True,
                     task_role="arn:aws:iam::123456789012:role/iris", log_days=90)  # fmt: skip
CASES: dict[str, tuple[Application, Choice]] = {
    "plain": (PLAIN, Choice()),
    "full": (FULL, FULL_CHOICE),
    "public-image": (replace(PLAIN, image=replace(IMAGE, id="", reference=f"ghcr.io/me/iris@{DIGEST}")), Choice()),
    "no-health-path": (replace(PLAIN, health=Health()), Choice(is_internal=True, is_writable=True)),
    "express": (replace(PLAIN, env={"A": "b"}, secrets=(Secret("API_KEY", "file", "key"),), max_instances=4),
                Choice(is_express=True)),
    "express-subnets": (PLAIN, Choice(is_express=True, subnets=("subnet-0a1b2c3d", "subnet-1a1b2c3d"))),
}  # fmt: skip
