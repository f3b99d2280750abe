"""Documents as text, and the files of --output."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from wherry.deploy.target import Document
from wherry.errors import Conflict, InputError
from wherry.fs.atomic import replace_file

__all__ = ["dump", "dump_all", "save"]

_LARGEST_BYTES = 16 << 20


def save(folder: str, documents: Sequence[Document]) -> list[str]:
    """The paths. A file that we wrote is replaced, another one stays: template.yaml and compose.yaml are names that
    a project may have taken. Raises: Conflict before anything is written, InputError.
    """
    paths = [os.path.join(folder, one.name) for one in documents]
    try:
        os.makedirs(folder, exist_ok=True)
        for path in paths:
            if os.path.lexists(path) and not _is_ours(path):
                raise Conflict(f"nothing was written: {path} is there already, and no document of a deployment",
                               hint="another folder: --output DIR")  # fmt: skip
        for path, document in zip(paths, documents, strict=True):
            replace_file(path, document.text.encode(), 0o644)
    except OSError as fault:
        raise InputError(f"cannot write to {folder}: {fault.strerror}") from None
    return paths


def _is_ours(path: str) -> bool:
    """Each document names wherry, in a label or a tag at least; what `wherry init` wrote is the project's own."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        data = file.read(_LARGEST_BYTES)
    return b"wherry" in data and b"wherry init" not in data


def dump(value: Any) -> str:
    """YAML as people keep it: keys in the given order, block style, no anchors."""
    import yaml

    class Plain(yaml.SafeDumper):  # type: ignore[misc]
        def ignore_aliases(self, data: Any) -> bool:
            return True

    text: str = yaml.dump(value, Dumper=Plain, sort_keys=False, default_flow_style=False, allow_unicode=True, width=120)
    return text


def dump_all(values: Sequence[Any]) -> str:
    """Several documents in one file."""
    return "---\n".join(map(dump, values))
