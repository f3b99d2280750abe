"""What containers of a project are called."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.compose.model import Service

__all__ = ["container_name", "final_name", "is_temporary", "temporary_name"]

_ID = 12


def container_name(project: str, service: Service, number: int) -> str:
    """container_name, else PROJECT-SERVICE-NUMBER."""
    return service.container_name or f"{project}-{service.name}-{number}"


def temporary_name(old_id: str, name: str) -> str:
    """What the container that is to be called `name` is called while the old one still has that name."""
    return f"{old_id[:_ID]}_{name}"


def final_name(name: str) -> str:
    """What a container is called in the end, by the name that it has now."""
    is_one = name[_ID : _ID + 1] == "_" and not name[:_ID].strip("0123456789abcdef")
    return name[_ID + 1 :] or name if is_one else name


def is_temporary(name: str, wanted: str) -> bool:
    """Whether a container that is to be called `wanted` has the name that it gets while another has that one."""
    return name != wanted and final_name(name) == wanted
