"""`wherry mlflow import`: runs of an MLflow server become runs here."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from wherry.errors import InvalidSpec
from wherry.runs.document import check_name, decode
from wherry.runs.mlflow import DOCUMENT, document_of, file_of, key_of, summaries, value_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from wherry.engine import Engine
    from wherry.engine.mlflow_server import Server
    from wherry.engine.runs import Artifact
    from wherry.runs.mlflow import Point
    from wherry.track.record import Record

__all__ = ["Imported", "fetch"]


class Imported(NamedTuple):
    """`is_new` is false when the run is here already, and nothing was done."""

    run: Record
    is_new: bool
    warnings: tuple[str, ...]


def fetch(engine: Engine, server: Server, run_id: str, *, force: bool = False) -> Imported:
    """`force` takes it again. What wherry exported comes back as it was, under its own id; points are the server's.

    Raises: NotFound, TrackingError, Conflict (`force`, and it goes on here).
    """
    run = server.run(run_id)
    files = [one.path for one in server.files(run_id)]
    with engine.scratch.folder("mlflow") as scratch:
        document = _own(server, run_id, scratch) if DOCUMENT in files else None
        found = document or document_of(run)
        known = next((one for one in engine.runs.list() if one.id == found["id"]), None)
        if known is not None and not force:
            return Imported(known, is_new=False, warnings=())
        names = {key_of(name): name for name in (document or {}).get("metrics", {})}
        points = _points(server, run_id, names)
        called = {file_of(one["name"]): one["name"] for one in (document or {}).get("artifacts", ())}
        wanted = {one: called.get(one, one) for one in files if one != DOCUMENT}
        warnings: list[str] = []
        artifacts = _artifacts(server, run_id, wanted, scratch, warnings)
        if known is not None:
            engine.runs.remove(known)
        record = engine.runs.add({**found, "metrics": summaries(points)}, points, artifacts)
    return Imported(record, is_new=True, warnings=tuple(warnings))


def _own(server: Server, run_id: str, scratch: str) -> Mapping[str, Any] | None:
    """The document that an export left; None when somebody else wrote something of that name."""
    os.mkdir(f"{scratch}/own")
    try:
        with open(server.download(run_id, DOCUMENT, f"{scratch}/own"), "rb") as file:
            return decode(file.read(), f"run {run_id}")
    except InvalidSpec:
        return None


def _points(server: Server, run_id: str, names: Mapping[str, str]) -> list[Point]:
    return [
        (names.get(key, key), step, time_ms / 1000, value_of(value))
        for key in server.metric_keys(run_id)
        for step, time_ms, value in server.history(run_id, key)
    ]


def _artifacts(
    server: Server, run_id: str, wanted: Mapping[str, str], scratch: str, warnings: list[str]
) -> list[Artifact]:
    """`wanted` is from the server's path to the name here."""
    import hashlib

    from wherry.engine.runs import Artifact

    os.mkdir(f"{scratch}/files")
    found = []
    for path, name in wanted.items():
        try:
            check_name(name, f"run {run_id}")
        except InvalidSpec as fault:
            warnings.append(str(fault))
            continue
        got = server.download(run_id, path, f"{scratch}/files")
        with open(got, "rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
            found.append(Artifact(name, digest, os.fstat(file.fileno()).st_size, got))
    return found
