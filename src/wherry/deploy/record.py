"""ROOT/deployments: what was deployed from here, as a hint only. The truth is what the platform's tags say.

It saves typing: `wherry deploy status kubernetes iris` finds the context and namespace that were used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wherry.fs.atomic import replace_file

__all__ = ["Record", "find", "forget", "keep", "read_all"]

_LARGEST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Record:
    """`at_s` is Unix time. `options` are the target's own."""

    name: str
    target: str
    where: str
    url: str
    image: str
    at_s: int
    options: Mapping[str, Any]


def _folder(root: str) -> str:
    return os.path.join(root, "deployments")


def _path(root: str, target: str, name: str) -> str:
    return os.path.join(_folder(root), f"{target}.{name}.json")


def keep(root: str, record: Record) -> None:
    """Atomic. Raises: OSError."""
    os.makedirs(_folder(root), mode=0o700, exist_ok=True)
    document = {
        "name": record.name, "target": record.target, "where": record.where, "url": record.url,
        "image": record.image, "at": record.at_s, "options": dict(record.options),
    }  # fmt: skip
    replace_file(_path(root, record.target, record.name), json.dumps(document).encode())


def forget(root: str, target: str, name: str) -> None:
    """Idempotent."""
    try:
        os.unlink(_path(root, target, name))
    except FileNotFoundError:
        pass


def find(root: str, target: str, name: str) -> Record | None:
    """None where nothing, or nothing readable, is known: it is a hint."""
    return _read(_path(root, target, name))


def read_all(root: str) -> list[Record]:
    """By target and name."""
    try:
        files = sorted(os.listdir(_folder(root)))
    except FileNotFoundError:
        return []
    found = [_read(os.path.join(_folder(root), name)) for name in files if name.endswith(".json") and name[0] != "."]
    return [one for one in found if one]


def _read(path: str) -> Record | None:
    try:
        with open(path, "rb") as file:
            doc = json.loads(file.read(_LARGEST_BYTES))
        name, target, where, url, image = texts = [doc[key] for key in ("name", "target", "where", "url", "image")]
        if not all(isinstance(one, str) for one in texts) or not isinstance(doc["options"], dict):
            return None
        return Record(name, target, where, url, image, int(doc["at"]), doc["options"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
