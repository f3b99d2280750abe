"""Rows and objects through a Go template: what cli.formats loads when there is one."""

from __future__ import annotations

from wherry.cli.formats import _value
from wherry.cli.gotemplate import render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from wherry.cli.formats import Listing, Row
    from wherry.cli.render import Output


def templated(out: Output, kind: Listing, rows: Iterable[Row], format: str) -> None:
    """Raises: InputError."""
    for row in rows:
        out.line(render(format, {name: _value(row[name]) for name in kind.headers}))


def inspected(out: Output, found: Sequence[Mapping[str, Any]], format: str, kind: str) -> list[str]:
    """What can't be run, as messages. Raises: InputError."""
    for one in found:
        out.line(render(format, one))
    return []
