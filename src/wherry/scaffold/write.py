"""All files of a project at once."""

from __future__ import annotations

from wherry.scaffold.compose import compose
from wherry.scaffold.dockerfile import dockerfile
from wherry.scaffold.dockerignore import dockerignore
from wherry.scaffold.plan import Plan

__all__ = ["texts"]


def texts(plan: Plan) -> dict[str, str]:
    """Name to text, in the order in which they are shown."""
    return {"Dockerfile": dockerfile(plan), ".dockerignore": dockerignore(plan), "compose.yaml": compose(plan)}
