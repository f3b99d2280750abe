"""A run from elsewhere (a registry, another tool) becomes one of this root: whole or not at all."""

from __future__ import annotations

import os

from wherry.errors import Conflict, HostError, InputError, IntegrityError
from wherry.track import folder as folders
from wherry.track.metrics import Writer
from wherry.track.record import STATUSES, Record
from wherry.track.shape import is_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from wherry.engine.runs import Artifact

__all__ = ["add"]

_END = ("status", "exit_code", "error", "ended_ms", "metrics")


def add(
    home: str, document: Mapping[str, Any], points: Iterable[tuple[str, int, float, float]],
    artifacts: Iterable[Artifact],
) -> Record:  # fmt: skip
    """`points` are (name, step, seconds since 1970, value); an artifact's `path` is a file to copy.

    A run that still went on where it comes from is "lost" here: nobody will end it.
    Raises: Conflict (it is here), InputError (no run document), IntegrityError (an artifact is not what its digest
    says), HostError.
    """
    from wherry.fs.remove import remove_tree

    id = _checked(document)
    folder, staged = f"{home}/{id}", f"{home}/.{id}.{os.getpid()}"
    if os.path.exists(folder):
        raise Conflict(f"run {document['name']} ({id[:12]}) is already here")
    try:
        os.makedirs(home, 0o700, exist_ok=True)
        os.mkdir(staged)
        try:
            _fill(staged, document, points, artifacts)
            os.rename(staged, folder)
        except BaseException:
            remove_tree(staged)
            raise
    except OSError as fault:
        raise HostError(f"cannot keep run {document['name']} in {home}: {fault.strerror}") from None
    return Record(folder)


def _checked(document: Mapping[str, Any]) -> str:
    """The id. Raises: InputError."""
    id = document.get("id")
    texts = (id, document.get("name"), document.get("experiment"))
    if not all(isinstance(one, str) and one for one in texts) or not isinstance(document.get("started_ms"), int):
        raise InputError("this is no run: id, name, experiment and started_ms are needed")
    assert isinstance(id, str)
    if not is_id(id):
        raise InputError(f"a run's id is 32 hexadecimal digits, not {id[:40]!r}")
    return id


def _fill(
    folder: str, document: Mapping[str, Any], points: Iterable[tuple[str, int, float, float]],
    artifacts: Iterable[Artifact],
) -> None:  # fmt: skip
    os.mkdir(folder + "/metrics")
    os.mkdir(folder + "/artifacts")
    _write_points(folder, points)
    for one in artifacts:
        _keep(folder, one)
    status = document.get("status")
    end = {key: document[key] for key in _END if key in document}
    end["status"] = status if status in STATUSES and status != "running" else "lost"
    folders.save(folder + "/end.json", end)
    start = {key: value for key, value in document.items() if key not in {*_END, "artifacts"}}
    os.close(folders.hold(folder))
    # Last: what has a run.json is a run
    folders.save(folder + "/run.json", start)


def _write_points(folder: str, points: Iterable[tuple[str, int, float, float]]) -> None:
    writer = Writer(folder + "/metrics/0-imported.bin")
    try:
        for name, step, time, value in points:
            writer.add({name: value}, step, time)
    except TypeError as fault:
        raise InputError(str(fault)) from None
    finally:
        writer.close()
    if writer.fault:
        raise HostError(writer.fault)


def _keep(folder: str, one: Artifact) -> None:
    from wherry.track.artifacts import keep

    digest, size = keep(folder, one.path)
    if digest != one.digest:
        raise IntegrityError(f"artifact {one.name}", expected=one.digest, actual=digest)
    folders.append(folder, {"type": "artifact", "name": one.name, "digest": digest, "size": size})
