"""How things are called in Azure, their ids, and the tag that says whose they are. Pure."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping

from wherry.deploy.application import Application

__all__ = [
    "ACR_PULL", "MARK", "REGISTRY_SECRET", "TAG", "app_id", "assignment", "environment_id", "group_id", "identity_id",
    "is_ours", "last", "own", "own_registry", "registry_id", "role", "same_id", "secret", "tags",
]  # fmt: skip

TAG = "wherry-application"
REGISTRY_SECRET = "wherry-registry"  # noqa: S105 - its name
"""The app's secret with the password of a registry that is not Azure's."""
MARK = "WHERRY_SECRETS"
"""The variable that counts up when a secret's value changes: only a new revision reads it."""
ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
"""Azure's built-in role AcrPull."""


def own(name: str) -> str:
    """What is made for the application alone: environment, identity and resource group."""
    return f"wherry-{name}"


def own_registry(subscription: str, group: str, name: str) -> str:
    """Unique in the world, and the same each time: 5 to 50 of a-z and 0-9."""
    known = hashlib.sha256(f"{subscription}/{group}/{name}".lower().encode()).hexdigest()[:10]
    return f"wherry{name.replace('-', '')}{known}"


def group_id(subscription: str, group: str) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/{group}"


def _id(subscription: str, group: str, kind: str, name: str) -> str:
    return f"{group_id(subscription, group)}/providers/{kind}/{name}"


def app_id(subscription: str, group: str, name: str) -> str:
    return _id(subscription, group, "Microsoft.App/containerApps", name)


def environment_id(subscription: str, group: str, name: str) -> str:
    """`name` may be an id already."""
    return name if name.startswith("/") else _id(subscription, group, "Microsoft.App/managedEnvironments", name)


def identity_id(subscription: str, group: str, name: str) -> str:
    """`name` may be an id already."""
    kind = "Microsoft.ManagedIdentity/userAssignedIdentities"
    return name if name.startswith("/") else _id(subscription, group, kind, name)


def registry_id(subscription: str, group: str, name: str) -> str:
    return _id(subscription, group, "Microsoft.ContainerRegistry/registries", name)


def role(subscription: str) -> str:
    return f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{ACR_PULL}"


def assignment(scope: str, principal: str) -> str:
    """The same each time, so that making it again changes nothing."""
    known = uuid.uuid5(uuid.NAMESPACE_URL, f"{scope.lower()}|{principal}|{ACR_PULL}")
    return f"{scope}/providers/Microsoft.Authorization/roleAssignments/{known}"


def last(resource_id: str) -> str:
    return resource_id.rstrip("/").rpartition("/")[2]


def same_id(one: str, other: str) -> bool:
    """Azure answers with ids in letters of another case."""
    return one.lower() == other.lower()


def secret(variable: str) -> str:
    """In an app: a-z, 0-9 and "-", a letter or digit at both ends. API_KEY is api-key."""
    return re.sub(r"[^a-z0-9]+", "-", variable.lower()).strip("-") or "secret"


def tags(app: Application) -> dict[str, str]:
    """The user's, and ours, which wins."""
    return {**app.labels, TAG: app.name}


def is_ours(found: Mapping[str, object] | None, name: str) -> bool:
    """Whether a document has our tag. One with another application's name is not ours."""
    said = (found or {}).get("tags")
    return isinstance(said, Mapping) and said.get(TAG) == name
