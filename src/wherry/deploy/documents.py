"""Documents as text, and the files of --output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["dump", "dump_all"]


def dump(value: Any) -> str:
    """YAML as people keep it: keys in the given order, block style, no anchors."""
    import yaml

    class Plain(yaml.SafeDumper):  # type: ignore[misc]
        def ignore_aliases(self, data: Any) -> bool:
            return True

    text: str = yaml.dump(value, Dumper=Plain, sort_keys=False, default_flow_style=False, allow_unicode=True, width=120)
    return text


def dump_all(values: Sequence[Any]) -> str:
    """Several documents in one file."""
    return "---\n".join(map(dump, values))
