"""How `wherry compose` shows what happens to a project, on standard error: plain lines, JSON, or nothing.

All are a `compose.progress.Progress` and a context manager. What is drawn anew on a terminal is in `compose_live`.
"""

from __future__ import annotations

from _thread import allocate_lock

from wherry.cli.render import clean
from wherry.compose.progress import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from wherry.build.progress import Progress as BuildProgress
    from wherry.cli.build_progress import Plain as PlainBuild
    from wherry.cli.render import Output
    from wherry.compose.progress import Event
    from wherry.registry.watch import TransferWatch

__all__ = ["Renderer", "renderer"]

_DRY = "DRY-RUN MODE - "


def renderer(
    out: Output, mode: str, ansi: str, env: Mapping[str, str], *, is_dry: bool = False, title: str = "Running"
) -> Renderer:
    """`mode` is auto, tty, plain, json or quiet; `ansi` auto, never or always. A terminal gets a live view.

    On standard error, or on standard output with COMPOSE_STATUS_STDOUT.
    """
    on_stdout = env.get("COMPOSE_STATUS_STDOUT", "").lower() in {"1", "t", "true"}
    write = _flushed(out) if on_stdout else out.error
    if mode == "quiet":
        return Renderer(out.error)
    if mode == "json":
        return Json(write, is_dry=is_dry)
    is_terminal = out.is_terminal if on_stdout else out.err_is_terminal
    is_live = is_terminal and ansi != "never" and env.get("TERM") != "dumb"
    if mode == "tty" or (mode == "auto" and (is_live or ansi == "always")):
        from wherry.cli.compose_live import Live

        has_colour = ansi == "always" or (ansi == "auto" and not env.get("NO_COLOR"))
        fd = out.out_fd if on_stdout else out.err_fd
        return Live(fd, write, has_colour=has_colour, title=(_DRY if is_dry else "") + title)
    return Plain(write, is_dry=is_dry)


def _flushed(out: Output) -> Callable[[str], None]:
    def write(line: str) -> None:
        out.line(line)
        out.flush()

    return write


class Renderer:
    """Shows warnings and notices alone: --progress quiet. `write` takes one line."""

    def __init__(self, write: Callable[[str], None], *, is_dry: bool = False) -> None:
        self._write, self._dry = write, _DRY if is_dry else ""
        self._lock = allocate_lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """What is drawn stays, and nothing is drawn any more. Idempotent."""

    def event(self, event: Event) -> None:
        pass

    def warn(self, text: str) -> None:
        with self._lock:
            self._write(f"wherry: warning: {clean(text)}")

    def note(self, text: str) -> None:
        with self._lock:
            self._write(clean(text))

    def transfer(self, id: str) -> TransferWatch:
        from wherry.registry.watch import Silent

        return Silent()

    def build(self, service: str) -> BuildProgress:
        from wherry.build.progress import Quiet

        return Quiet()


class Plain(Renderer):
    """docker-compose's lines: ` Container demo-web-1  Started`. A build's steps are BuildKit's lines."""

    def __init__(self, write: Callable[[str], None], *, is_dry: bool = False) -> None:
        super().__init__(write, is_dry=is_dry)
        self._steps: PlainBuild | None = None

    def close(self) -> None:
        if self._steps:
            self._steps.__exit__(None, None, None)
            self._steps = None

    def event(self, event: Event) -> None:
        text = f"{event.text} {event.detail}" if event.detail and event.state in {ERROR, WARNING} else event.text
        with self._lock:
            self._write(f"{self._dry} {clean(event.id)}  {clean(text)}")

    def transfer(self, id: str) -> TransferWatch:
        from wherry.cli.transfer import Plain as PlainTransfer

        return PlainTransfer(lambda line: self.note(f"{self._dry} {id} {line}"))

    def build(self, service: str) -> BuildProgress:
        from wherry.cli.build_progress import Plain as PlainBuild

        with self._lock:
            self._steps = self._steps or PlainBuild(self._write)
        return StepsOf(self._steps, service)


class StepsOf:
    """The steps of one service's build among those of others: `[web 2/4] RUN make`."""

    def __init__(self, steps: BuildProgress, service: str) -> None:
        self._steps, self._service = steps, service

    def _key(self, key: str) -> str:
        return f"{self._service}:{key}"

    def start(self, key: str, name: str) -> None:
        self._steps.start(self._key(key), f"[{self._service} {name[1:]}" if name.startswith("[") else name)

    def cached(self, key: str) -> None:
        self._steps.cached(self._key(key))

    def output(self, key: str, data: bytes) -> None:
        self._steps.output(self._key(key), data)

    def done(self, key: str) -> None:
        self._steps.done(self._key(key))

    def failed(self, key: str, message: str) -> None:
        self._steps.failed(self._key(key), message)

    def cancelled(self, key: str) -> None:
        self._steps.cancelled(self._key(key))

    def note(self, text: str) -> None:
        self._steps.note(f"{self._service}: {text}")


class Json(Renderer):
    """A line of JSON for each event: docker-compose's --progress json."""

    def _put(self, **fields: str) -> None:
        from json import dumps

        shown = {**({"dry-run": True} if self._dry else {}), **{key: text for key, text in fields.items() if text}}
        with self._lock:
            self._write(dumps(shown))

    def event(self, event: Event) -> None:
        self._put(
            id=event.id, parent_id=event.parent, status=event.state.title(), text=event.text, details=event.detail
        )

    def warn(self, text: str) -> None:
        self._put(level="warning", msg=text)

    def note(self, text: str) -> None:
        self._put(level="info", msg=text)

    def transfer(self, id: str) -> TransferWatch:
        return _JsonTransfer(self._put, id)

    def build(self, service: str) -> BuildProgress:
        return _JsonBuild(self._put, service)


class _JsonTransfer:
    """Phases only: bytes would be a line for each read."""

    def __init__(self, put: Callable[..., None], id: str) -> None:
        self._put, self._id = put, id

    def start(self, short: str, what: str, total: int) -> None:
        self._put(id=short, parent_id=self._id, status="Working", text=what, total=str(total or ""))

    def advance(self, short: str, done: int) -> None:
        pass

    def finish(self, short: str, what: str) -> None:
        self._put(id=short, parent_id=self._id, status="Done", text=what)

    def note(self, line: str) -> None:
        self._put(id=self._id, status="Working", text=line)


class _JsonBuild:
    def __init__(self, put: Callable[..., None], service: str) -> None:
        self._put, self._service = put, service
        self._names: dict[str, str] = {}

    def _say(self, key: str, status: str, text: str, details: str = "") -> None:
        self._put(id=self._names.get(key, key), parent_id=self._service, status=status, text=text, details=details)

    def start(self, key: str, name: str) -> None:
        self._names[key] = name
        self._say(key, "Working", "Building")

    def cached(self, key: str) -> None:
        self._say(key, "Done", "Cached")

    def output(self, key: str, data: bytes) -> None:
        self._say(key, "Working", "Building", data.decode("utf-8", "replace"))

    def done(self, key: str) -> None:
        self._say(key, "Done", "Built")

    def failed(self, key: str, message: str) -> None:
        self._say(key, "Error", "Error", message)

    def cancelled(self, key: str) -> None:
        self._say(key, "Error", "Canceled")

    def note(self, text: str) -> None:
        self._put(id=self._service, status="Working", text=text)
