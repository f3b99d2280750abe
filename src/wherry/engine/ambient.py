"""The host's trust, proxies and download caches, given to the RUN steps of one build (`build.ambient` plans them)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple

from wherry.build import ambient
from wherry.engine import ambient_archives as archives
from wherry.engine.builder_folders import AMBIENT, note
from wherry.errors import HostError, Locked
from wherry.fs.private import private_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.build.executor import StepRequest
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.runtime.options import MountRequest

__all__ = ["Surroundings", "Told", "project"]

_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)  # fmt: skip
_LOCAL = "/usr/local/share/ca-certificates"


def project(context: str, cwd: str) -> str:
    """What stands for the thing that is built: the folder or address of its context, else the caller's folder."""
    if "://" in context:
        return context
    return os.path.realpath(os.path.join(cwd, "" if context == "-" else context))


class Told(NamedTuple):
    """For one step: `env` is KEY=VALUE, weaker than the step's own; `mounts` in the order in which they are made."""

    env: tuple[str, ...]
    mounts: tuple[MountRequest, ...]


class Surroundings:
    """For one build. Files of the host are read once, when the first step needs them."""

    def __init__(self, engine: Engine, wishes: ambient.Wishes, project: str) -> None:
        """`project` stands for what is built: see build.ambient.Step."""
        self._engine, self._wishes, self._project = engine, wishes, project
        self._settings, self._host = engine.settings, engine.host

    @contextmanager
    def around(self, request: StepRequest, uid: int, gid: int) -> Iterator[Told]:
        """Put the step's files into a new folder in `request.workdir`, and hold the locks of its caches for the block.

        The mountpoints are all below /dev, a file system of the step's own. Raises: Cancelled, OSError.
        """
        plan = ambient.plan(self._side(request), _step(request, (uid, gid), self._project), self._wishes)
        folder = f"{request.workdir}/ambient"
        os.mkdir(folder, 0o755)
        for name, data in plan.files.items():
            _write(f"{folder}/{name}", data)
        with ExitStack() as stack:
            caches = [mount for one in plan.caches for mount in self._cache(one, request, (uid, gid), stack)]
            shown = [_bind(folder, ambient.FOLDER, read_only=True)] if plan.files or caches else []
            try:
                yield Told(plan.env, tuple(shown + caches))
            finally:
                self._note(plan.caches)

    def _note(self, caches: Sequence[ambient.AmbientCache]) -> None:
        """Those that hold something are in use."""
        top = f"{self._settings.paths.cache}/{AMBIENT}"
        used = [
            (f"{AMBIENT}/{one.name}", f"{one.name.partition('-')[0]} of {self._project}")
            for one in caches
            if any(_has_entries(f"{top}/{one.name}/{part}".rstrip("/")) for part in one.parts or ("",))
        ]
        if used:
            note(self._engine.db, used)

    def _side(self, request: StepRequest) -> ambient.HostSide:
        return ambient.HostSide(self._settings.env, self._bundle, self._apt if "apt" in _text(request) else "")

    @cached_property
    def _bundle(self) -> bytes:
        if not self._wishes.host_ca:
            return b""
        extra = ambient.extra_trust(self._settings.env, _local_certificates())
        if not extra:
            return b""
        ours = next((path for path in _SYSTEM_BUNDLES if os.path.exists(path)), "")
        return ambient.merge_bundles(_read(path) for path in [ours, *extra])

    @cached_property
    def _apt(self) -> str:
        from wherry.host import Command

        try:
            return self._host.run(Command(["apt-config", "dump", "Acquire"])).stdout.decode(errors="replace")
        except HostError:
            return ""

    def _cache(
        self, cache: ambient.AmbientCache, request: StepRequest, owner: tuple[int, int], stack: ExitStack
    ) -> list[MountRequest]:
        kept = f"{self._settings.paths.cache}/{AMBIENT}/{cache.name}"
        os.makedirs(f"{request.workdir}/ambient/{os.path.relpath(cache.target, ambient.FOLDER)}", mode=0o755)
        private_folder(os.path.dirname(kept))
        _wait_for(f"{kept}.lock", request.cancel, stack)
        _own_folder(kept, owner)
        if not (cache.parts or cache.is_offered):
            return [_bind(kept, cache.target)]
        own = f"{request.workdir}/{cache.name}"
        _own_folder(own, owner)
        mounts = [_bind(own, cache.target)]
        if cache.is_offered:
            archives.offer(kept, own, request.cancel)
            stack.callback(archives.keep, own, kept)
        for part in cache.parts:
            for folder in (f"{own}/{part}", f"{kept}/{part}"):
                _own_folder(folder, owner)
            mounts.append(_bind(f"{kept}/{part}", f"{cache.target}/{part}"))
        return mounts


def _step(request: StepRequest, owner: tuple[int, int], project: str) -> ambient.Step:
    run = request.run
    names = frozenset(word.partition("=")[0] for word in (*run.env, *run.hidden_env))
    targets = tuple(mount.target for mount in run.mounts if mount.kind != "secret")
    tag = sha256(project.encode()).hexdigest()[:12]
    return ambient.Step(names, _text(request), targets, *owner, run.base, tag)


def _text(request: StepRequest) -> str:
    script = request.run.script[1].decode(errors="replace") if request.run.script else ""
    return " ".join(request.run.argv) + script


def _bind(source: str, target: str, *, read_only: bool = False) -> MountRequest:
    from wherry.runtime.options import MountRequest

    return MountRequest("bind", source, target, read_only)


def _own_folder(path: str, owner: tuple[int, int]) -> None:
    if not os.path.isdir(path):
        private_folder(os.path.dirname(path))
        fresh = f"{path}.{os.urandom(6).hex()}"
        os.mkdir(fresh, 0o755)
        os.chown(fresh, *owner)
        try:
            os.rename(fresh, path)
        except OSError:  # another build was quicker, and has put something in
            os.rmdir(fresh)


def _wait_for(path: str, cancel: Cancel, stack: ExitStack) -> None:
    """Until nobody removes it: others may use it at the same time."""
    from wherry.fs.lock import locked

    while True:
        try:
            stack.enter_context(locked(path, shared=True, timeout_s=0))
            return
        except Locked:
            cancel.wait(0.1)
            cancel.check()


def _has_entries(path: str) -> bool:
    try:
        with os.scandir(path) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def _local_certificates() -> Sequence[str]:
    found = []
    for folder, folders, files in os.walk(_LOCAL):
        folders.sort()
        found += [f"{folder}/{name}" for name in sorted(files) if name.endswith(".crt")]
    return found


def _read(path: str) -> bytes:
    """b"" for a variable that names a file that is not there: the step then fails as it would on the host."""
    try:
        with open(path, "rb") as file:
            return file.read(16 << 20)
    except OSError:
        return b""


def _write(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with open(fd, "wb") as file:
        os.fchmod(fd, 0o644)
        file.write(data)
