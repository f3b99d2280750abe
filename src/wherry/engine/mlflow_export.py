"""`wherry mlflow export`: a run to an MLflow server. Done again, it goes on: nothing is there twice."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from wherry.engine.runs import open_artifact
from wherry.runs.document import check_name, decode, encode
from wherry.runs.mlflow import DOCUMENT, ORIGIN_ID, ORIGIN_URI, file_of, identity, key_of, millis, outgoing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wherry.engine import Engine
    from wherry.engine.mlflow_server import Server
    from wherry.engine.runs import Artifact
    from wherry.runs.mlflow import Outgoing
    from wherry.track.record import Record

__all__ = ["Exported", "export"]

_POINTS = 1000


class Exported(NamedTuple):
    """`points` and `artifacts` that were sent now; `warnings` are sentences about what MLflow can't take."""

    run_id: str
    points: int
    artifacts: int
    is_new: bool
    warnings: tuple[str, ...]


def export(engine: Engine, server: Server, run: Record, experiment: str = "") -> Exported:
    """`experiment` is the run's own when empty; it is made when it is not there.

    Raises: TrackingError, InvalidSpec (an artifact's name).
    """
    document = run.document
    home = server.experiment(experiment or document["experiment"], make=True)
    parent = server.find(home, document["parent"]) if document.get("parent") else ""
    what = outgoing(document, parent)
    run_id = _there(server, document, home)
    is_new = not run_id
    run_id = run_id or server.begin(home, what.name, what.started_ms, document["id"])
    warnings = [f"{name} is longer than MLflow takes, and was cut" for name in what.shortened]
    warnings += _texts(server, run_id, what, is_new=is_new)
    points = _points(server, run_id, run, is_new=is_new)
    artifacts = _artifacts(engine, server, run_id, run, is_new=is_new)
    server.end(run_id, what.status, what.ended_ms)
    return Exported(run_id, points, artifacts, is_new, tuple(warnings))


def _there(server: Server, document: Mapping[str, Any], experiment_id: str) -> str:
    """What an earlier export made, or where it was imported from; "" for neither."""
    tags = document["tags"]
    if tags.get(ORIGIN_URI) == server.uri and server.has(tags.get(ORIGIN_ID, "")):
        return str(tags[ORIGIN_ID])
    return server.find(experiment_id, document["id"])


def _texts(server: Server, run_id: str, what: Outgoing, *, is_new: bool) -> list[str]:
    """MLflow refuses a parameter that changes: those that did are said, and left."""
    known = {} if is_new else server.run(run_id).params
    changed = [f"parameter {key} was {known[key][:40]!r} at the last export, and MLflow lets none change"
               for key, value in what.params.items() if known.get(key, value) != value]  # fmt: skip
    server.log_texts(run_id, {key: value for key, value in what.params.items() if key not in known}, what.tags)
    return changed


def _points(server: Server, run_id: str, run: Record, *, is_new: bool) -> int:
    """Only those that are not there. Memory: the points of one metric at the server, a call's worth of ours."""
    count = 0
    known = set() if is_new else set(server.metric_keys(run_id))
    for name in run.document["metrics"]:
        key = key_of(name)
        there = {identity(*one) for one in server.history(run_id, key)} if key in known else set()
        batch = []
        for step, time, value in run.points(name):
            one = identity(step, millis(time), value)
            if one in there:
                continue
            batch.append((name, step, time, value))
            if len(batch) == _POINTS:
                server.log_points(run_id, batch)
                count += len(batch)
                batch = []
        if batch:
            server.log_points(run_id, batch)
            count += len(batch)
    return count


def _artifacts(engine: Engine, server: Server, run_id: str, run: Record, *, is_new: bool) -> int:
    """The document last: what it names has been sent whole."""
    document = run.document
    kept: Sequence[Artifact] = engine.runs.artifacts(run)
    for one in kept:
        check_name(one.name, f"run {document['name']}")
    with engine.scratch.folder("mlflow") as scratch:
        before = {} if is_new else _sent(server, run_id, scratch)
        wanted = [one for one in kept if before.get(one.name) != one.digest]
        for number, one in enumerate(wanted):
            with open_artifact(run, one) as file:
                path = f"/proc/self/fd/{file.fileno()}"
                _upload(server, run_id, f"{scratch}/{number}", file_of(one.name), path)
        whole = f"{scratch}/document"
        with open(whole, "wb") as file:
            file.write(encode(document))
        _upload(server, run_id, f"{scratch}/last", DOCUMENT, whole)
    return len(wanted)


def _upload(server: Server, run_id: str, folder: str, name: str, path: str) -> None:
    """The SDK calls a file as it is called on the disk: a link has its name."""
    above, _, called = name.rpartition("/")
    os.mkdir(folder)
    os.symlink(path, f"{folder}/{called}")
    server.upload(run_id, f"{folder}/{called}", above)


def _sent(server: Server, run_id: str, scratch: str) -> dict[str, str]:
    """Name to digest of what an earlier export sent, and is still there with its size."""
    from wherry.errors import WherryError

    files = {one.path: one.size for one in server.files(run_id)}
    if DOCUMENT not in files:
        return {}
    os.mkdir(f"{scratch}/before")
    path = server.download(run_id, DOCUMENT, f"{scratch}/before")
    try:
        with open(path, "rb") as file:
            found = decode(file.read(), "the run at the server")
    except (OSError, WherryError):
        return {}
    return {one["name"]: one["digest"] for one in found["artifacts"] if files.get(file_of(one["name"])) == one["size"]}
