"""What a step is made of, under names that people know: to be remembered, and compared with the next build's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256

from wherry.build.explain_memory import MOST_FILES, Facts
from wherry.build.explain_names import shown
from wherry.build.graph import Copy, Run, Source, Workdir
from wherry.build.job import Job, Outcome

__all__ = ["ORDER", "facts_of", "files_of", "place"]

ORDER = "the order of ENV and ARG"

_PREFIX = re.compile(r"^\[(?:([^\s\]]+) )? *(\d+)/\d+\] ", re.ASCII)


def place(name: str) -> tuple[str, int, str]:
    """ "[build 2/4] RUN x" → ("build", 2, "RUN x")."""
    found = _PREFIX.match(name)
    return (found[1] or "", int(found[2]), shown(name[found.end() :])) if found else ("", 0, shown(name))


def facts_of(job: Job, shape: Sequence[object], outcomes: Mapping[int, Outcome]) -> Facts:
    stage, number, text = place(job.vertex.name)
    parts = {
        "platform": job.vertex.platform,
        "the time for new files or how steps are split": _hash(list(shape)),
        "inputs": _hash([list(one) for one in job.inputs]),
        "contents": job.contents,
        **_parts(job.vertex.op),
    }
    kind = type(job.vertex.op).__name__
    return Facts(stage, number, kind, text, parts, tuple(job.below.layers), _base(job, outcomes), job.key)


def _base(job: Job, outcomes: Mapping[int, Outcome]) -> int:
    """How many of the layers below are those of the image that the stage began with."""
    while job.vertex.parent is not None and job.vertex.parent in outcomes:
        job = outcomes[job.vertex.parent].job
    return len(job.vertex.op.layers) if isinstance(job.vertex.op, Source) else 0


def _parts(op: object) -> dict[str, str]:
    if isinstance(op, Run):
        return {
            "the command": _hash([op.argv, op.script and [op.script[0], op.script[1].hex()]]),
            **{f"env {word.partition('=')[0]}": _hash(word) for word in op.env},
            "USER": op.user,
            "WORKDIR": op.workdir,
            "the network": op.network,
            "the mounts": _hash([list(one) for one in op.mounts]),
            "the hosts": _hash(op.hosts),
            "the limits": _hash([op.shm_size, op.ulimits]),
            ORDER: _hash([word.partition("=")[0] for word in op.env]),
        }
    if isinstance(op, Copy):
        files = [[file.name, sha256(file.data).hexdigest()] for file in op.files]
        return {"the instruction": _hash([*op._replace(files=()), files])}
    assert isinstance(op, Workdir)
    return {"the instruction": _hash([op.path, op.user])}


def files_of(job: Job) -> dict[str, str]:
    """Of a COPY from the context: each file's name there, and what stands for all of it that matters.

    When they are too many, whole folders stand for what is in them.
    """
    found: dict[str, str] = {}
    for one in job.gathered:
        for entry in one.entries:
            if entry.is_folder:
                continue
            content = job.digests.get(entry.source, "")
            # Quick: there may be many thousands
            found[entry.source] = f"{entry.mode:o} {entry.uid} {entry.gid} {entry.rdev} {entry.link}{content[:16]}"
    depth = max((name.count("/") for name in found), default=0)
    while len(found) > MOST_FILES:
        depth -= 1
        if depth < 0:
            return {}
        found = _folded(found, depth)
    return {shown(name): one for name, one in found.items()}


def _folded(files: Mapping[str, str], depth: int) -> dict[str, str]:
    """With one entry for each folder at `depth`."""
    folders: dict[str, list[str]] = {}
    for name, one in files.items():
        parts = name.split("/")
        short = "/".join(parts[: depth + 1]) + ("/" if len(parts) > depth + 1 else "")
        folders.setdefault(short, []).append(name + one)
    return {name: _hash(sorted(ones)) for name, ones in folders.items()}


def _hash(value: object) -> str:
    return sha256(json.dumps(value, default=str).encode()).hexdigest()[:16]
