"""What a model of the store is: its config, its files, and what their headers say."""

from __future__ import annotations

import os
from typing import Any

from wherry.errors import InvalidSpec
from wherry.models import media
from wherry.models.config import Described, from_config
from wherry.models.headers import Facts, merged, read_facts
from wherry.models.kinds import is_pickle
from wherry.models.pack import File, files_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.engine.models import ModelRecord

__all__ = ["described", "document"]


def described(engine: Engine, record: ModelRecord) -> Described:
    """As its config says; empty for an artifact that says nothing."""
    return from_config(engine.blobs.read(engine.models.manifest(record).config.digest))


def document(engine: Engine, name: str) -> dict[str, Any]:
    """For `model inspect`. Reads headers only. Raises: NotFound."""
    from wherry.store.images import rfc3339

    record = engine.models.resolve(name)
    manifest = engine.models.manifest(record)
    said = described(engine, record)
    files, facts = [], []
    for file in files_of(manifest, name):
        shown, found = _file(engine, file)
        files.append(shown)
        if found is not None:
            facts.append(found)
    together = merged(facts) or Facts("")
    return {
        "Id": str(record.id),
        "Names": list(record.names),
        "ArtifactType": manifest.artifact_type or manifest.config.media_type,
        "Name": said.name, "Version": said.version, "Family": said.family, "Architecture": said.architecture,
        "Format": said.format or together.format, "Parameters": said.param_size, "Precision": said.precision,
        "Quantization": said.quantization, "Licenses": list(said.licenses), "Authors": list(said.authors),
        "Description": said.description, "SourceURL": said.source_url, "Revision": said.revision,
        "Added": rfc3339(record.added_ns),
        "Size": record.size,
        "Tensors": together.tensors,
        "ParameterCount": together.parameters,
        "DTypes": dict(together.dtypes),
        "Files": files,
    }  # fmt: skip


def _file(engine: Engine, file: File) -> tuple[dict[str, Any], Facts | None]:
    layer = file.layer
    shown: dict[str, Any] = {
        "Path": file.name or "(archive)", "Kind": media.kind_of(layer.media_type), "MediaType": layer.media_type,
        "Digest": str(layer.digest), "Size": layer.size,
    }  # fmt: skip
    if not file.name:
        return shown, None
    with engine.blobs.open(layer.digest) as blob:
        fd = blob.fileno()
        if is_pickle(file.name, os.pread(fd, 4096, 0)):
            shown["Warning"] = "a pickle: loading it runs the code in it"
            return shown, None
        try:
            facts = read_facts(file.name, layer.size, lambda offset, count: os.pread(fd, count, offset))
        except InvalidSpec as fault:
            shown["Warning"] = fault.message
            return shown, None
    if facts is not None:
        shown |= {"Tensors": facts.tensors, "Parameters": facts.parameters, "DTypes": dict(facts.dtypes)}
    return shown, facts
