"""The mounts of a RUN step as the runtime is told them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.build.executor import StepMount, StepRequest
    from wherry.engine.build_inputs import Lent
    from wherry.runtime.options import MountRequest

_QUIET = ("nosuid", "nodev", "noexec")

__all__ = ["shown"]


def shown(
    request: StepRequest, lent: Lent, bundle: str
) -> tuple[tuple[MountRequest, ...], tuple[tuple[int, str], ...]]:
    """What is mounted where, and the detached mounts (fd, path) that these need the step's own process to attach.

    Secrets lie in `lent.tmpfs_fd`, which is to be shown at `bundle`.
    """
    from wherry.runtime.options import MountRequest

    mounts: list[MountRequest] = []
    trees: dict[int, str] = {}
    for one in request.mounts:
        if one.tree_fd >= 0:
            path = trees.setdefault(one.tree_fd, f"{bundle}/tree.{len(trees)}")
            mounts.append(MountRequest("bind", f"{path}/{one.source}".rstrip("/"), one.target, one.readonly))
        else:
            mounts.append(_plain(one))
    mounts += [
        MountRequest("bind", f"{bundle}/{one.name}", one.target, read_only=True, options=_QUIET) for one in lent.files
    ]
    mounts += [MountRequest("bind", path, target) for path, target in lent.sockets]
    return tuple(mounts), tuple(trees.items())


def _plain(one: StepMount) -> MountRequest:
    from wherry.runtime.options import MountRequest

    if one.source:
        return MountRequest("bind", one.source, one.target, one.readonly)
    # Programs may be started from it, as in BuildKit: compilers are built there
    size = (f"size={one.size}",) if one.size else ()
    mode = (f"mode={one.mode:o}",) if one.mode else ()
    return MountRequest("tmpfs", "", one.target, one.readonly, options=("exec", "dev", *size, *mode))
