"""A run as an OCI artifact: its document is the config, its points one layer, each file that it kept another. Pure.

Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidelines-for-artifact-usage
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from wherry.errors import InputError, InvalidSpec, Unsupported
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.runs.document import check_name, decode, encode

__all__ = ["ARTIFACT", "CONFIG", "CREATED", "FILE", "METRICS", "Packed", "Run", "check", "files_of", "pack", "unpack"]

ARTIFACT = "application/vnd.wherry.run.v1+json"
CONFIG = "application/vnd.wherry.run.config.v1+json"
METRICS = "application/vnd.wherry.run.metrics.v1.tar+zstd"
FILE = "application/vnd.wherry.run.artifact.v1"

TITLE = "org.opencontainers.image.title"
CREATED = "org.opencontainers.image.created"
_POINTS_TITLE = "metrics.tar.zst"
_EMPTY = Descriptor(mediatype.EMPTY, Digest.of(b"{}"), 2)


class Packed(NamedTuple):
    """`manifest` and `config` as they are sent."""

    manifest: Manifest
    data: bytes
    config: bytes

    @property
    def is_empty(self) -> bool:
        """Whether its one layer is `{}`: a run without points and files."""
        return self.manifest.layers == (_EMPTY,)


class Run(NamedTuple):
    """What an artifact holds. `points` is None for a run without. A blob of two names is in `files` twice."""

    document: dict[str, Any]
    points: Descriptor | None
    files: tuple[tuple[str, Descriptor], ...]


def pack(document: Mapping[str, Any], points: Descriptor | None, subject: Descriptor | None) -> Packed:
    """The same run gives the same bytes. `subject` is its image's manifest, where the artifact is to be beside that.

    Raises: InvalidSpec for names of artifacts that nobody could pull.
    """
    what = f"run {document['name']}"
    layers = []
    names = [one["name"] for one in document["artifacts"]]
    if points:
        # What `oras pull` calls it, unless the run kept a file of that name
        said = {} if _POINTS_TITLE in names else {TITLE: _POINTS_TITLE}
        layers.append(Descriptor(METRICS, points.digest, points.size, said))
    for one in document["artifacts"]:
        check_name(one["name"], what)
        layers.append(Descriptor(FILE, Digest.parse(one["digest"]), one["size"], {TITLE: one["name"]}))
    config = encode(document)
    manifest = Manifest(
        Descriptor(CONFIG, Digest.of(config), len(config)), tuple(layers) or (_EMPTY,), artifact_type=ARTIFACT,
        # Only what identifies it: the platform and annotations of an index entry are no part of a subject
        subject=Descriptor(subject.media_type, subject.digest, subject.size) if subject else None,
        annotations={
            TITLE: document["name"], CREATED: _moment(document["started_ms"]), "dev.wherry.run.id": document["id"],
            "dev.wherry.run.experiment": document["experiment"], "dev.wherry.run.status": document["status"],
        },
    )  # fmt: skip
    return Packed(manifest, manifest.to_bytes(), config)


def _moment(ms: int) -> str:
    """RFC 3339; of what a clock can't have been, the beginning of time."""
    try:
        return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "1970-01-01T00:00:00Z"


def check(manifest: Manifest, what: str) -> None:
    """Whether it is a run at all, before anything is fetched.

    Raises: InputError naming what it is instead; Unsupported for one of a later wherry.
    """
    kind = manifest.artifact_type or manifest.config.media_type
    if manifest.config.media_type == CONFIG:
        return
    if kind.startswith("application/vnd.wherry.run."):
        raise Unsupported(f"{what} is a run of a later wherry: {kind[:80]}")
    if kind in mediatype.CONFIGS:
        raise InputError(f"{what} is a container image, not a training run", hint=f"wherry pull {what}")
    hint = f"wherry model pull {what}" if ".model." in kind else None
    raise InputError(f"{what} is no training run but {kind[:80]}", hint=hint)


def unpack(manifest: Manifest, config: bytes, what: str) -> Run:
    """Of anybody's artifact. Raises: InvalidSpec when document and layers do not say the same."""
    document = decode(config, what)
    points = [one for one in manifest.layers if one.media_type == METRICS]
    if len(points) > 1:
        raise InvalidSpec(f"{what}: {len(points)} layers of metrics are too many")
    files = files_of(manifest, what)
    said = {one["name"]: (one["digest"], one["size"]) for one in document["artifacts"]}
    sent = {name: (str(layer.digest), layer.size) for name, layer in files}
    if said != sent:
        name = sorted(set(said.items()) ^ set(sent.items()))[0][0]
        raise InvalidSpec(f"{what}: artifact {name[:80]!r} of the run document is not as its layer is")
    return Run(document, points[0] if points else None, files)


def files_of(manifest: Manifest, what: str) -> tuple[tuple[str, Descriptor], ...]:
    """(name, layer) of each file. Raises: InvalidSpec for two of one name."""
    found = {}
    for layer in manifest.layers:
        if layer.media_type != FILE:
            continue
        name = layer.annotations.get(TITLE, "")
        if name in found:
            raise InvalidSpec(f"{what}: two layers are named {name[:80]!r}")
        found[name] = layer
    return tuple(found.items())
