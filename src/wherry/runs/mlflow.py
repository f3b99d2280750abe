"""A run in MLflow's words, and back: names, tags, batches. Pure: no server, no SDK.

Of MLflow: mlflow/utils/validation.py (names and limits) and mlflow/utils/mlflow_tags.py (tags with a meaning), 3.x.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from wherry.track.names import name_of
from wherry.track.points import Summary

__all__ = [
    "DOCUMENT", "RUN_ID", "Foreign", "Outgoing", "Point", "batched", "document_of", "file_of", "identity", "key_of",
    "millis", "outgoing", "summaries", "value_of",
]  # fmt: skip

Point = tuple[str, int, float, float]
"""(name, step, seconds since 1970, value), as `wherry.track.points` gives them."""

RUN_ID = "wherry.run.id"
DOCUMENT = "wherry/run.json"
"""The artifact with the whole run document: what MLflow has no place for comes back by it."""

ORIGIN_ID, ORIGIN_URI = "mlflow.run.id", "mlflow.run.uri"
"""Tags of a run that came from a server: exported to that, it is the run that is there."""

_KEY_LENGTH, _PARAM_LENGTH, _TAG_LENGTH = 250, 6000, 8000
_BATCH_BYTES = 400_000
_LARGEST = 1.7976931348623157e308
_CUT = re.compile(r"[#?%\\:]")
_BAD = re.compile(r"[^/\w.\- :]")
_STATUS = {"running": "RUNNING", "finished": "FINISHED", "failed": "FAILED", "killed": "KILLED", "lost": "FAILED"}
_KNOWN_TAGS = {"mlflow.runName", "mlflow.source.name", "mlflow.source.type", "mlflow.source.git.commit",
               "mlflow.source.git.branch", "mlflow.source.git.dirty", "mlflow.source.git.diff",
               "mlflow.source.git.repoURL", "mlflow.docker.image.uri", "mlflow.docker.image.id",
               "mlflow.parentRunId", "mlflow.project.env", RUN_ID, "wherry.run.status", "wherry.run.error"}  # fmt: skip


class Outgoing(NamedTuple):
    """What is sent. `ended_ms` is None while it runs; `shortened` names parameters and tags whose values are cut."""

    experiment: str
    name: str
    status: str
    started_ms: int
    ended_ms: int | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    shortened: tuple[str, ...]


class Foreign(NamedTuple):
    """A run as a server tells it."""

    id: str
    uri: str
    name: str
    experiment: str
    status: str
    started_ms: int
    ended_ms: int | None
    params: Mapping[str, str]
    tags: Mapping[str, str]


def key_of(name: str) -> str:
    """The name as MLflow takes it: itself, or one with a hash, so that two names never become one."""
    parts = ["_" if one in {".", ".."} else one for one in _BAD.sub("_", name).split("/") if one]
    key = "/".join(parts) or "_"
    if key.startswith(".."):
        key = f"_{key}"
    if key == name and len(key) <= _KEY_LENGTH:
        return name
    from hashlib import sha256

    return f"{key[: _KEY_LENGTH - 9].rstrip('/')}_{sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"


def file_of(name: str) -> str:
    """The artifact's name as it comes whole through MLflow's URLs, which are cut at "#": itself, or one with a hash."""
    if not _CUT.search(name):
        return name
    from hashlib import sha256

    folder, slash, last = _CUT.sub("_", name).rpartition("/")
    stem, dot, ending = last.rpartition(".") if "." in last.strip(".") else (last, "", "")
    return f"{folder}{slash}{stem}_{sha256(name.encode()).hexdigest()[:8]}{dot}{ending}"


def outgoing(document: Mapping[str, Any], parent_id: str = "") -> Outgoing:
    """`parent_id` is the MLflow id of its parent, "" when that is not on the server."""
    shortened = []

    def texts(values: Mapping[str, Any], limit: int) -> dict[str, str]:
        found = {}
        for name, value in values.items():
            text = _text(value)
            if len(text) > limit:
                shortened.append(name)
            found[key_of(name)] = text[:limit]
        return found

    params = texts(document["params"], _PARAM_LENGTH)
    own = {name: value for name, value in document["tags"].items() if name not in {ORIGIN_ID, ORIGIN_URI}}
    told = _tags(document, parent_id)
    tags = texts(own, _TAG_LENGTH) | {key: value[:_TAG_LENGTH] for key, value in told.items()}
    return Outgoing(
        document["experiment"], document["name"], _STATUS[document["status"]], document["started_ms"],
        document.get("ended_ms") if document["status"] != "running" else None, params, tags, tuple(shortened),
    )  # fmt: skip


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


def _tags(document: Mapping[str, Any], parent_id: str) -> dict[str, str]:
    """Those with a meaning for MLflow, and how wherry finds its run again. MLflow's diff ends where its tags do."""
    code, image = document.get("git", {}), document.get("image", {})
    uri = str(image.get("name") or "")
    if uri and image.get("digest") and "@" not in uri:
        uri = f"{uri}@{image['digest']}"
    found: dict[str, Any] = {
        "mlflow.runName": document["name"], "mlflow.source.name": " ".join(document.get("command", [])),
        "mlflow.source.type": "PROJECT" if image else "LOCAL", "mlflow.source.git.commit": code.get("commit"),
        "mlflow.source.git.branch": code.get("branch"), "mlflow.source.git.repoURL": code.get("remote"),
        "mlflow.source.git.diff": code.get("diff"), "mlflow.docker.image.uri": uri,
        "mlflow.docker.image.id": image.get("id"), "mlflow.project.env": "docker" if image else "",
        "mlflow.parentRunId": parent_id, RUN_ID: document["id"], "wherry.run.status": document["status"],
        "wherry.run.error": document.get("error"),
    }  # fmt: skip
    if code:
        found["mlflow.source.git.dirty"] = str(bool(code.get("dirty"))).lower()
    return {key: str(value) for key, value in found.items() if value}


