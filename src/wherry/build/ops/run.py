"""RUN."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from typing import NamedTuple

from wherry.build.executor import Executor, StepMount, StepRequest
from wherry.build.graph import Run
from wherry.build.ops.bytecode import settle
from wherry.build.ops.layer import Bench, Opening, Work, make_layer
from wherry.build.ops.pip_bytecode import faster
from wherry.build.ops.stubs import Stubs
from wherry.errors import StepFailed
from wherry.oci.digest import DiffID

__all__ = ["FAILED_LINES", "Stage", "Tail", "run", "without_secrets"]

_FOLDERS = ("/proc", "/sys", "/dev")
_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/hostname")
_ALWAYS = (*_FOLDERS, *_FILES)
FAILED_LINES = 20


class Tail:
    """The last lines of a step's output, for the error."""

    def __init__(self, lines: int = FAILED_LINES) -> None:
        self._limit = lines
        self._rest = b""
        self._lines: list[str] = []

    def add(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        # A step that never ends its line must not fill the memory
        self._rest = self._rest[-65536:]
        self._lines = [*self._lines, *(line.decode("utf-8", "replace") for line in whole[-self._limit :])]
        self._lines = self._lines[-self._limit :]

    @property
    def lines(self) -> tuple[str, ...]:
        last = [self._rest.decode("utf-8", "replace")] if self._rest else []
        return tuple([*self._lines, *last][-self._limit :])


class Stage(NamedTuple):
    """What a step runs on: `write` gets its output; `mounts` are those of the operation, ready to be shown; `opening`
    opens its root (None: the plain way).
    """

    executor: Executor
    write: Callable[[bytes], None]
    mounts: Sequence[StepMount] = ()
    opening: Opening | None = None


def run(bench: Bench, op: Run, below: Sequence[DiffID], stage: Stage) -> tuple[DiffID, ...]:
    """The layers that the step leaves, base first.

    Raises: StepFailed, RuntimeFailure, HostError, OSError, Cancelled.
    """
    tail = Tail()
    executor, mounts = stage.executor, stage.mounts

    def both(data: bytes) -> None:
        tail.add(data)
        stage.write(data)

    left: list[tuple[Stubs, str]] = []

    def fill(work: Work) -> None:
        stubs = Stubs(work.root_fd, [*_ALWAYS, *executor.mountpoints(op), *(mount.target for mount in mounts)])
        folders = [mount.target for mount in mounts if _is_folder(mount)]
        others = [mount.target for mount in mounts if mount.target not in folders]
        stubs.make((*_FOLDERS, *folders), (*_FILES, *executor.mountpoints(op), *others), bench.clamp_ns)
        # A runtime gives a tmpfs the mode of the folder below it, and this one is only there since we made it
        shown = tuple(one._replace(mode=0o1777) if stubs.is_missing(one.target) else one for one in mounts)
        folder = f"{work.folder}/step"
        os.mkdir(folder, 0o700)
        hidden: list[bytes] = []
        request = StepRequest(
            run=faster(op, work.root_fd),
            root_fd=work.root_fd, upper=work.upper, lowers=work.lowers, workdir=folder, write=both,
            cancel=bench.cancel, mounts=shown, epoch_s=bench.clamp_ns // 10**9, hidden=hidden,
        )  # fmt: skip
        status = executor.run(request)
        stubs.clean()
        left.append((stubs, work.upper))
        if status:
            raise _failed(op, status, without_secrets(tail.lines, hidden))

    def after() -> None:
        for stubs, upper in left:
            stubs.forget_parents(upper)
            settle(upper, bench.cancel)

    return make_layer(bench, below, fill, after=after, opening=stage.opening)


def _is_folder(mount: StepMount) -> bool:
    if not mount.source and mount.tree_fd < 0:
        return True
    try:
        found = os.stat(mount.source or ".", dir_fd=mount.tree_fd if mount.tree_fd >= 0 else None)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode)


def without_secrets(lines: Sequence[str], secrets: Sequence[bytes]) -> tuple[str, ...]:
    """With *** where the value of a secret stands, or a whole line of one. Very short ones are in everything."""
    words = {
        line.strip() for one in secrets for line in one.decode("utf-8", "replace").splitlines() if len(line.strip()) > 3
    }
    found = list(lines)
    for word in sorted(words, key=len, reverse=True):
        found = [line.replace(word, "***") for line in found]
    return tuple(found)


def _failed(op: Run, status: int, output: tuple[str, ...]) -> StepFailed:
    message = f'process "{" ".join(op.argv)}" did not complete successfully: exit code: {status}'
    if status == 137:
        message += " (killed: out of memory?)"
    return StepFailed(message, status=status, output=output)
