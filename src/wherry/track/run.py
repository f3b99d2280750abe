"""One run, from the side of the program that trains."""

from __future__ import annotations

import os
import sys
from _thread import _local  # not threading, which costs 2 ms
from time import time
from weakref import ref

from wherry.track import folder as folders
from wherry.track.metrics import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Mapping

__all__ = ["Run", "TrackError", "begin", "join", "live"]

SCHEMA = 1
_SUMMED_POINTS = 1_000_000
live: list[Run] = []
"""Those that this process writes to, the innermost last."""


class TrackError(RuntimeError):
    """A run can't be made or written to, or is over."""


class Run:
    """Use it with `with`: what is raised inside is recorded, and goes on its way.

    Any thread, and a child after fork, may log to it. `is_joined`: another process began it and will end it.
    """

    def __init__(self, folder: str, start: Mapping[str, Any], is_joined: bool) -> None:
        self.folder, self.is_joined = folder, is_joined
        self.id, self.name = str(start["id"]), str(start["name"])
        self.experiment = str(start["experiment"])
        self.is_over = False
        self._pid = os.getpid()
        self._local = _local()
        self._writers: list[Any] = []
        self._before = os.environ.get("WHERRY_RUN")
        self._lock = folders.hold(folder)
        live.append(self)
        # Processes that this one starts log to the same run
        os.environ["WHERRY_RUN"] = folder

    def log(self, metrics: Mapping[str, Any] | None = None, *, step: int | None = None, **values: Any) -> None:
        """Points of metrics: `log(loss=0.1, step=3)`, or a mapping for names like "train/loss".

        Without a step it counts on from the last one. NaN and infinity are kept. About 2 microseconds; what it stored
        survives kill -9. Raises: TypeError (no number), TrackError (the run is over).
        """
        try:
            writer = self._local.writer
        except AttributeError:
            writer = self._open()
        if metrics:
            values = {**metrics, **values}
        writer.add(values, step, time())

    def param(self, name: str, value: Any) -> None:
        """What the run was given: a number, text, bool or None; anything else as its text. Set again, the last wins."""
        self._event({"type": "param", "name": _text(name, "parameter"), "value": _plain(value)})

    def params(self, values: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Several; nested mappings become names with dots: {"adam": {"lr": 1}} is adam.lr."""
        for name, value in _flat({**(values or {}), **more}, ""):
            self.param(name, value)

    def tag(self, name: str, value: Any = "") -> None:
        """A word about the run, for people and filters."""
        self._event({"type": "tag", "name": _text(name, "tag"), "value": str(value)})

    def artifact(self, path: os.PathLike[str] | str, name: str = "") -> str:
        """Keep a file (or each file in a folder) as it is now. Returns the digest (of the last one).

        `name` is what it is called in the run; the file's own name otherwise. Raises: OSError.
        """
        from wherry.track.artifacts import files_below, keep

        self._check()
        path = os.fspath(path)
        digest = ""
        for one, called in files_below(path, name or os.path.basename(os.path.abspath(path))):
            digest, size = keep(self.folder, one)
            self._event({"type": "artifact", "name": _text(called, "artifact"), "digest": digest, "size": size})
        return digest

    def data(self, path: os.PathLike[str] | str, name: str = "") -> str:
        """Say what it learns from: a file, or all files in a folder, by digest; nothing is kept. Returns the digest.

        A folder's is that of the lines that `sha256sum` prints of its files, sorted by path. Raises: OSError.
        """
        from wherry.track.artifacts import described

        self._check()
        path = os.fspath(path)
        value = described(path)
        value = {"name": name or path, "path": os.path.abspath(path), **value}
        self._event({"type": "data", "name": _text(value["name"], "data set"), "value": value})
        return str(value["digest"])

    def finish(self, status: str = "finished", *, exit_code: int | None = None, error: str = "") -> None:
        """The end; `with` calls it. Idempotent. In a forked child, and of a joined run, our part ends."""
        if self.is_over:
            return
        self.is_over = True
        # Ours from here on: with the local they would go, and what was wrong with them
        writers = [one() for one in self._writers]
        self._local = _local()
        for writer in writers:
            if writer is not None:
                writer.close()
                if writer.fault:
                    sys.stderr.write("wherry.track: %s; %d points were lost\n" % (writer.fault, writer.dropped))
        if self in live:
            live.remove(self)
        self._restore()
        try:
            if os.getpid() == self._pid:
                self._end(status, exit_code, error)
        finally:
            os.close(self._lock)

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish(**verdict(kind, fault))

    def _end(self, status: str, exit_code: int | None, error: str) -> None:
        if self.is_joined:
            if error:
                try:
                    folders.append(self.folder, {"type": "error", "value": error})
                except OSError:
                    pass  # who began the run says what is wrong
            return
        document: dict[str, Any] = {"status": status, "ended_ms": int(time() * 1000)}
        if exit_code is not None:
            document["exit_code"] = exit_code
        if error:
            document["error"] = error
        try:
            if self._size() <= _SUMMED_POINTS * 32:
                from wherry.track.points import summaries

                document["metrics"] = {name: one.document() for name, one in summaries(self.folder).items()}
            folders.save(self.folder + "/end.json", document)
        except OSError as fault:
            # What was trained is worth more than its record: the program goes on
            what = fault.strerror if os.path.isdir(self.folder) else "its folder is gone"
            sys.stderr.write(f"wherry.track: the end of run {self.name} is not recorded: {what}\n")

    def _size(self) -> int:
        size = 0
        for name in os.listdir(self.folder + "/metrics"):
            size += os.path.getsize(self.folder + "/metrics/" + name)
        return size

    def _open(self) -> Writer:
        self._check()
        path = "%s/metrics/%d-%s.bin" % (self.folder, os.getpid(), os.urandom(4).hex())
        try:
            writer = Writer(path)
        except OSError as fault:
            raise TrackError(f"cannot write metrics of run {self.name} to {path}: {fault.strerror}") from None
        # Weakly: a thread's file is closed when the thread is gone
        self._writers.append(ref(writer))
        self._local.writer = writer
        return writer

    def _event(self, event: dict[str, Any]) -> None:
        self._check()
        try:
            folders.append(self.folder, event)
        except OSError as fault:
            raise TrackError(f"cannot write to run {self.name} in {self.folder}: {fault.strerror}") from None
        except ValueError as fault:
            raise TrackError("{} {}: {}".format(event["type"], event.get("name", ""), fault)) from None

    def _check(self) -> None:
        if self.is_over:
            raise TrackError(f"run {self.name} is over; begin another with wherry.track.run()")

    def _restore(self) -> None:
        if self._before is None:
            os.environ.pop("WHERRY_RUN", None)
        else:
            os.environ["WHERRY_RUN"] = self._before

    def _forked(self) -> None:
        """In the child: files of its own, and a lock of its own, so that the parent's death is seen."""
        for one in self._writers:
            writer = one()
            if writer is not None:
                writer.forget()
        self._writers = []
        self._local = _local()
        os.close(self._lock)
        self._lock = folders.hold(self.folder)


def verdict(kind: type[BaseException] | None, fault: BaseException | None) -> dict[str, Any]:
    """How a `with` block ended, as `finish` takes it."""
    if kind is None:
        return {"status": "finished", "exit_code": 0}
    if issubclass(kind, SystemExit):
        code = getattr(fault, "code", None)
        number = 0 if code is None else code if isinstance(code, int) else 1
        return {"status": "failed" if number else "finished", "exit_code": number}
    if issubclass(kind, KeyboardInterrupt):
        return {"status": "killed", "exit_code": 130, "error": "KeyboardInterrupt"}
    return {"status": "failed", "exit_code": 1, "error": (f"{kind.__name__}: {fault}")[:2000]}


def begin(home: str, start: dict[str, Any], mode: int = 0o755) -> str:
    """Make a run's folder; `start` is run.json without what is filled in here. Raises: TrackError."""
    from wherry.track.names import name_of

    id = os.urandom(16).hex()
    folder = home + "/" + id
    document = {
        "schema": SCHEMA, "id": id, "name": start.get("name") or name_of(id), "started_ms": int(time() * 1000),
        "boot_id": folders.boot_id(), **{key: value for key, value in start.items() if key != "name"},
    }  # fmt: skip
    try:
        os.makedirs(home, 0o700, exist_ok=True)
        for path in (folder, folder + "/metrics", folder + "/artifacts"):
            os.mkdir(path)
            os.chmod(path, mode)
        os.close(folders.hold(folder))
        os.close(os.open(folder + "/events.jsonl", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))
        for name in ("/lock", "/events.jsonl"):
            os.chmod(folder + name, mode & 0o666)
        folders.save(folder + "/run.json", document)
    except OSError as fault:
        _unmade(folder)
        raise TrackError(
            f"cannot make a run in {home}: {fault.strerror}; set WHERRY_RUNS to a folder that you may write"
        ) from None
    return folder


def _unmade(folder: str) -> None:
    """What a full disk left of it."""
    for name, remove in (("lock", os.unlink), ("events.jsonl", os.unlink), ("run.json", os.unlink),
                         ("metrics", os.rmdir), ("artifacts", os.rmdir), ("", os.rmdir)):  # fmt: skip
        try:
            remove(folder + "/" + name)
        except OSError:
            pass


def join(folder: str, is_joined: bool = True) -> Run:
    """Write to a run that is there. Raises: TrackError."""
    start = folders.load(folder + "/run.json")
    if start is None or not {"id", "name", "experiment"} <= set(start):
        raise TrackError(f"{folder} is no run's folder: it has no run.json")
    try:
        return Run(folder, start, is_joined)
    except OSError as fault:
        raise TrackError(f"cannot join the run in {folder}: {fault.strerror}") from None


def _in_child() -> None:
    for one in live:
        one._forked()


os.register_at_fork(after_in_child=_in_child)


def _text(name: Any, what: str) -> str:
    if not isinstance(name, str) or not name or len(name) > 1000 or "\0" in name:
        raise TypeError(f"a {what}'s name is a text of 1 to 1000 letters, not {name!r}")
    return name


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        from wherry.track.points import number_out

        return number_out(float(value))
    if value is None or isinstance(value, (str, bool, int)):
        return value
    item = getattr(value, "item", None)  # NumPy's and torch's scalars
    if callable(item) and getattr(value, "shape", None) == ():
        return _plain(item())
    return str(value)


def _flat(values: Mapping[str, Any], before: str) -> Any:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + str(name), value
