"""The words of the ModelPack specification: media types and annotations of a model as an OCI artifact.

Spec: https://github.com/modelpack/model-spec/blob/v0.0.7/docs/spec.md and specs-go/v1/mediatype.go, annotations.go.
"""

from __future__ import annotations

from wherry.oci import mediatype

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ARTIFACT", "CODE", "CONFIG", "DATASET", "DOC", "FILEPATH", "KINDS", "METADATA", "TITLE", "UNTESTED", "WEIGHT",
    "WEIGHT_CONFIG", "is_tar", "kind_of", "raw",
]  # fmt: skip

ARTIFACT = "application/vnd.cncf.model.manifest.v1+json"
CONFIG = "application/vnd.cncf.model.config.v1+json"

FILEPATH = "org.cncf.model.filepath"
METADATA = "org.cncf.model.file.metadata+json"
UNTESTED = "org.cncf.model.file.mediatype.untested"
# Not of ModelPack: where ORAS and all that copies it look for a file's name
TITLE = "org.opencontainers.image.title"

_UNPACK = "io.deis.oras.content.unpack"

WEIGHT, WEIGHT_CONFIG, DOC, CODE, DATASET = "weight", "weight.config", "doc", "code", "dataset"
KINDS = (WEIGHT, WEIGHT_CONFIG, DOC, CODE, DATASET)
"""What a file of a model is, as the middle of its media type says it."""

_START = "application/vnd.cncf.model."
# Of others that say the same in their own words
_FOREIGN = {
    "application/vnd.docker.ai.gguf.v3": WEIGHT,
    "application/vnd.docker.ai.gguf.v3.lora": WEIGHT,
    "application/vnd.docker.ai.mmproj": WEIGHT,
    "application/vnd.docker.ai.safetensors": WEIGHT,
    "application/vnd.docker.ai.license": DOC,
    "application/vnd.docker.ai.chat.template.jinja": WEIGHT_CONFIG,
    "application/vnd.docker.ai.vllm.config.tar": WEIGHT_CONFIG,
}
_KITOPS = {"model": WEIGHT, "modelpart": WEIGHT, "dataset": DATASET, "datasets": DATASET, "code": CODE, "docs": DOC}


def raw(kind: str) -> str:
    """The media type of a file as it is: `raw("weight")` is application/vnd.cncf.model.weight.v1.raw."""
    return f"{_START}{kind}.v1.raw"


def kind_of(media_type: str) -> str:
    """The kind that a layer's media type names, ModelPack's, docker's or KitOps'; "" for one that says nothing."""
    if media_type.startswith(_START):
        kind = media_type.removeprefix(_START).partition(".v1.")[0]
        return kind if kind in KINDS else ""
    if media_type.startswith("application/vnd.kitops.modelkit."):
        return _KITOPS.get(media_type.removeprefix("application/vnd.kitops.modelkit.").partition(".")[0], "")
    return _FOREIGN.get(media_type, "")


def is_tar(media_type: str, annotations: Mapping[str, str]) -> bool:
    """Whether a layer is an archive to unpack, compressed or not: ".tar", ".tar+gzip", and docker's layers too.

    ORAS sends a plain file as an image layer's tar when nobody names a type; of folders, which are tars, it says so.
    """
    import re

    if media_type in mediatype.LAYERS and annotations.get(TITLE):
        return annotations.get(_UNPACK) == "true"
    return "tar" in re.split(r"[.+]", media_type)
