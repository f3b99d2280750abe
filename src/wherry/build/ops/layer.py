"""One layer: a fresh folder above the layers of the parent, filled by a step, hashed, and moved into the store."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from typing import NamedTuple

from wherry.build.split.rules import Rules
from wherry.cancel import Cancel
from wherry.host import Overlay
from wherry.oci.digest import DiffID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.host import Host
    from wherry.store.layers import LayerStore
    from wherry.store.lease import Lease

__all__ = ["Bench", "Work", "make_layer", "open_tree"]


class Bench(NamedTuple):
    """What every step works with. `lease` keeps the build's layers; `clamp_ns` becomes every time in them.

    `split` says which parts of a step's diff are layers of their own; None: every step gives one layer.
    """

    host: Host
    layers: LayerStore
    lease: Lease
    clamp_ns: int
    cancel: Cancel
    split: Rules | None = None

    @property
    def shape(self) -> tuple[object, ...]:
        """What shapes a step's layers beside the step itself: part of every key."""
        return (self.clamp_ns, *(self.split or ()))


class Work(NamedTuple):
    """`root_fd` is the merged tree, `upper` the folder that becomes the layer, `folder` a private one beside it."""

    root_fd: int
    upper: str
    folder: str
    lowers: tuple[str, ...]


def make_layer(
    bench: Bench, below: Sequence[DiffID], fill: Callable[[Work], None], *, after: Callable[[], object] | None = None
) -> tuple[DiffID, ...]:
    """Run `fill` over a detached overlay and commit what it changed, base first. Nothing is left behind when it raises.

    `after` is called when the mount is gone: only then may the upper folder be changed directly.

    The mount has no name: it goes with its fd, also when this process is killed; the folder is swept by the next one.
    """
    with bench.layers.workdir() as folder:
        upper, scratch = f"{folder}/fs", f"{folder}/overlay"
        lowers = tuple(bench.layers.path(diff_id) for diff_id in below) or (f"{folder}/empty",)
        for path in (upper, scratch, *([lowers[0]] if not below else [])):
            os.mkdir(path, 0o755)
            os.chmod(path, 0o755)
        _dress_root(upper, lowers[-1])
        root_fd = bench.host.overlay(Overlay(lowers, upper, scratch, volatile=True))
        try:
            fill(Work(root_fd, upper, folder, lowers))
        finally:
            os.close(root_fd)
        bench.cancel.check()
        if after:
            after()
        return _commit(bench, folder, below)


def _commit(bench: Bench, folder: str, below: Sequence[DiffID]) -> tuple[DiffID, ...]:
    from wherry.image.tar import pack

    made: list[DiffID] = []
    for part in _parts(bench, folder, below):
        diff_id, size = pack.diff_id(f"{part}/fs", cancel=bench.cancel)
        bench.layers.commit(part, diff_id, size, bench.lease)
        made.append(diff_id)
    return tuple(made)


def _parts(bench: Bench, folder: str, below: Sequence[DiffID]) -> list[str]:
    """The folders whose /fs become layers, base first; mostly `folder` alone."""
    from wherry.image.tar import diff

    upper = f"{folder}/fs"
    if bench.split is None:
        diff.normalise(upper, clamp_ns=bench.clamp_ns)
        return [folder]
    from wherry.build.split import stage
    from wherry.build.split.scan import Scan

    scan = Scan()
    diff.normalise(upper, clamp_ns=bench.clamp_ns, note=scan.add)
    plan = stage.plan(upper, scan, bench.split, bench.split.share(len(below)))
    if plan is None:
        return [folder]
    return stage.stage(folder, plan, tuple(map(bench.layers.path, below)), bench.clamp_ns)


def _dress_root(upper: str, lower: str) -> None:
    """The merged root shows the upper folder's owner and mode: they must be those of the tree below."""
    found = os.stat(lower)
    os.chown(upper, found.st_uid, found.st_gid)
    os.chmod(upper, stat.S_IMODE(found.st_mode))


def open_tree(bench: Bench, layers: Sequence[DiffID]) -> int:
    """A read-only merged view; the caller closes, and then it is gone. Layers none: an empty folder."""
    if layers:
        return bench.host.overlay(Overlay(tuple(bench.layers.path(one) for one in layers)))
    with bench.layers.workdir() as folder:
        return os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
