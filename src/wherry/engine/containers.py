"""The container verbs of the Python API.

    id = engine.containers.create("debian", RunOptions(command=("true",))).id
    engine.containers.start(id)
    code = engine.containers.wait(id)

Names may be whole ids, unambiguous id prefixes, or container names. Every verb sees the truth (`runtime.state`) and
repairs what a killed process left, under the container's lock, before it acts. Each verb lives in a module of its own,
`engine/containers_*.py`, loaded when it is used.
"""

from __future__ import annotations

import os

from wherry.fs.private import private_folder
from wherry.lean import cached_property, contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.containers_commit import CommitRequest
    from wherry.engine.containers_files import PlacedFile
    from wherry.engine.containers_list import Filters, Summary
    from wherry.engine.containers_rows import ContainerRow
    from wherry.engine.containers_stats import Stats
    from wherry.image.changes import Change
    from wherry.image.tar.pack import Write
    from wherry.runtime.attach import Streams
    from wherry.runtime.driver import Driver
    from wherry.runtime.exec_options import ExecOptions
    from wherry.runtime.launch import Monitor
    from wherry.runtime.logs import LogQuery
    from wherry.runtime.options import RunOptions
    from wherry.runtime.state import ContainerState
    from wherry.runtime.update import Update
    from wherry.store.images import ImageRecord

__all__ = ["Containers"]


