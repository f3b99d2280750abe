"""Which runs are meant, and in which order: `--filter status=failed`, `--filter metric.acc>0.9`, `--sort param.lr`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from wherry.errors import InputError, nearest
from wherry.track.points import number_in

__all__ = ["Condition", "duration", "matches", "parse", "sort", "value_of"]

Document = Mapping[str, Any]
_FIELDS = ("id", "name", "experiment", "status", "image", "commit", "started", "duration", "data", "artifact",
           "promoted")  # fmt: skip
_FILES = {"data": "data", "artifact": "artifacts"}
_SHAPE = re.compile(r"([^<>=!]+?)\s*(<=|>=|!=|==|=|<|>)\s*(.*)", re.DOTALL)


class Condition(NamedTuple):
    """`key` is a field, or param.NAME, metric.NAME (the last value; metric.NAME.min and .max), tag.NAME."""

    key: str
    operator: str
    value: str


def parse(texts: Sequence[str]) -> tuple[Condition, ...]:
    """Raises: InputError."""
    found = []
    for text in texts:
        shape = _SHAPE.fullmatch(text)
        if shape is None:
            raise InputError(f"invalid filter {text[:80]!r}", hint="KEY=VALUE, param.lr<0.1 or metric.acc>=0.9")
        key, operator, value = shape[1].strip(), shape[2].replace("==", "="), shape[3]
        _check(key)
        if operator in {"<", "<=", ">", ">="} and number_in(_number(value)) is None:
            raise InputError(f"invalid filter {text[:80]!r}: {value[:40]!r} is no number")
        found.append(Condition(key, operator, value))
    return tuple(found)


def matches(document: Document, conditions: Sequence[Condition]) -> bool:
    """Values of one key with "=" are alternatives, as in docker's filters; all else must hold together."""
    equal: dict[str, list[Condition]] = {}
    for one in conditions:
        if one.operator == "=":
            equal.setdefault(one.key, []).append(one)
        elif not _holds(document, one):
            return False
    return all(any(_holds(document, one) for one in some) for some in equal.values())


def sort(documents: Sequence[Document], key: str) -> list[Document]:
    """By `key`, the least first; "-KEY" the greatest first. Runs without it come last. Raises: InputError."""
    name = key.removeprefix("-")
    _check(name)
    there = [one for one in documents if not _is_none(value_of(one, name))]
    lacking = [one for one in documents if _is_none(value_of(one, name))]
    order: Callable[[Document], Any] = lambda one: _order(value_of(one, name))  # noqa: E731
    return sorted(there, key=order, reverse=key.startswith("-")) + lacking


def value_of(document: Document, key: str) -> Any:
    """What a run says for a key; None when it does not say."""
    kind, dot, name = key.partition(".")
    if dot and kind in {"param", "tag"}:
        return document[f"{kind}s"].get(name)
    if dot and kind == "metric":
        metric, which = document["metrics"].get(name), "last"
        if metric is None:
            head, _, tail = name.rpartition(".")
            metric, which = (document["metrics"].get(head), tail) if tail in {"min", "max", "last"} else (None, "")
        return number_in(metric.get(which)) if metric else None
    if key == "started":
        return document.get("started_ms")
    if key == "duration":
        return duration(document)
    if key == "commit":
        return document.get("git", {}).get("commit")
    if key == "image":
        image = document.get("image", {})
        return image.get("name") or image.get("id")
    return document.get(key)


def duration(document: Document) -> float | None:
    """Seconds; None while it runs."""
    return (document["ended_ms"] - document["started_ms"]) / 1000 if document.get("ended_ms") else None


def _check(key: str) -> None:
    kind, dot, name = key.partition(".")
    if (dot and kind in {"param", "tag", "metric"} and name) or key in _FIELDS:
        return
    close = nearest(key, [*_FIELDS, "param.", "metric.", "tag."])
    raise InputError(
        f"runs have no {key[:60]!r}",
        hint=f"did you mean {close}?" if close else f"{', '.join(_FIELDS)}, param.NAME, metric.NAME, tag.NAME",
    )


def _holds(document: Document, one: Condition) -> bool:
    value = value_of(document, one.key)
    if one.operator in {"=", "!="}:
        return _is(document, value, one) == (one.operator == "=")
    number, limit = number_in(_number(value)), number_in(_number(one.value))
    if number is None or limit is None:
        return False
    return {"<": number < limit, "<=": number <= limit, ">": number > limit, ">=": number >= limit}[one.operator]


def _is(document: Document, value: Any, one: Condition) -> bool:
    if one.key in _FILES:
        return any(_is_called(one.value, item["name"], item["digest"]) for item in document.get(_FILES[one.key], ()))
    if one.key == "promoted":
        images = [item["image"] for item in document.get("promoted", ())]
        return any(_is_called(one.value, item["name"], item["id"]) for item in images)
    if value is None:
        return False
    if one.key == "image":
        image = document.get("image", {})
        return _is_called(one.value, *(str(image.get(key, "")) for key in ("name", "id", "digest")))
    if one.key in {"id", "commit"}:
        return str(value).startswith(one.value)
    number, wanted = number_in(value), number_in(_number(one.value))
    if number is not None and wanted is not None and not isinstance(value, bool):
        return number == wanted
    return fnmatchcase(_text(value), one.value)


def _is_called(wanted: str, *names: str) -> bool:
    """By name, or the start of a digest, with or without its sha256:."""
    digest = "sha256:" + wanted.removeprefix("sha256:")
    return any(name and (fnmatchcase(name, wanted) or (wanted and name.startswith(digest))) for name in names)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return value


def _is_none(value: Any) -> bool:
    return value is None or value != value  # noqa: PLR0124  # NaN has no place in an order


def _order(value: Any) -> tuple[int, float, str]:
    number = number_in(value)
    return (1, 0.0, str(value)) if number is None else (0, number, "")
