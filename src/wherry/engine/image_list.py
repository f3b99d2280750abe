"""Filters of `images`, and `history`."""

from __future__ import annotations

import re
import time
from typing import NamedTuple

from wherry.engine.filters import boolean, has_label, parse_moment
from wherry.errors import InputError
from wherry.oci.reference import Reference
from wherry.store.images import created_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wherry.engine import Engine
    from wherry.engine.filters import Filter
    from wherry.store.images import ImageRecord

__all__ = ["KEYS", "HistoryRow", "compiled", "filtered", "history"]


KEYS = ("dangling", "reference", "label", "label!", "before", "since", "until")


class HistoryRow(NamedTuple):
    """One step. `image` is the id for the newest, "<missing>" else; `size` of its layer's tar, 0 without one."""

    image: str
    created_ns: int
    created_by: str
    size: int
    comment: str


def filtered(engine: Engine, records: Sequence[ImageRecord], filters: Sequence[Filter]) -> list[ImageRecord]:
    """Those that pass: values of one key are alternatives (labels must all be there), keys must all hold."""
    kept = list(records)
    if given := [one.value for one in filters if one.key == "dangling"]:
        wanted = boolean("dangling", given)
        kept = [record for record in kept if (not record.tags) == wanted]
    patterns = [compiled(one.value) for one in filters if one.key == "reference"]
    if patterns:
        kept = [named for record in kept if (named := _matching(record, patterns)).references]
    for one in filters:
        if one.key in {"label", "label!"}:
            wanted = one.key == "label"
            kept = [record for record in kept if has_label(_labels(engine, record), one.value) == wanted]
        elif one.key == "before":
            limit = engine.images.resolve(one.value).created_ns
            kept = [record for record in kept if record.created_ns < limit]
        elif one.key == "since":
            limit = engine.images.resolve(one.value).created_ns
            kept = [record for record in kept if record.created_ns > limit]
        elif one.key == "until":
            limit = parse_moment(one.value, time.time_ns())
            kept = [record for record in kept if record.created_ns < limit]
    return kept


def _labels(engine: Engine, record: ImageRecord) -> Mapping[str, str]:
    return engine.images.config(record.id).config.labels


def _matching(record: ImageRecord, patterns: Sequence[re.Pattern[str]]) -> ImageRecord:
    names = tuple(name for name in record.references if any(_fits(name, pattern) for pattern in patterns))
    return record._replace(references=names)


def _fits(name: str, pattern: re.Pattern[str]) -> bool:
    """As distribution's FamiliarMatch: the pattern against `name:tag` and against `name`; `*` stops at "/"."""
    reference = Reference.known(name)
    return any(pattern.fullmatch(text) for text in (reference.familiar, reference.familiar_name))


def compiled(pattern: str) -> re.Pattern[str]:
    """Go's path.Match as a regular expression. Raises: InputError."""
    try:
        return re.compile(_translated(pattern), re.DOTALL)
    except re.error:
        raise _bad_pattern() from None


def _bad_pattern() -> InputError:
    return InputError("syntax error in pattern", hint="a [ needs its ], and a range goes upwards")


def _translated(pattern: str) -> str:
    out, i = [], 0
    while i < len(pattern):
        char = pattern[i]
        i += 1
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            end = pattern.find("]", i + 1)
            if end < 0:
                raise _bad_pattern()
            out.append(_character_class(pattern[i:end]))
            i = end + 1
        elif char == "\\" and i < len(pattern):
            out.append(re.escape(pattern[i]))
            i += 1
        else:
            out.append(re.escape(char))
    return "".join(out)


def _character_class(text: str) -> str:
    """What stands between "[" and "]": characters and ranges, with "^" in front all others but "/"."""
    negated = text.startswith("^")
    rest, parts = text.removeprefix("^"), []
    while rest:
        if len(rest) >= 3 and rest[1] == "-":
            parts.append(f"{re.escape(rest[0])}-{re.escape(rest[2])}")
            rest = rest[3:]
        else:
            parts.append(re.escape(rest[0]))
            rest = rest[1:]
    return f"[{'^/' if negated else ''}{''.join(parts)}]"


def _packages(folder: str) -> str:
    from wherry.image.packages.layer import look

    try:
        packages = look(folder).packages
    except (FileNotFoundError, PermissionError):
        return ""
    return f"wherry: {', '.join(map(str, packages))}" if packages else ""


def history(engine: Engine, record: ImageRecord, *, whole: bool = False) -> list[HistoryRow]:
    """The newest step first; layers without a history entry are listed too. `whole`: where the comment names some of a
    layer's packages, it names all.
    """
    config = engine.images.config(record.id)
    layers = list(record.layers)
    rows = []
    for step in config.history:
        size, comment = 0, step.comment
        if not step.empty_layer and layers:
            layer = engine.layers.get(layers.pop(0))
            size = layer.size
            if whole and comment.startswith("wherry: "):
                comment = _packages(engine.layers.path(layer.diff_id)) or comment
        rows.append(HistoryRow("<missing>", created_ns(step.created), step.created_by, size, comment))
    rows += [HistoryRow("<missing>", 0, "", engine.layers.get(diff_id).size, "") for diff_id in layers]
    rows.reverse()
    if rows:
        rows[0] = rows[0]._replace(image=record.id)
    return rows
