"""The run document: all that is known of a run, as JSON. Written by wherry.track, checked here when others sent it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from wherry.errors import InvalidSpec, Unsupported
from wherry.track.points import number_out
from wherry.track.record import STATUSES
from wherry.track.shape import is_digest, is_id, shaped

__all__ = ["Parts", "check_name", "decode", "encode", "split"]

_LIMIT_BYTES = 64 << 20
_SCHEMA = 1
_REQUIRED = {"id": str, "name": str, "experiment": str, "started_ms": int, "status": str, "params": dict, "tags": dict,
             "metrics": dict, "artifacts": list}  # fmt: skip
_OPTIONAL = {"ended_ms": int, "exit_code": int, "error": str, "command": list, "git": dict, "image": dict,
             "container": dict, "environment": dict, "parent": str, "folder": str, "schema": int, "data": list,
             "promoted": list}  # fmt: skip
# What is read out of an object without a second look
_INSIDE: dict[str, dict[str, Any]] = {
    "git": {"commit": str, "branch": str, "remote": str, "diff": str, "untracked": list},
    "image": {"name": str, "id": str, "digest": str, "revision": str, "source": str},
    "container": {"id": str, "name": str}, "environment": {"packages": dict, "variables": dict, "gpus": list},
}  # fmt: skip
_END = ("status", "exit_code", "error", "ended_ms", "metrics")


class Parts(NamedTuple):
    """What a run's folder holds of its document: run.json, the lines of events.jsonl, end.json."""

    start: dict[str, Any]
    events: list[dict[str, Any]]
    end: dict[str, Any]


def encode(document: Mapping[str, Any]) -> bytes:
    """The same bytes for the same document, whatever the order in which its folder told it."""
    whole = {key: _plain(document[key]) for key in sorted(document)}
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _plain(value: Any) -> Any:
    """JSON has no NaN: a file that another program wrote may have."""
    if isinstance(value, float):
        return number_out(value)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def decode(data: bytes, what: str) -> dict[str, Any]:
    """A document that somebody sent. Raises: InvalidSpec; Unsupported for one of a later wherry."""
    if len(data) > _LIMIT_BYTES:
        raise InvalidSpec(f"{what}: a run document of {len(data)} bytes is too much")
    try:
        document: Any = _plain(json.loads(data))
    except (ValueError, RecursionError) as fault:
        raise InvalidSpec(f"{what}: the run document is no JSON: {fault}") from None
    if not isinstance(document, dict):
        raise InvalidSpec(f"{what}: the run document is no JSON object")
    if isinstance(document.get("schema"), int) and document["schema"] > _SCHEMA:
        raise Unsupported(f"{what}: a run document of schema {document['schema']}", hint="a later wherry reads it")
    _check_types(document, what)
    _check_values(document, what)
    # As its folder will give it back
    kept = shaped(document, document["id"])
    if other := [key for key in document if document[key] != kept.get(key)]:
        raise InvalidSpec(f"{what}: {_shown(other[0])} of the run document can't be right")
    files = ({key: one[key] for key in ("name", "digest", "size")} for one in document["artifacts"])
    document["artifacts"] = sorted(files, key=lambda one: str(one["name"]))
    # Of one machine, and never in a document that wherry sent
    return {key: value for key, value in document.items() if key not in {"boot_id", "pid"}}


def _check_types(document: Mapping[str, Any], what: str) -> None:
    for key, kind in {**_REQUIRED, **_OPTIONAL}.items():
        value = document.get(key)
        if key not in document and key in _OPTIONAL:
            continue
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InvalidSpec(f"{what}: {key} of the run document is {_shown(value)}, not a JSON {_KINDS[kind]}")
    texts = {"tags": document["tags"].values(), "command": document.get("command", ())}
    for key, values in texts.items():
        if not all(isinstance(one, str) for one in values):
            raise InvalidSpec(f"{what}: {key} of the run document has what is no text")
    for outer, members in _INSIDE.items():
        for key, kind in members.items():
            inner = document.get(outer, {}).get(key, kind())
            if not isinstance(inner, kind) or (kind is list and not all(isinstance(one, str) for one in inner)):
                raise InvalidSpec(f"{what}: {outer}.{key} of the run document is {_shown(inner)}")
    if not all(isinstance(one, dict) for one in document["metrics"].values()):
        raise InvalidSpec(f"{what}: metrics of the run document have no summaries")
    if not all(_is_data(one) for one in document.get("data", ())) or not all(
        _is_promotion(one) for one in document.get("promoted", ())
    ):
        raise InvalidSpec(f"{what}: data or promotions of the run document can't be right")


def _is_data(one: Any) -> bool:
    kinds = {"name": str, "digest": str, "size": int}
    return isinstance(one, dict) and all(isinstance(one.get(key), kind) for key, kind in kinds.items())


def _is_promotion(one: Any) -> bool:
    if not isinstance(one, dict) or not isinstance(one.get("image"), dict) or not isinstance(one.get("at_ms"), int):
        return False
    return all(isinstance(one["image"].get(key), str) for key in ("name", "id"))


_KINDS = {str: "string", int: "integer", dict: "object", list: "array"}


def _check_values(document: Mapping[str, Any], what: str) -> None:
    if not is_id(document["id"]):
        raise InvalidSpec(f"{what}: a run's id is 32 hexadecimal digits, not {_shown(document['id'])}")
    if document["status"] not in STATUSES:
        raise InvalidSpec(f"{what}: a run's status is not {_shown(document['status'])}")
    seen = set()
    for one in document["artifacts"]:
        if not isinstance(one, dict) or not isinstance(one.get("name"), str) or not isinstance(one.get("digest"), str):
            raise InvalidSpec(f"{what}: an artifact of the run document has no name or no digest")
        check_name(one["name"], what)
        is_size = isinstance(one.get("size"), int) and one["size"] >= 0
        if not is_digest(one["digest"]) or not is_size or one["name"] in seen:
            raise InvalidSpec(f"{what}: artifact {_shown(one['name'])} of the run document can't be right")
        seen.add(one["name"])


def check_name(name: str, what: str) -> None:
    """Raises: InvalidSpec for an artifact's name that would lead out of a folder."""
    if name.startswith("/") or re.search(r"[\0-\x1f]", name) or {"", ".", ".."} & set(name.split("/")):
        raise InvalidSpec(f"{what}: an artifact is named {_shown(name)}", hint="nothing was written")


def split(document: Mapping[str, Any]) -> Parts:
    """So that `wherry.track.record.read` of a folder with these gives the document again."""
    start = {key: value for key, value in document.items() if key not in {*_END, "artifacts"}}
    events = [{"type": "artifact", **one} for one in document["artifacts"]]
    return Parts(start, events, {key: document[key] for key in _END if key in document})


def _shown(value: Any) -> str:
    return repr(value)[:80]