class Containers:
    """Verbs on containers. One instance per engine; thread-safe as far as the database is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # The locks that this process holds, by the containers' ids: a start lends its own to the monitor
        self.locks: dict[str, int] = {}

    def bundle(self, id: str) -> str:
        """The folder of the container with this whole id."""
        return f"{self._engine.settings.paths.containers}/{id}"

    def run_folder_path(self, id: str) -> str:
        """Where its sockets are, on a file system that a reboot empties; short, since a socket's path must be."""
        return f"{self._engine.settings.paths.run}/c/{id[:32]}"

    def run_folder(self, id: str) -> str:
        """The same, made when missing."""
        path = self.run_folder_path(id)
        private_folder(path)
        return path

    @cached_property
    def driver(self) -> Driver:
        """The OCI runtime that works here. Raises: HostError."""
        from wherry.runtime.driver import Driver, choose

        settings = self._engine.settings
        private_folder(settings.paths.run)
        runtime = choose(settings, self._engine.host)
        return Driver(self._engine.host, runtime, f"{settings.paths.run}/runtime")

    def driver_of(self, row: ContainerRow) -> Driver:
        """The OCI runtime of one container: --runtime's where it names one, else the default. Raises: HostError."""
        # As text first: most containers have the default, and reading their options costs more than this
        name = row.options().runtime if '"runtime"' in row.options_json else ""
        name = {"io.containerd.runc.v2": "runc"}.get(name, name)
        if name not in {"runc", "crun"} or name == self.driver.runtime.name:
            return self.driver
        from wherry.runtime.driver import Driver, choose

        runtime = choose(self._engine.settings._replace(runtime=name), self._engine.host)
        return Driver(self._engine.host, runtime, self.driver.root)

    @cached_property
    def tool_env(self) -> dict[str, str]:
        """The environment of monitors and of all that they start: nothing of the user's but where programs are."""
        path = self._engine.settings.env.get("PATH", "/usr/local/bin:/usr/bin:/bin")
        return {"PATH": f"{path}:/usr/local/sbin:/usr/sbin:/sbin", "LANG": "C.UTF-8"}

    def forget_runtime_state(self, row: ContainerRow, cgroup: str) -> None:
        """Remove the runtime's state and the cgroup of a container; kills what still runs in it. Idempotent."""
        state = f"{self._engine.settings.paths.run}/runtime/{row.id}"
        if not os.path.exists(state):
            return
        from wherry.fs.remove import remove_tree
        from wherry.runtime import cgroups

        # What `runc delete` does, in 0.5 ms instead of 7; what is stuck in the kernel is left for the runtime to judge,
        # and so are hooks that are to run afterwards
        if cgroups.remove(cgroup) and not os.path.exists(f"{self.bundle(row.id)}/poststop"):
            remove_tree(state)
        else:
            self.driver_of(row).delete(row.id, force=True)

    def _need_root(self, what: str) -> None:
        from wherry.host.linux import require_root

        require_root(self._engine.settings.uid, what)

    def find(self, name: str) -> ContainerRow:
        """Raises: NotFound (naming the nearest), Conflict when an id prefix fits several."""
        from wherry.engine import containers_rows

        return containers_rows.find(self._engine.db, name)

    def state(self, id: str) -> ContainerState:
        """What it does now. `id` is whole. Cheap."""
        from wherry.runtime.state import observe

        return observe(self.bundle(id), self._engine.host)

    def create(self, image: str, options: RunOptions, files: Sequence[PlacedFile] = ()) -> ContainerRow:
        """Reserve a name and write the row: nothing runs yet. `files` are the container's own, mounted read-only.

        Raises: NotFound (image), Conflict (name), InputError.
        """
        from wherry.engine import containers_create

        self._need_root("wherry create")
        return containers_create.create(self._engine, image, options, files)

    def start(self, name: str, streams: Streams | None = None) -> int | None:
        """Start it; no-op when it runs. With `streams` attached first, so that no byte of output is lost: then waits,
        and returns its exit code, or None when the user detached.

        Raises: RuntimeFailure (CommandNotFound 127, NotExecutable 126), Conflict (a port is taken, paused), NotFound.
        """
        from wherry.engine import containers_start

        self._need_root("wherry start")
        return containers_start.start(self._engine, self.find(name), streams)

    def spawn_monitor(self, module: str = "monitor") -> Monitor:
        """A monitor for a `run` that is to come ("monitor_exec": an `exec`): spawned first of all, before anything is
        opened, it is ready when the plan is."""
        from wherry.runtime.launch import spawn

        return spawn(self._engine.host, self.tool_env, module, early=True)

    def run(
        self, image: str, options: RunOptions, streams: Streams | None = None, monitor: Monitor | None = None
    ) -> tuple[str, int | None]:
        """create + start in one; (id, exit code as in `start`). A container with `remove` that can't start is removed,
        and one that ended attached is wholly gone before this returns."""
        from wherry.engine import containers_start

        self._need_root("wherry run")
        return containers_start.run(self._engine, image, options, streams, monitor)

    def attach(self, name: str, streams: Streams) -> int | None:
        """Raises: Conflict when it does not run, or is paused."""
        from wherry.engine import containers_start

        return containers_start.attach(self._engine, self.find(name), streams)

    def stop(self, name: str, timeout_s: int | None = None, signal: str = "", cancel: Cancel | None = None) -> None:
        """Its stop signal, then SIGKILL after `timeout_s` (None: the container's own, -1: never). Idempotent.

        `cancel` ends the wait: it has had its signal then, and will not be restarted. Raises: Cancelled.
        """
        from wherry.engine import containers_stop

        containers_stop.stop(self._engine, self.find(name), timeout_s, signal, cancel=cancel)

    def restart(self, name: str, timeout_s: int | None = None, signal: str = "") -> None:
        from wherry.engine import containers_stop

        containers_stop.restart(self._engine, self.find(name), timeout_s, signal)

    def kill(self, name: str, signal: str = "KILL") -> None:
        """Raises: Conflict when it does not run, InputError for an unknown signal."""
        from wherry.engine import containers_stop

        containers_stop.kill(self._engine, self.find(name), signal)

    def pause(self, name: str) -> None:
        """Raises: Conflict when it does not run or is paused already."""
        from wherry.engine import containers_stop

        containers_stop.pause(self._engine, self.find(name))

    def unpause(self, name: str) -> None:
        """Raises: Conflict when it is not paused."""
        from wherry.engine import containers_stop

        containers_stop.unpause(self._engine, self.find(name))

    def remove(self, name: str, *, force: bool = False, volumes: bool = False) -> str:
        """Remove it whole and return its id. Raises: Conflict when it runs and `force` is not given."""
        from wherry.engine import containers_remove

        return containers_remove.remove(self._engine, self.find(name), force=force, volumes=volumes)

    def prune(self, filters: Filters) -> tuple[Sequence[str], int]:
        """Remove all that are not running; (ids, bytes freed)."""
        from wherry.engine import containers_remove

        return containers_remove.prune(self._engine, filters)

    def rename(self, name: str, new_name: str) -> None:
        """Raises: Conflict when the name is taken, InputError when it is no name."""
        from wherry.engine import containers_rows

        row, new = self.find(name), new_name.removeprefix("/")
        containers_rows.rename(self._engine.db, row, new_name)
        self._engine.networks.rename(row.id, new)
        self._engine.events.renamed(row, new)

    def wait(self, name: str, cancel: Cancel | None = None) -> int:
        """Block until it is not running; its exit code."""
        from wherry.engine import containers_stop

        return containers_stop.wait(self._engine, self.find(name), cancel)

    def list(self, filters: Filters | None = None, *, all: bool = False, size: bool = False) -> Sequence[Summary]:
        """Newest first; only running ones unless `all`. Repairs and re-adopts what killed processes left."""
        from wherry.engine import containers_list

        return containers_list.summaries(self._engine, filters, all=all, size=size)

    def inspect(self, name: str, *, size: bool = False) -> dict[str, Any]:
        """docker's JSON of a container (API 1.45), keys in its order."""
        from wherry.engine import containers_inspect

        return containers_inspect.inspect(self._engine, self.find(name), size=size)

    def logs(self, name: str, query: LogQuery, cancel: Cancel | None = None) -> Iterator[tuple[str, bytes]]:
        """("stdout" or "stderr", one line as it was written) in order, over rotation; follows while it runs."""
        from wherry.engine import containers_logs

        return containers_logs.lines(self._engine, self.find(name), query, cancel)

    def log_batches(
        self, name: str, query: LogQuery, cancel: Cancel | None = None
    ) -> Iterator[Sequence[tuple[str, bytes]]]:
        """The same, all at once that is there at the moment, in lists of some hundred lines."""
        from wherry.engine import containers_logs

        return containers_logs.batches(self._engine, self.find(name), query, cancel)

    def ports(self, name: str) -> Sequence[tuple[str, str]]:
        """("80/tcp", "0.0.0.0:8080") for each published address."""
        from wherry.engine import containers_list

        return containers_list.ports(self._engine, self.find(name).id)

    def update(self, name: str, update: Update) -> Sequence[str]:
        """Change limits and restart policy, of a running one at once; docker's warnings about what was discarded.

        Raises: InputError, Conflict in docker's words; RuntimeFailure when the kernel refuses, and nothing is changed.
        """
        from wherry.engine import containers_update

        self._need_root("wherry update")
        return containers_update.update(self._engine, name, update)

    def stats(self, names: Sequence[str] = (), *, all: bool = False) -> Sequence[Stats]:
        """What they use, or all that run (`all`: or not). Takes half a second; `containers_stats.follow` goes on."""
        from wherry.engine import containers_stats

        self._need_root("wherry stats")
        return containers_stats.take(self._engine, names, all=all)

    def top(self, name: str, ps_args: Sequence[str] = ()) -> Sequence[Sequence[str]]:
        """Rows of ps for the container's processes, the header first."""
        from wherry.engine import containers_top

        return containers_top.top(self._engine, self.find(name), ps_args)

    def exec(
        self, name: str, options: ExecOptions, streams: Streams | None = None, monitor: Monitor | None = None,
        cancel: Cancel | None = None,
    ) -> int | None:  # fmt: skip
        """Run another program in it; its exit code (126, 127 when it can't be started), None when detached.

        `cancel` ends the program that is stayed with (SIGTERM, a second later SIGKILL). Raises: Cancelled then."""
        from wherry.engine import containers_exec

        return containers_exec.exec(self._engine, self.find(name), options, streams, monitor, cancel)

    def changes(self, name: str) -> Sequence[Change]:
        """What differs from its image, sorted by path; volumes are not looked at."""
        from wherry.engine import containers_tree

        return containers_tree.changes(self._engine, self.find(name))

    def export(self, name: str, write: Write, cancel: Cancel | None = None) -> int:
        """Its own files as a tar given to `write` (volumes are not in it); the tar's bytes. Raises: NotFound."""
        from wherry.engine import containers_tree

        return containers_tree.export(self._engine, self.find(name), write, cancel)

    def commit(self, name: str, request: CommitRequest, cancel: Cancel | None = None) -> ImageRecord:
        """A new image of what it changed and how it runs. Raises: Conflict, DockerfileError, InputError."""
        from wherry.engine import containers_commit

        self._need_root("wherry commit")
        return containers_commit.commit(self._engine, self.find(name), request, cancel)

    @contextmanager
    def root_fd(self, name: str) -> Iterator[int]:
        """An O_PATH fd of its root folder: a running one's own view (/proc/PID/root, volumes included), a stopped
        one's overlay mounted for the purpose (volumes not). The container's lock is held meanwhile."""
        from wherry.engine import containers_rows

        with containers_rows.root_fd(self._engine, self.find(name)) as fd:
            yield fd
