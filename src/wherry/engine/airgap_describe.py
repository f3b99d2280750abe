"""What a bundle holds, for people and programs: read from its first part alone."""

from __future__ import annotations

from wherry.airgap.layout import layout
from wherry.engine.airgap_parts import open_parts
from wherry.engine.airgap_source import read_document
from wherry.oci.digest import Digest
from wherry.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from wherry.airgap.document import Bundle, Image
    from wherry.engine import Engine

__all__ = ["describe"]


def describe(engine: Engine, paths: Sequence[str | int]) -> dict[str, Any]:
    """JSON values with docker's kind of names. `Here` is how many bytes were found. Raises: InputError, InvalidSpec."""
    parts = open_parts(paths, engine.scratch)
    try:
        data, bundle = read_document(parts)
        _, total = layout(data, bundle.files)
        count = -(-total // parts.parts[0].size)
        here = parts.size
    finally:
        parts.close()
    return {
        "ID": str(Digest.of(data)),
        "Size": total,
        "Here": here,
        "Parts": count,
        "Images": [_image(one, bundle) for one in bundle.images],
        "Models": [
            {"ID": str(one.id), "Names": [_short(name) for name in one.names], "Size": one.size}
            for one in bundle.models
        ],
        "Project": _project(bundle),
        "Since": [
            {
                "ID": str(one.id), "Name": one.name,
                "Blobs": sum(blob.of == one.id for blob in bundle.absent),
                "Size": sum(blob.size for blob in bundle.absent if blob.of == one.id),
            }
            for one in bundle.since
        ],
        "Files": [{"Name": one.name, "Size": one.size, "Digest": str(one.digest)} for one in bundle.files],
    }  # fmt: skip


def _image(one: Image, bundle: Bundle) -> dict[str, Any]:
    return {
        "ID": str(one.id),
        "Names": [_short(name) for name in one.names],
        "Digest": str(one.manifest),
        "Platform": one.platform,
        "Size": one.size,
        "Attached": [
            {"ArtifactType": each.artifact_type, "Title": each.title, "Size": each.size, "Digest": str(each.digest)}
            for each in bundle.attached
            if each.image == one.id
        ],
    }


def _project(bundle: Bundle) -> dict[str, Any] | None:
    found = bundle.project
    return found and {"Name": found.name, "Files": list(found.files), "Digest": str(found.manifest)}


def _short(name: str) -> str:
    return Reference.parse(name).familiar
