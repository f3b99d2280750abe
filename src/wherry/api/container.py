"""A container, as a thing to talk to."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any, Self

from wherry.api.finished import CommandFailed, Finished

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from wherry.api.engine import Engine
    from wherry.api.wishes import Command
    from wherry.store.images import ImageRecord

__all__ = ["Container"]

_BUSY = frozenset({"running", "paused", "restarting"})


class Container:
    """One container of an engine. `id` is whole. Used with `with`, it is removed at the end, whatever it does.

    Its properties ask each time. All verbs raise NotFound when it was removed.
    """

    def __init__(self, engine: Engine, id: str) -> None:
        self._engine = engine
        self.id = id

    def __repr__(self) -> str:
        return f"<wherry.Container {self.id[:12]}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        from contextlib import suppress

        from wherry.errors import NotFound

        with suppress(NotFound):
            self.remove(force=True, volumes=True)

    @property
    def name(self) -> str:
        return self._engine.containers.find(self.id).name

    @property
    def status(self) -> str:
        """created, running, paused, restarting or exited."""
        return self._engine.containers.state(self._engine.containers.find(self.id).id).status

    @property
    def is_running(self) -> bool:
        return self.status in _BUSY

    @property
    def health(self) -> str:
        """starting, healthy or unhealthy; "" without a health check."""
        state = self._engine.containers.state(self.id)
        return str(state.health["Status"]) if state.health else ""

    def inspect(self) -> dict[str, Any]:
        """docker's JSON."""
        return self._engine.containers.inspect(self.id)

    def port(self, container_port: int | str) -> int:
        """The port of this machine that leads to `8000` or `"53/udp"`. Raises: NotFound when it is not published."""
        wanted = str(container_port) if "/" in str(container_port) else f"{container_port}/tcp"
        for inside, outside in self._engine.containers.ports(self.id):
            if inside == wanted:
                return int(outside.rpartition(":")[2])
        from wherry.errors import NotFound

        raise NotFound(f"{wanted} of container {self.name} is not published", hint=f"ports=[{container_port}]")

    def url(self, container_port: int = 8000, path: str = "/") -> str:
        """http://127.0.0.1:PORT/path"""
        return f"http://127.0.0.1:{self.port(container_port)}/{path.removeprefix('/')}"

    def exec(
        self,
        command: Command,
        *,
        input: bytes | None = None,
        env: Mapping[str, str] | None = None,
        user: str = "",
        workdir: str = "",
        check: bool = True,
    ) -> Finished:
        """Run another command in it, to its end. Raises: CommandFailed unless `check` is False, Conflict (not running),
        CommandNotFound, NotExecutable.
        """
        from wherry.api.capture import capture
        from wherry.api.wishes import words_of
        from wherry.runtime.exec_options import ExecOptions

        words = words_of(command)
        variables = tuple(f"{name}={value}" for name, value in (env or {}).items())
        options = ExecOptions(tuple(words), variables, user, workdir, stdin=input is not None)
        finished, _ = capture(
            lambda streams: self._engine.containers.exec(self.id, options, streams), input, None, lambda: None
        )
        if check and finished.code:
            raise CommandFailed(f"{words[0]} in container {self.name}", finished)
        return finished

    def lines(self, *, follow: bool = False, tail: int = -1) -> Iterator[tuple[str, bytes]]:
        """("stdout" or "stderr", one line with its line feed), the oldest first; `follow` goes on while it runs."""
        from wherry.runtime.logs import LogQuery

        return self._engine.containers.logs(self.id, LogQuery(follow=follow, tail=tail))

    def logs(self, *, tail: int = -1) -> str:
        """All that it wrote so far, both outputs, as text."""
        return b"".join(line for _, line in self.lines(tail=tail)).decode("utf-8", "replace")

    def start(self) -> None:
        self._engine.containers.start(self.id)

    def stop(self, timeout_s: int | None = None) -> None:
        """SIGTERM (or its own signal), then SIGKILL after 10 s, its own time, or `timeout_s`."""
        self._engine.containers.stop(self.id, timeout_s)

    def kill(self, signal: str = "KILL") -> None:
        self._engine.containers.kill(self.id, signal)

    def restart(self, timeout_s: int | None = None) -> None:
        self._engine.containers.restart(self.id, timeout_s)

    def pause(self) -> None:
        self._engine.containers.pause(self.id)

    def unpause(self) -> None:
        self._engine.containers.unpause(self.id)

    def wait(self) -> int:
        """Its exit code, when it has ended."""
        return self._engine.containers.wait(self.id)

    def remove(self, *, force: bool = False, volumes: bool = False) -> None:
        """`volumes` takes the anonymous ones too. Raises: Conflict when it runs and `force` is not given."""
        self._engine.containers.remove(self.id, force=force, volumes=volumes)

    def copy_in(self, path: str, dest: str) -> None:
        """A file or folder of this machine to `dest` in it."""
        from wherry.engine.copy import copy_in

        copy_in(self._engine, path, self.id, dest)

    def copy_out(self, path: str, dest: str) -> None:
        """A file or folder of it to `dest` here."""
        from wherry.engine.copy import copy_out

        copy_out(self._engine, self.id, path, dest)

    def read(self, path: str) -> bytes:
        """The content of a file in it; links are followed. Raises: NotFound, Conflict when it is no file."""
        import tarfile

        from wherry.engine.copy import stream_out
        from wherry.errors import Conflict

        packed = io.BytesIO()
        stream_out(self._engine, self.id, path, packed.write, follow=True)
        packed.seek(0)
        with tarfile.open(fileobj=packed) as tar:
            member = tar.next()
            file = tar.extractfile(member) if member else None
            if file is None:
                raise Conflict(f"{path} in container {self.name} is no file")
            return file.read()

    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Make (or replace) a file in it; its folder must be there. Raises: Conflict."""
        import tarfile

        from wherry.engine.copy import stream_in

        folder, _, name = path.rpartition("/")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), mode
            tar.addfile(member, io.BytesIO(data))
        packed.seek(0)
        stream_in(self._engine, packed, self.id, folder or "/")

    def commit(self, reference: str = "", *, message: str = "", changes: tuple[str, ...] = ()) -> ImageRecord:
        """A new image of what it changed."""
        import time

        from wherry.engine.containers_commit import CommitRequest
        from wherry.oci.reference import Reference

        name = Reference.parse(reference) if reference else None
        request = CommitRequest(name, message=message, changes=changes, created_ns=time.time_ns())
        return self._engine.containers.commit(self.id, request)
