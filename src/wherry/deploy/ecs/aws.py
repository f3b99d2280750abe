"""The border to AWS: one method, and every call that wherry makes."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["CALLS", "Aws", "action"]

CALLS: dict[str, tuple[str, ...]] = {
    "sts": ("get_caller_identity",),
    "ec2": ("describe_vpcs", "describe_subnets"),
    "ecr": ("create_repository", "delete_repository", "describe_repositories", "get_authorization_token",
            "list_tags_for_resource"),
    "secretsmanager": ("create_secret", "delete_secret", "describe_secret", "get_secret_value", "list_secrets",
                       "put_secret_value"),
    "cloudformation": ("continue_update_rollback", "create_stack", "delete_stack", "describe_stack_events",
                       "describe_stacks", "get_template", "list_stack_resources", "rollback_stack", "update_stack"),
    "ecs": ("describe_services", "describe_tasks", "list_tasks"),
    "logs": ("filter_log_events", "get_log_events"),
}  # fmt: skip
"""Service and operation as boto3 names them. What is not here is refused: docs/deploy-ecs.md has these."""


class Aws(Protocol):
    region: str
    account: str

    def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """The answer as boto3 gives it.

        Raises: NotSignedIn, DeployError with AWS's code as `platform_code` ("ValidationError").
        """


def action(service: str, operation: str) -> str:
    """The IAM action: ecs:DescribeServices."""
    return service + ":" + "".join(part.capitalize() for part in operation.split("_"))
