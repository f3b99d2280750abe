"""What differs between runs, as rows of one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["Row", "compare", "shown"]


class Row(NamedTuple):
    """`values` are in the order of the runs; "" where one says nothing."""

    kind: str
    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return len(set(self.values)) > 1


def compare(documents: Sequence[Mapping[str, Any]], *, all: bool = False) -> list[Row]:
    """Params, metrics (the last value), code, image, environment, packages; without `all` only what differs."""
    rows = [
        *_rows("run", [_head(one) for one in documents]),
        *_rows("param", [one["params"] for one in documents]),
        *_rows("metric", [{name: metric.get("last") for name, metric in one["metrics"].items()} for one in documents]),
        *_rows("tag", [one["tags"] for one in documents]),
        *_rows("artifact", [{item["name"]: item["digest"] for item in one["artifacts"]} for one in documents]),
        *_rows("code", [_code(one) for one in documents]),
        *_rows("environment", [_environment(one) for one in documents]),
        *_rows("package", [one.get("environment", {}).get("packages", {}) for one in documents]),
    ]
    return [row for row in rows if all or row.differs]


def shown(value: Any) -> str:
    """A value for people: six digits of a number, a digest's first twelve."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text[7:19] if text.startswith("sha256:") and len(text) == 71 else text


def _rows(kind: str, sides: Sequence[Mapping[str, Any]]) -> list[Row]:
    names = dict.fromkeys(name for side in sides for name in side)
    order = names if kind in {"run", "code", "environment"} else sorted(names)
    return [Row(kind, name, tuple(shown(side.get(name)) for side in sides)) for name in order]


def _head(document: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: document.get(key) for key in ("experiment", "status", "exit_code", "error")}
    if document.get("ended_ms"):
        found["seconds"] = round((document["ended_ms"] - document["started_ms"]) / 1000, 1)
    found["command"] = " ".join(document.get("command", []))
    return found


def _code(document: Mapping[str, Any]) -> dict[str, Any]:
    code, image = document.get("git", {}), document.get("image", {})
    found = {"commit": str(code.get("commit", ""))[:12], "branch": code.get("branch"), "dirty": code.get("dirty")}
    if code.get("diff"):
        from hashlib import sha256

        found["diff"] = f"{code['diff'].count(chr(10))} lines, {sha256(code['diff'].encode()).hexdigest()[:8]}"
    return {**found, "image": image.get("name"), "image id": image.get("id")}


def _environment(document: Mapping[str, Any]) -> dict[str, Any]:
    side = document.get("environment", {})
    keys = ("python", "os", "arch", "cpu", "cpu_count", "cuda", "gpu_driver")
    found = {key: side.get(key) for key in keys}
    return {**found, "gpus": ", ".join(side.get("gpus", [])), **side.get("variables", {})}
