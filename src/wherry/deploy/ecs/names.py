"""How things are called in the account, and the tags that say whose they are."""

from __future__ import annotations

import re

from wherry.deploy.application import APPLICATION_LABEL, Application

__all__ = [
    "OWNER", "cluster", "is_ours", "log_group", "own_tags", "pairs", "repository", "secret", "secret_parameter",
    "stack", "tags",
]  # fmt: skip

OWNER = "wherry:owner"


def stack(name: str) -> str:
    """Of the stack. Never longer than 128."""
    return f"wherry-{name}"


cluster = stack


def log_group(name: str) -> str:
    return f"/wherry/{name}"


def repository(name: str) -> str:
    return f"wherry/{name}"


def secret(name: str, variable: str) -> str:
    """In Secrets Manager."""
    return f"wherry/{name}/{variable}"


def secret_parameter(variable: str) -> str:
    """The stack's parameter with the secret's ARN: letters and digits only, and no two variables the same.

    DATABASE_URL: SecretDATABASE5fURL.
    """
    return "Secret" + re.sub(r"[^A-Za-z0-9]", lambda found: f"{ord(found[0]):02x}", variable)


def tags(app: Application) -> dict[str, str]:
    """The user's labels, and ours, which win."""
    return {**app.labels, **own_tags(app.name)}


def own_tags(name: str) -> dict[str, str]:
    return {APPLICATION_LABEL: name, OWNER: "wherry"}


def pairs(tags: dict[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """As AWS writes tags; ECS has small letters."""
    return [{key: name, value: text} for name, text in sorted(tags.items())]


def is_ours(tags: list[dict[str, str]] | None, name: str) -> bool:
    """Of an answer's list of tags, in either spelling. Our tag with another application's name is not ours."""
    found = {tag.get("Key", tag.get("key", "")): tag.get("Value", tag.get("value", "")) for tag in tags or []}
    return found.get(APPLICATION_LABEL) == name
