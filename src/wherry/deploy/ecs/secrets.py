"""Secrets Manager: one secret a variable. A new value is a new version, and the task definition names the version:
tasks get the value that they were deployed with, and going back goes back to the old value too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.deploy.application import Application, Secret
from wherry.deploy.ecs import names
from wherry.deploy.ecs.aws import Aws
from wherry.deploy.plan import Step
from wherry.errors import Conflict, DeployError, NotFound

__all__ = ["Read", "find", "listed", "look", "put", "remove"]

Read = Callable[[Secret], str]
COST = "a Secrets Manager secret, per month"


def find(aws: Aws, name: str) -> dict[str, Any] | None:
    try:
        return aws.call("secretsmanager", "describe_secret", SecretId=name)
    except DeployError as fault:
        if fault.platform_code == "ResourceNotFoundException":
            return None
        raise


def look(aws: Aws, app: Application, read: Read) -> tuple[list[Step], dict[str, str]]:
    """What would be done, and what the stack's parameters are now: "" for a value that is not there yet.

    Raises: Conflict, NotFound for a "ref" that names nothing.
    """
    steps, known = [], {}
    for one in app.secrets:
        parameter = names.secret_parameter(one.name)
        if one.kind == "ref":
            known[parameter] = _referred(aws, one)
            continue
        called = names.secret(app.name, one.name)
        there = _ours(aws, app.name, called)
        value = _value(aws, called) if there else None
        if value is None or value["SecretString"] != read(one):
            action, changes = ("change", ("a new version",)) if there else ("create", ())
            steps.append(Step(action, "Secret", called, changes, COST))  # type: ignore[arg-type]
            known[parameter] = ""
        else:
            steps.append(Step("leave", "Secret", called, (), COST))
            known[parameter] = _value_from(value)
    return steps, known


def put(aws: Aws, app: Application, read: Read) -> dict[str, str]:
    """What the stack's parameters must be. Idempotent: an equal value makes no version."""
    made = {}
    for one in app.secrets:
        if one.kind == "ref":
            made[names.secret_parameter(one.name)] = _referred(aws, one)
            continue
        called, text = names.secret(app.name, one.name), read(one)
        there = _ours(aws, app.name, called)
        value = _value(aws, called) if there else None
        if value is None or value["SecretString"] != text:
            value = _written(aws, app, called, text, is_there=bool(there))
        made[names.secret_parameter(one.name)] = _value_from(value)
    return made


def _written(aws: Aws, app: Application, called: str, text: str, *, is_there: bool) -> dict[str, Any]:
    if is_there:
        return aws.call("secretsmanager", "put_secret_value", SecretId=called, SecretString=text)
    tags = names.pairs(names.tags(app))
    return aws.call("secretsmanager", "create_secret", Name=called, SecretString=text, Tags=tags)


def listed(aws: Aws, name: str) -> list[str]:
    """Names of the secrets with our tag."""
    prefix = names.secret(name, "")
    asked: dict[str, Any] = {"Filters": [{"Key": "name", "Values": [prefix]}]}
    found: list[str] = []
    while True:
        answer = aws.call("secretsmanager", "list_secrets", **asked)
        found += [one["Name"] for one in answer["SecretList"]
                  if one["Name"].startswith(prefix) and names.is_ours(one.get("Tags"), name)]  # fmt: skip
        if not answer.get("NextToken"):
            return sorted(found)
        asked["NextToken"] = answer["NextToken"]


def remove(aws: Aws, called: str) -> None:
    """At once: a value that waits for 30 days would keep its name from the next deployment."""
    aws.call("secretsmanager", "delete_secret", SecretId=called, ForceDeleteWithoutRecovery=True)


def _ours(aws: Aws, name: str, called: str) -> dict[str, Any] | None:
    there = find(aws, called)
    if there and not names.is_ours(there.get("Tags"), name):
        raise Conflict(f"the secret {called} was not made by wherry for {name}: it is left alone",
                       hint=f"use it as it is: NAME=ref:{called}")  # fmt: skip
    return there


def _value(aws: Aws, called: str) -> dict[str, Any] | None:
    try:
        return aws.call("secretsmanager", "get_secret_value", SecretId=called)
    except DeployError as fault:
        # A secret that was made and got no value yet
        if fault.platform_code == "ResourceNotFoundException":
            return None
        raise


def _value_from(value: dict[str, Any]) -> str:
    """ECS: ARN:JSON-KEY:STAGE:VERSION."""
    return f"{value['ARN']}:::{value['VersionId']}"


def _referred(aws: Aws, secret: Secret) -> str:
    if secret.where.startswith("arn:"):
        return secret.where
    there = find(aws, secret.where)
    if there is None:
        raise NotFound(f"secret {secret.name}: Secrets Manager in {aws.region} has no {secret.where}",
                       hint="SSM parameters are named by their ARN")  # fmt: skip
    arn: str = there["ARN"]
    return arn
