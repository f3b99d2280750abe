"""How things are called in the project, and the label that says whose they are."""

from __future__ import annotations

import re
from collections.abc import Mapping

from wherry.deploy.application import Application

__all__ = ["LABEL", "is_ours", "labels", "own_repository", "parent", "registry", "repository", "secret", "service"]

LABEL = "wherry-application"
"""Google's labels have no colon: https://cloud.google.com/run/docs/configuring/services/labels"""


def parent(project: str, region: str) -> str:
    return f"projects/{project}/locations/{region}"


def service(project: str, region: str, name: str) -> str:
    return f"{parent(project, region)}/services/{name}"


def repository(project: str, region: str, name: str) -> str:
    return f"{parent(project, region)}/repositories/{name}"


def own_repository(name: str) -> str:
    """Of the application alone, so that it can go with it."""
    return f"wherry-{name}"


def registry(region: str) -> str:
    return f"{region}-docker.pkg.dev"


def secret(name: str, variable: str) -> str:
    """In Secret Manager: letters, digits, - and _ only."""
    return f"wherry-{name}-{re.sub(r'[^A-Za-z0-9_-]', '_', variable)}"


def labels(app: Application) -> dict[str, str]:
    """The user's, and ours, which wins."""
    return {**app.labels, LABEL: app.name}


def is_ours(found: Mapping[str, str], name: str) -> bool:
    """Our label with another application's name is not ours."""
    return found.get(LABEL) == name
