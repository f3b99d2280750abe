"""What a step depends on, as one hash. Pure.

The key of a step is made of the *layers* below it (their DiffIDs, so that a step before it that gives the same files
as last time disturbs nothing), of the operation, and of the content that it brings in. What a RUN really read is not
in it: that is another kind of key beside this one (weakkey; the table `step` says which kind a row is of).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256

from wherry.build.graph import Copy, Run, Source, Vertex, Workdir
from wherry.build.owner import is_numeric
from wherry.build.tree import Entry
from wherry.oci.digest import DiffID

__all__ = ["VERSION", "content", "operation", "step_key"]

VERSION = 3


def content(matches: Sequence[tuple[str, Sequence[Entry]]], digests: Mapping[str, str]) -> str:
    """The digest of what a COPY brings: of each match its name, and of each entry below it type, mode, owner and
    content, a link's target, a device's number. No times.
    """
    hashed = sha256()
    for name, entries in matches:
        hashed.update(json.dumps(["match", name]).encode())
        for one in entries:
            fields = [
                one.path, one.mode, one.uid, one.gid, one.rdev, one.link, one.hard,
                [[key, value.hex()] for key, value in one.xattrs], digests.get(one.source, ""),
            ]  # fmt: skip
            hashed.update(json.dumps(fields, ensure_ascii=True).encode())
    return hashed.hexdigest()


def step_key(
    vertex: Vertex,
    below: Sequence[DiffID],
    inputs: Sequence[Sequence[DiffID]],
    contents: str,
    shape: Sequence[object],
) -> str:
    """`below` are the parent's layers, `inputs` those of `vertex.inputs` (base first); `contents` is `content(...)` of
    what comes from the build context, "" when nothing does. `shape` is what else shapes the layers (Bench.shape).
    """
    op = vertex.op
    fields: list[object] = [VERSION, type(op).__name__, vertex.platform, list(shape), contents]
    fields.append(list(map(list, inputs)))
    if not (isinstance(op, Copy) and _stands_alone(op)):
        fields.append(list(below))
    fields.append(operation(op))
    return sha256(json.dumps(fields, ensure_ascii=True).encode()).hexdigest()


def _stands_alone(op: Copy) -> bool:
    """--link makes its layer without looking at what is below, unless a name must be looked up there."""
    return op.link and is_numeric(op.chown or "0")


def operation(op: object) -> list[object]:
    """All that it says, for a key."""
    if isinstance(op, Run):
        script = [op.script[0], op.script[1].hex()] if op.script else None
        # hidden_env is left out: proxies change how a step fetches, not what
        return [
            op.argv, op.env, op.user, op.workdir, op.network, script, [list(one) for one in op.mounts],
            op.hosts, op.shm_size, op.ulimits,
        ]  # fmt: skip
    if isinstance(op, Copy):
        files = [[file.name, sha256(file.data).hexdigest()] for file in op.files]
        return [
            op.sources, op.dest, files, op.from_stage, op.chown, op.chmod, op.link, op.parents, op.excludes, op.unpack,
        ]  # fmt: skip
    if isinstance(op, Workdir):
        return [op.path, op.user]
    assert isinstance(op, Source)
    return [op.image, list(op.layers)]
