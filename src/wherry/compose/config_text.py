"""What `compose config` writes: a project, or its merged tree with variables still in it, as YAML or JSON."""

from __future__ import annotations

from wherry.compose.emit_json import indented
from wherry.compose.emit_yaml import emit
from wherry.compose.go_values import sorted_map
from wherry.compose.present import plain_project
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.compose.model import Project
    from wherry.compose.tree import Tree

__all__ = ["check_format", "project_text", "tree_text"]


def check_format(format: str) -> None:
    """Raises: InputError for another format than yaml and json."""
    if format not in {"yaml", "json"}:
        raise InputError(f'unsupported format "{format}"', hint="yaml or json")


def project_text(project: Project, format: str = "yaml") -> str:
    """
    Give a project as a Compose file that means the same: `$` is `$$`, so that it is read back as it is.

    YAML ends with a newline, JSON does not.
    """
    as_json = format == "json"
    plain = plain_project(project, as_json=as_json)
    return (indented(plain) if as_json else emit(plain)).replace("$", "$$")


def tree_text(tree: Tree, format: str = "yaml") -> str:
    """Give a merged tree, with all keys sorted and variables as they were written."""
    as_json = format == "json"
    plain = _sorted(tree, natural=not as_json)
    return indented(plain) if as_json else emit(plain)


def _sorted(value: Any, *, natural: bool) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(entry, natural=natural) for key, entry in sorted_map(value, natural=natural).items()}
    if isinstance(value, list):
        if not value and not natural:
            return None  # As docker's JSON, for which an empty list is none
        return [_sorted(entry, natural=natural) for entry in value]
    return value
