"""One layer: a fresh folder above the layers of the parent, filled by a step, hashed, and moved into the store."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from wherry.build.split.rules import Rules
from wherry.cancel import Cancel
from wherry.errors import Cancelled, WherryError
from wherry.host import Overlay
from wherry.oci.digest import DiffID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.build.traced_run import Tracer
    from wherry.build.underway import Underway
    from wherry.host import Host
    from wherry.store.layers import LayerStore
    from wherry.store.lease import Lease

__all__ = ["Bench", "Opening", "Work", "dress_root", "make_layer", "open_tree", "root_attributes"]


class Bench(NamedTuple):
    """What every step works with. `lease` keeps the build's layers; `clamp_ns` becomes every time in them.

    `split` says which parts of a step's diff are layers of their own; None: every step gives one layer.
    `tracer` None: RUN steps are keyed by the layers below them only.
    `underway` are the steps that other builds make at this moment; None: it is nobody's business.
    """

    host: Host
    layers: LayerStore
    lease: Lease
    clamp_ns: int
    cancel: Cancel
    split: Rules | None = None
    tracer: Tracer | None = None
    underway: Underway | None = None

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


class Opening(Protocol):
    """Another way to open a step's root. `settle` is called when the step is over and the root still open, however it
    ended: what it raises counts instead.
    """

    def open(self, overlay: Overlay) -> int: ...

    def settle(self) -> None: ...

    def close(self) -> None:
        """Close the root. Idempotent, also when `open` raised."""


class _Plain:
    def __init__(self, host: Host) -> None:
        self._host = host
        self._fd = -1

    def open(self, overlay: Overlay) -> int:
        self._fd = self._host.overlay(overlay)
        return self._fd

    def settle(self) -> None: ...

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def make_layer(
    bench: Bench,
    below: Sequence[DiffID],
    fill: Callable[[Work], None],
    *,
    after: Callable[[], object] | None = None,
    opening: Opening | None = None,
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
        dress_root(upper, lowers[-1])
        opening = opening or _Plain(bench.host)
        try:
            root_fd = opening.open(Overlay(lowers, upper, scratch, volatile=True))
            _filled(fill, Work(root_fd, upper, folder, lowers), opening)
        finally:
            opening.close()
        bench.cancel.check()
        if after:
            after()
        return _commit(bench, folder, below)


def _filled(fill: Callable[[Work], None], work: Work, opening: Opening) -> None:
    try:
        fill(work)
    except Cancelled:
        raise
    except (WherryError, OSError):
        opening.settle()
        raise
    opening.settle()


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


def root_attributes(lower: str) -> tuple[int, int, int]:
    """Owner, group and mode of a layer's root folder."""
    found = os.stat(lower)
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def dress_root(upper: str, lower: str) -> None:
    """The merged root shows the upper folder's owner and mode: they must be those of the tree below."""
    uid, gid, mode = root_attributes(lower)
    os.chown(upper, uid, gid)
    os.chmod(upper, mode)


def open_tree(bench: Bench, layers: Sequence[DiffID]) -> int:
    """A read-only merged view; the caller closes, and then it is gone. Layers none: an empty folder."""
    if layers:
        return bench.host.overlay(Overlay(tuple(bench.layers.path(one) for one in layers)))
    with bench.layers.workdir() as folder:
        return os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
