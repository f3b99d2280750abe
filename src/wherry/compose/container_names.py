"""What containers of a project are called."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.compose.model import Service

__all__ = ["container_name", "final_name", "is_temporary", "temporary_name"]

_TEMPORARY = re.compile(r"[0-9a-f]{12}_(.+)", re.DOTALL)


def container_name(project: str, service: Service, number: int) -> str:
    """container_name, else PROJECT-SERVICE-NUMBER."""
    return service.container_name or f"{project}-{service.name}-{number}"


def temporary_name(old_id: str, name: str) -> str:
    """What the container that is to be called `name` is called while the old one still has that name."""
    return f"{old_id[:12]}_{name}"


def final_name(name: str) -> str:
    """What a container is called in the end, by the name that it has now."""
    found = _TEMPORARY.fullmatch(name)
    return found[1] if found is not None else name


def is_temporary(name: str, final_name: str) -> bool:
    """Whether a container has the name that it gets while it is to take another's place."""
    found = _TEMPORARY.fullmatch(name)
    return found is not None and found[1] == final_name
