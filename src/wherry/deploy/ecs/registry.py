"""ECR: the repository of an application, and the login for a push."""

from __future__ import annotations

import base64
from typing import Any

from wherry.deploy.application import Application
from wherry.deploy.ecs import names
from wherry.deploy.ecs.aws import Aws
from wherry.deploy.target import PushTo
from wherry.errors import Conflict, DeployError

__all__ = ["find", "make", "push_to", "remove"]


def push_to(aws: Aws, app: Application) -> PushTo | None:
    """None for an image that is in a registry already and not here: tasks pull it from there.

    The tag is the image's id: no two images take it from each other. What is deployed is a digest.
    """
    if not app.image.id:
        return None
    answer = aws.call("ecr", "get_authorization_token")["authorizationData"][0]
    host = answer["proxyEndpoint"].partition("://")[2]
    user, _, password = base64.b64decode(answer["authorizationToken"]).decode().partition(":")
    return PushTo(f"{host}/{names.repository(app.name)}:{app.image.id.partition(':')[2][:12]}", user, password)


def find(aws: Aws, name: str) -> dict[str, Any] | None:
    """Raises: Conflict for one of that name without our tag."""
    asked = names.repository(name)
    try:
        found: dict[str, Any] = aws.call("ecr", "describe_repositories", repositoryNames=[asked])["repositories"][0]
    except DeployError as fault:
        if fault.platform_code == "RepositoryNotFoundException":
            return None
        raise
    tags = aws.call("ecr", "list_tags_for_resource", resourceArn=found["repositoryArn"])["tags"]
    if not names.is_ours(tags, name):
        raise Conflict(f"the ECR repository {asked} was not made by wherry for {name}: it is left alone",
                       hint="deploy under another --name, or rename the repository")  # fmt: skip
    return found


def make(aws: Aws, app: Application) -> None:
    """Idempotent."""
    if find(aws, app.name) is None:
        tags = names.pairs(names.tags(app))
        aws.call("ecr", "create_repository", repositoryName=names.repository(app.name), tags=tags,
                 imageScanningConfiguration={"scanOnPush": True})  # fmt: skip


def remove(aws: Aws, name: str) -> None:
    """With its images."""
    if find(aws, name) is not None:
        aws.call("ecr", "delete_repository", repositoryName=names.repository(name), force=True)
