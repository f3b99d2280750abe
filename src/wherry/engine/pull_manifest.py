"""`manifest inspect`: what a registry keeps under a name, without fetching the image."""

from __future__ import annotations

import base64
import json
from typing import Any

from wherry.errors import NotFound
from wherry.oci import mediatype
from wherry.oci.manifest import Index, Manifest
from wherry.oci.reference import Reference
from wherry.registry import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.engine.pull_source import Sources
    from wherry.registry.client import FetchedManifest

__all__ = ["inspect"]

_CONFIG_LIMIT = 8 << 20
_DOCKER = (mediatype.DOCKER_MANIFEST, mediatype.DOCKER_LIST)


def inspect(engine: Engine, text: str, *, verbose: bool = False, insecure: bool = False) -> Any:
    """The document's JSON; with `verbose` docker's longer form: an object, or a list of one for each manifest.

    `insecure` takes a certificate that can't be checked, and http. Raises: NotFound, InvalidSpec, RegistryError.
    """
    from wherry.cancel import Cancel
    from wherry.engine.pull_source import sources

    reference, cancel = Reference.parse(text), Cancel()
    asked = sources(engine.registries, reference, insecure=insecure)
    try:
        top = asked.manifest(reference.digest or reference.tag, cancel)
    except NotFound as fault:
        raise NotFound(f"no such manifest: {reference.familiar}", hint=fault.hint) from None
    found = select.document(top)
    if not verbose:
        # Differs from docker: it leaves out what its own types don't have, as the annotations of an index
        return json.loads(top.data)
    if isinstance(found, Manifest):
        return _described(asked, top, found, reference.familiar, {})
    return _each(asked, found, reference)


def _each(asked: Sources, index: Index, reference: Reference) -> list[Any]:
    from wherry.cancel import Cancel

    documents = []
    for entry in index.manifests:
        fetched = asked.manifest(entry.digest, Cancel())
        inner = select.document(fetched)
        name = f"{reference._replace(digest=None).familiar}@{entry.digest}"
        if isinstance(inner, Manifest):
            documents.append(_described(asked, fetched, inner, name, entry.to_json()))
        else:
            descriptor = {"mediaType": entry.media_type, "digest": entry.digest, "size": entry.size}
            documents.append({"Ref": name, "Descriptor": descriptor, "Raw": _raw(fetched)})
    return documents


def _described(
    asked: Sources, fetched: FetchedManifest, manifest: Manifest, name: str, entry: dict[str, Any]
) -> dict[str, Any]:
    """In the order of docker's `types.ImageManifest`."""
    descriptor: dict[str, Any] = {
        "mediaType": manifest.media_type, "digest": fetched.digest, "size": len(fetched.data),
    }  # fmt: skip
    if where := entry.get("platform") or _platform(asked, manifest):
        descriptor["platform"] = where
    kind = "SchemaV2Manifest" if manifest.media_type in _DOCKER else "OCIManifest"
    return {"Ref": name, "Descriptor": descriptor, "Raw": _raw(fetched), kind: json.loads(fetched.data)}


def _platform(asked: Sources, manifest: Manifest) -> dict[str, str]:
    """What the config says; nothing of an artifact."""
    from wherry.cancel import Cancel
    from wherry.oci.config import ImageConfig

    if manifest.config.media_type not in mediatype.CONFIGS:
        return {}
    config = asked.small_blob(manifest.config, _CONFIG_LIMIT, "the image's config", Cancel())
    os, architecture, variant = ImageConfig.from_bytes(config).platform
    return {"architecture": architecture, "os": os} | ({"variant": variant} if variant else {})


def _raw(fetched: FetchedManifest) -> str:
    return base64.b64encode(fetched.data).decode()
