"""RUN --mount and --device: comma-separated keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from wherry.dockerfile.span import Span

__all__ = ["Device", "Mount", "parse_device", "parse_mount"]


class Mount(NamedTuple):
    """One --mount. `type` is bind, cache, tmpfs, secret or ssh.

    `from_stage` is a stage, an image or "" (the context for bind, nothing for cache). `id` and `target` are "" when not
    given; `mode`, `uid`, `gid` None. `sharing` is shared, private, locked or "". `size_bytes` 0 is no limit.
    """

    type: str = "bind"
    from_stage: str = ""
    source: str = ""
    target: str = ""
    read_only: bool = True
    id: str = ""
    sharing: str = ""
    required: bool = False
    size_bytes: int = 0
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    env: str | None = None


class Device(NamedTuple):
    """One --device: a CDI name."""

    name: str
    required: bool = False


def parse_mount(text: str, span: Span, expand: Callable[[str], str] | None = None) -> Mount:
    """With `expand` None, values that hold a variable are left at their default. Raises: DockerfileError."""
    raise span.error("--mount is not read yet")


def parse_device(text: str, span: Span) -> Device:
    """Raises: DockerfileError."""
    raise span.error("--device is not read yet")
