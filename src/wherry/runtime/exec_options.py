"""What the user asked of one `exec`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["ExecOptions"]


class ExecOptions(NamedTuple):
    """`env` as RunOptions.env. `user` and `workdir` "" mean the container's own."""

    command: tuple[str, ...]
    env: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    tty: bool = False
    stdin: bool = False
    detach: bool = False
    privileged: bool = False
    detach_keys: str = ""
