"""What a build is lent: secrets and ssh agents. Read when a step needs them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import NamedTuple

from wherry.build.secrets import LARGEST_BYTES, SecretSource
from wherry.errors import InputError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.build.graph import RunMount
    from wherry.engine.build_ssh import Agents
    from wherry.host import Host
    from wherry.settings import Settings

__all__ = ["Lending", "Lent", "SecretFile"]

_SLACK_BYTES = 2 << 20  # for the folders of the file system that holds a step's secrets, and its spec


class SecretFile(NamedTuple):
    """A file of a step's own file system in memory, and where the step sees it."""

    name: str
    target: str


class Lent(NamedTuple):
    """For one step. `values` are those of the secrets that it has, in whatever way. `tmpfs_fd` holds the secrets (-1:
    there are none), `sockets` are (host path, target).
    """

    env: tuple[str, ...] = ()
    values: tuple[bytes, ...] = ()
    tmpfs_fd: int = -1
    files: tuple[SecretFile, ...] = ()
    sockets: tuple[tuple[str, str], ...] = ()


class Lending:
    """For one build. Raises where it is made: InputError, in docker's words, for what can't be there."""

    def __init__(self, settings: Settings, host: Host, secrets: Sequence[SecretSource], agents: Agents | None) -> None:
        self._settings, self._host, self._agents = settings, host, agents
        self._agent_ids = agents.ids if agents else frozenset()
        self._secrets = {one.id: _chosen(one, settings) for one in secrets}
        self._kept: dict[str, bytes] = {}
        self._lock = Lock()

    def targets(self, mounts: Sequence[RunMount]) -> tuple[str, ...]:
        """Where the step will have a mountpoint of a secret or an agent."""
        return tuple(
            one.target
            for one in mounts
            if one.target
            and (
                (one.kind == "secret" and one.id in self._secrets) or (one.kind == "ssh" and one.id in self._agent_ids)
            )
        )

    @contextmanager
    def around(self, mounts: Sequence[RunMount], workdir: str) -> Iterator[Lent]:
        """What the step's mounts ask for. Raises: NotFound (something required is not given, in BuildKit's words),
        InputError (a file that can't be read), OSError.
        """
        with ExitStack() as stack:
            found = self._of_secrets([one for one in mounts if one.kind == "secret"], stack)
            agents = [one for one in mounts if one.kind == "ssh"]
            sockets = []
            for one in agents:
                if self._agents and one.id in self._agent_ids:
                    path = stack.enter_context(self._agents.socket(one, workdir))
                    sockets.append((path, one.target))
                elif one.required:
                    raise NotFound(f"unset ssh forward key {one.id}", hint=f"add --ssh {one.id}")
            auth = (f"SSH_AUTH_SOCK={agents[0].target}",) if agents else ()
            yield found._replace(env=(*auth, *found.env), sockets=tuple(sockets))

    def _of_secrets(self, mounts: Sequence[RunMount], stack: ExitStack) -> Lent:
        wanted = []
        for one in mounts:
            if one.id in self._secrets:
                wanted.append((one, self._value(self._secrets[one.id])))
            elif one.required:
                raise NotFound(f"secret {one.id}: not found", hint=f"add --secret id={one.id},src=FILE")
        if not wanted:
            return Lent()
        tmpfs_fd = self._host.tmpfs(sum(len(data) for _, data in wanted) + _SLACK_BYTES)
        stack.callback(os.close, tmpfs_fd)
        files, env = [], []
        for number, (one, data) in enumerate(wanted):
            if one.target:
                files.append(SecretFile(_place(tmpfs_fd, number, one, data), one.target))
            if one.env:
                env.append(f"{one.env}={os.fsdecode(data)}")
        return Lent(tuple(env), tuple(data for _, data in wanted), tmpfs_fd, tuple(files))

    def _value(self, one: SecretSource) -> bytes:
        """Read anew for each step; but for what can be read only once, as the shell's <(command)."""
        if one.kind == "env" or os.path.isfile(one.path):
            return _read(one, self._settings)
        with self._lock:
            if one.id not in self._kept:
                self._kept[one.id] = _read(one, self._settings)
            return self._kept[one.id]


def _place(tmpfs_fd: int, number: int, one: RunMount, data: bytes) -> str:
    name = f"secret.{number}"
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400, dir_fd=tmpfs_fd)
    with open(fd, "wb") as file:
        file.write(data)
        os.fchown(fd, one.uid, one.gid)
        os.fchmod(fd, 0o400 if one.mode is None else one.mode)
    return name


def _chosen(one: SecretSource, settings: Settings) -> SecretSource:
    """Where it comes from, for certain. Raises: InputError for a file that is not there or too large."""
    if not one.kind:
        one = (
            one._replace(kind="env", variable=one.id)
            if one.id in settings.env
            else one._replace(kind="file", path=one.id)
        )
    if one.kind == "env":
        return one
    path = os.path.join(settings.cwd, one.path)
    try:
        size = os.stat(path).st_size
    except OSError as fault:
        reason = (fault.strerror or "").lower()
        raise InputError(f"failed to stat {one.path}: stat {one.path}: {reason}", hint="see --secret") from None
    _check_size(one.id, size)
    return one._replace(path=path)


def _read(one: SecretSource, settings: Settings) -> bytes:
    if one.kind == "env":
        data = os.fsencode(_variable(settings.env, one.variable))
    else:
        try:
            with open(one.path, "rb") as file:
                data = file.read(LARGEST_BYTES + 1)
        except OSError as fault:
            raise InputError(f"read {one.path}: {(fault.strerror or '').lower()}") from None
    _check_size(one.id, len(data))
    return data


def _variable(env: Mapping[str, str], name: str) -> str:
    """An unset one is empty, as in docker."""
    return env.get(name, "")


def _check_size(id: str, size: int) -> None:
    if size > LARGEST_BYTES:
        raise InputError(f"secret {id} too big. max size 500KiB", hint="put large files into a --build-context")
