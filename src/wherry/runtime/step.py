"""One RUN step of a build: a container without a monitor, whose caller waits for it.

The step's child (`step_child`) makes the namespaces and runs the runtime; this side feeds it, reads the output, and
ends it. Ids name the process they belong to, so that whoever comes later can tell a step that nobody waits for.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from types import MappingProxyType
from typing import Any, NamedTuple

from wherry.errors import HostError, RuntimeFailure
from wherry.host import Command
from wherry.runtime import cgroups, step_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wherry.cancel import Cancel
    from wherry.host import Host

__all__ = ["StepRequest", "run_step", "step_id", "sweep_dead_steps", "sweep_step"]

_POLL_MS = 100
_CHUNK_BYTES = 1 << 16
_DRAIN_S = 2.0
_END_S = 15.0
_PREFIX = "step-"
_NONE: Mapping[str, str] = MappingProxyType({})


class StepRequest(NamedTuple):
    """`spec` is a config.json whose root.path is replaced; `rootfs_fd` a detached mount (the caller closes it).

    `id` comes from `step_id`; its cgroup is the spec's cgroupsPath. `network` is "bridge", "none" (both a namespace of
    the step's own, lo up) or "host". `folder` is an empty folder of the caller's, on any file system, used as the
    bundle and left for the caller to remove. `runtime` is the program's path, `runtime_root` its state folder.
    `trees` are detached mounts (the caller closes them) that the runtime finds at these paths, made where they are
    missing; `bundle_fd` is one more, shown at `folder`, to hold a spec that no disk may hold; -1 is none.
    `sysctls` are written in the step's own network namespace (`spec.network_sysctls`).
    """

    id: str
    rootfs_fd: int
    spec: Mapping[str, Any]
    runtime: str
    runtime_root: str
    folder: str
    network: str = "none"
    sysctls: Mapping[str, str] = _NONE
    trees: tuple[tuple[int, str], ...] = ()
    bundle_fd: int = -1

    @property
    def mounts(self) -> tuple[tuple[int, str], ...]:
        """What the child has to attach, in order."""
        bundle = () if self.bundle_fd < 0 else ((self.bundle_fd, self.folder),)
        return (*bundle, (self.rootfs_fd, f"{self.folder}/rootfs"), *self.trees)


def step_id(host: Host) -> str:
    """A fresh id that names this process: at most 64 characters, fit for cgroups and the runtime."""
    pid = os.getpid()
    return f"{_PREFIX}{pid}-{host.start_time(pid)}-{os.urandom(6).hex()}"


def run_step(
    host: Host,
    request: StepRequest,
    cancel: Cancel,
    on_output: Callable[[bytes], None],
    on_netns: Callable[[int], None] | None = None,
) -> int:
    """Run it to its end and return its exit status (128+n when signal n ended it). Blocks; may run in a thread.

    `on_output` gets what the step writes, both streams on one pipe, as it comes. `on_netns(pid)` is called once before
    the step starts, when the network namespace of `pid` is the step's: move the veth in there ("bridge" only). Nothing
    is left behind when this returns or raises: no process, cgroup, mount, namespace or runtime state.
    Raises: Cancelled (promptly), CommandNotFound, NotExecutable, RuntimeFailure, and whatever the callbacks raise.
    """
    cancel.check()
    _write_bundle(request)
    step = _Step(host, request)
    try:
        return step.follow(cancel, on_output, on_netns)
    finally:
        step.end()


def sweep_step(host: Host, runtime: str, runtime_root: str, id: str, cgroup: str = "") -> None:
    """Kill and remove what is left of a step whose wherry was killed together with its child. Idempotent.

    `cgroup` is its cgroupsPath, "/wherry-ID" by default. Raises: HostError when a process can't be killed.
    """
    host.run(Command([runtime, "--root", runtime_root, "delete", "--force", id], timeout_s=_END_S))
    if not cgroups.remove(cgroup or f"/wherry-{id}"):
        raise HostError(
            f"a process of the build step {id} can't be killed", hint="it waits for a device or network disk"
        )


def sweep_dead_steps(host: Host, runtime: str, runtime_root: str, cgroup_prefix: str = "/wherry-") -> list[str]:
    """Sweep every step whose wherry is gone; the ids of those. Two listings when there is none.

    `cgroup_prefix` is that of their specs.
    """
    parent, _, stem = cgroup_prefix.rpartition("/")
    found = {name[len(stem) :] for name in cgroups.children(parent) if name.startswith(stem)}
    with suppress(FileNotFoundError):
        found.update(os.listdir(runtime_root))
    dead = [id for id in sorted(found) if id.startswith(_PREFIX) and not _has_owner(id, host)]
    for id in dead:
        sweep_step(host, runtime, runtime_root, id, f"{cgroup_prefix}{id}")
    return dead


def _has_owner(id: str, host: Host) -> bool:
    words = id.split("-")
    if len(words) != 4 or not (words[1].isdecimal() and words[2].isdecimal()):
        return False
    return host.start_time(int(words[1])) == int(words[2])


def _write_bundle(request: StepRequest) -> None:
    spec = {**request.spec, "root": {**request.spec.get("root", {}), "path": f"{request.folder}/rootfs"}}
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    if request.bundle_fd < 0:
        fd = os.open(f"{request.folder}/config.json", flags, 0o600)
    else:
        fd = os.open("config.json", flags, 0o600, dir_fd=request.bundle_fd)
    with open(fd, "w", encoding="utf-8") as file:
        json.dump(spec, file)


class _Step:
    """One child, from spawn to reaping."""

    def __init__(self, host: Host, request: StepRequest) -> None:
        self._host, self._request = host, request
        self._lines = b""
        fds = [fd for fd, _ in request.mounts]
        self._control, theirs = socket.socketpair()
        self._output, writer = os.pipe()
        try:
            self._pid = host.spawn(
                Command(
                    [sys.executable, "-I", "-S", step_child.__file__, *map(str, [theirs.fileno(), *fds])],
                    pass_fds=[theirs.fileno(), *fds],
                ),
                stdout=writer,
                stderr=writer,
                session=True,
            )
        except BaseException:
            self._control.close()
            os.close(self._output)
            raise
        finally:
            theirs.close()
            os.close(writer)
        self._pidfd = os.pidfd_open(self._pid)
        self._alive = True
        self._clean = False

    def _order(self) -> bytes:
        one = self._request
        base = [one.runtime, "--root", one.runtime_root]
        log, pid_file = f"{one.folder}/runtime.log", f"{one.folder}/pid"
        order = {
            "mounts": [path for _, path in one.mounts],
            "own_network": one.network != "host",
            "sysctls": dict(one.sysctls),
            "run": [*base, "--log", log, "--log-format", "json", "run", "--detach", "--bundle", one.folder,
                    "--pid-file", pid_file, one.id],
            "delete": [*base, "delete", "--force", one.id],
            "pid_file": pid_file,
            "log": log,
        }  # fmt: skip
        return step_child.pack(order)

    def follow(self, cancel: Cancel, on_output: Callable[[bytes], None], on_netns: Callable[[int], None] | None) -> int:
        with suppress(BrokenPipeError):
            self._control.sendall(self._order())
        poller = select.poll()
        for fd in (self._control.fileno(), self._output, self._pidfd):
            poller.register(fd, select.POLLIN)
        while True:
            cancel.check()
            ready = {fd for fd, _ in poller.poll(_POLL_MS)}
            if self._output in ready and not self._pass_on(on_output):
                poller.unregister(self._output)
            if self._control.fileno() in ready:
                for event in self._events():
                    if "ready" in event:
                        self._go(event["ready"], on_netns)
                    else:
                        self._drain(on_output)
                        return self._result(event)
            elif self._pidfd in ready:
                raise RuntimeFailure("the process that runs the build step was killed")

    def _go(self, pid: int, on_netns: Callable[[int], None] | None) -> None:
        if on_netns and self._request.network == "bridge":
            on_netns(pid)
        with suppress(BrokenPipeError):
            self._control.sendall(b"go\n")

    def _events(self) -> list[dict[str, Any]]:
        try:
            data = self._control.recv(_CHUNK_BYTES)
        except ConnectionResetError:
            data = b""
        if not data:
            raise RuntimeFailure("the process that runs the build step was killed")
        *lines, self._lines = (self._lines + data).split(b"\n")
        return [step_child.unpack(line) for line in lines]

    def _pass_on(self, on_output: Callable[[bytes], None]) -> bool:
        data = os.read(self._output, _CHUNK_BYTES)
        if data:
            on_output(data)
        return bool(data)

    def _drain(self, on_output: Callable[[bytes], None]) -> None:
        """What is still in the pipe. The step is dead and only the child could still write."""
        poller = select.poll()
        poller.register(self._output, select.POLLIN)
        deadline = time.monotonic() + _DRAIN_S
        while time.monotonic() < deadline and poller.poll(_POLL_MS) and self._pass_on(on_output):
            pass

    def _result(self, event: Mapping[str, Any]) -> int:
        # Whatever the child reports, it has removed the container before
        self._clean = "status" in event or "failed" in event
        if "status" in event:
            return int(event["status"])
        if "failed" in event:
            from wherry.runtime.complaints import explain

            raise explain(event["failed"], doing="start the build step")
        raise RuntimeFailure(f"can't prepare the build step: {event.get('what') or 'step'}: {event.get('fault')}")

    def end(self) -> None:
        """Reap the child; kill what it could not. The closed control socket is its order to end the step."""
        self._control.close()
        poller = select.poll()
        poller.register(self._pidfd, select.POLLIN)
        ended = bool(poller.poll(int(_END_S * 1000)))
        # The child leads a session of its own; unreaped, its number can't be another's. With it goes a runtime
        # that its killing left behind
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        _, status = os.waitpid(self._pid, 0)
        os.close(self._pidfd)
        os.close(self._output)
        if not (self._clean and ended and status == 0):
            one = self._request
            path = one.spec.get("linux", {}).get("cgroupsPath", "")
            sweep_step(self._host, one.runtime, one.runtime_root, one.id, path)