def millis(time: float) -> int:
    """MLflow's times are whole milliseconds, never below 0."""
    return max(0, round(time * 1000)) if math.isfinite(time) else 0


def identity(step: int, time_ms: int, value: float) -> tuple[int, int, float | str]:
    """What makes two points one at a server. NaN is one; infinity is the largest number, as in its database."""
    return step, time_ms, "nan" if math.isnan(value) else max(-_LARGEST, min(_LARGEST, value))


def value_of(value: float) -> float:
    """A server's value: its database keeps infinity as the largest number there is."""
    return math.copysign(math.inf, value) if abs(value) == _LARGEST else value


def batched(pairs: Iterable[tuple[str, str]], count: int) -> Iterator[list[tuple[str, str]]]:
    """At most `count` to a call, and well below the megabyte that one may have."""
    batch: list[tuple[str, str]] = []
    size = 0
    for pair in pairs:
        more = len(json.dumps(pair)) + 40
        if batch and (len(batch) == count or size + more > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(pair)
        size += more
    if batch:
        yield batch


def document_of(run: Foreign) -> dict[str, Any]:
    """The run document of what another tool recorded. A run that goes on there has no end."""
    tags = {key: value for key, value in run.tags.items() if key not in _KNOWN_TAGS}
    id = run.id.replace("-", "")
    if not re.fullmatch("[0-9a-f]{32}", id):
        from hashlib import sha256

        id = sha256(f"{run.uri} {run.id}".encode()).hexdigest()[:32]
    found: dict[str, Any] = {
        "schema": 1, "id": id, "name": run.name or name_of(id), "experiment": run.experiment,
        "status": {there: here for here, there in reversed(_STATUS.items())}.get(run.status, "running"),
        "started_ms": run.started_ms, "params": {name: _param(text) for name, text in run.params.items()},
        "tags": {**tags, ORIGIN_ID: run.id, ORIGIN_URI: run.uri},
    }  # fmt: skip
    if run.ended_ms is not None:
        found["ended_ms"] = run.ended_ms
    return {**found, **_fields(run.tags)}


def _fields(tags: Mapping[str, str]) -> dict[str, Any]:
    """Out of tags with a meaning."""
    start = "mlflow.source.git."
    code: dict[str, Any] = {
        here: tags[start + there]
        for here, there in (("commit", "commit"), ("branch", "branch"), ("remote", "repoURL"), ("diff", "diff"))
        if tags.get(start + there)
    }
    if tags.get(start + "dirty"):
        code["dirty"] = tags[start + "dirty"].lower() == "true"
    uri, _, digest = tags.get("mlflow.docker.image.uri", "").partition("@")
    image = {"name": uri, "digest": digest, "id": tags.get("mlflow.docker.image.id", "")}
    image = {key: value for key, value in image.items() if value}
    command = tags.get("mlflow.source.name", "")
    found = {"git": code, "image": image, "command": [command] if command else [],
             "error": tags.get("wherry.run.error", "")}  # fmt: skip
    return {key: value for key, value in found.items() if value}


def _param(text: str) -> Any:
    """A number when that is how it is written; "007" is a text."""
    for kind in (int, float):
        try:
            number: int | float = kind(text)
        except ValueError:
            continue
        if str(number) == text and math.isfinite(number):
            return number
    return text


def summaries(points: Iterable[Point]) -> dict[str, Any]:
    """As the run document has them."""
    found: dict[str, Summary] = {}
    for name, step, time, value in points:
        found.setdefault(name, Summary()).add(step, time, value)
    return {name: found[name].document() for name in sorted(found)}
