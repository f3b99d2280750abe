"""A model's files as a ModelPack manifest: one layer for each file, uncompressed. Pure: the same files, the same bytes.

Times, owners and this machine's folders are left out, so that two people who push the same files push one artifact, and
a file that two models share is one blob.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from wherry.errors import InvalidSpec
from wherry.models import media
from wherry.models.config import Described, to_config
from wherry.models.kinds import kind_of
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest

__all__ = ["File", "Named", "Packed", "files_of", "pack"]

_ORDER = {kind: place for place, kind in enumerate(media.KINDS)}
_TIME = "1970-01-01T00:00:00Z"
_TITLES = (media.FILEPATH, media.TITLE, "org.cnai.model.filepath")
_MOST_FILES = 10_000
# Those of docker's models, which have no names
_DOCKER = {
    "application/vnd.docker.ai.gguf.v3": "model.gguf",
    "application/vnd.docker.ai.gguf.v3.lora": "lora.gguf",
    "application/vnd.docker.ai.mmproj": "mmproj.gguf",
    "application/vnd.docker.ai.safetensors": "model.safetensors",
    "application/vnd.docker.ai.license": "LICENSE",
    "application/vnd.docker.ai.chat.template.jinja": "template.jinja",
}


class Named(NamedTuple):
    """One file to pack: `path` below the model's folder with "/" between, `size` in bytes."""

    path: str
    size: int
    digest: Digest
    executable: bool = False


class Packed(NamedTuple):
    """`files` stand in the order of `manifest.layers`."""

    manifest: Manifest
    data: bytes
    config: bytes
    files: tuple[Named, ...]

    @property
    def digest(self) -> Digest:
        return Digest.of(self.data)


class File(NamedTuple):
    """One layer of an artifact: `name` is relative, "" for a tar that is unpacked."""

    name: str
    layer: Descriptor


def pack(files: Sequence[Named], described: Described) -> Packed:
    """Weights first, as the specification lists them, each kind by name. Raises: InvalidSpec for no files, too many."""
    if not files:
        raise InvalidSpec("there are no files to make a model of")
    if len(files) > _MOST_FILES:
        raise InvalidSpec(f"a model of {len(files)} files is too much: at most {_MOST_FILES}")
    kinds = {one.path: kind_of(one.path, one.size) for one in files}
    ordered = tuple(sorted(files, key=lambda one: (_ORDER[kinds[one.path].name], one.path)))
    layers = []
    for one in ordered:
        kind = kinds[one.path]
        said = {media.FILEPATH: one.path, media.TITLE: one.path, media.METADATA: _metadata(one)}
        if not kind.is_sure:
            said[media.UNTESTED] = "true"
        layers.append(Descriptor(media.raw(kind.name), one.digest, one.size, said))
    config = to_config(described, [one.digest for one in layers])
    manifest = Manifest(
        Descriptor(media.CONFIG, Digest.of(config), len(config)), tuple(layers), artifact_type=media.ARTIFACT
    )
    return Packed(manifest, manifest.to_bytes(), config, ordered)


def _metadata(one: Named) -> str:
    """The specification's FileMetadata, with what is no property of the model made constant. 48 is tar's "0"."""
    return json.dumps(
        {
            "name": one.path.rpartition("/")[2], "mode": 0o755 if one.executable else 0o644, "uid": 0, "gid": 0,
            "size": one.size, "mtime": _TIME, "typeflag": 48,
        },
        separators=(",", ":"),
        ensure_ascii=False,
    )  # fmt: skip


def files_of(manifest: Manifest, what: str, reserved: str = "") -> list[File]:
    """Under which name each layer is to be kept, of anybody's artifact: ModelPack, ORAS, docker's models, KitOps.

    Pure. Raises: InvalidSpec for names that lead elsewhere, or to `reserved`.
    """
    if len(manifest.layers) > _MOST_FILES:
        raise InvalidSpec(f"{what}: {len(manifest.layers)} layers are too many")
    found: list[File] = []
    seen: set[str] = set()
    for layer in manifest.layers:
        if media.is_tar(layer.media_type, layer.annotations):
            found.append(File("", layer))
            continue
        title = next((text for key in _TITLES if (text := layer.annotations.get(key, ""))), "")
        name = _checked(title or _DOCKER.get(layer.media_type, layer.digest.hex[:12]), what, reserved)
        if not title and name in seen:
            stem, dot, ending = name.partition(".")
            name = f"{stem}-{layer.digest.hex[:12]}{dot}{ending}"
        if name in seen:
            raise InvalidSpec(f"{what}: two layers are named {name[:80]!r}")
        seen.add(name)
        found.append(File(name, layer))
    if not found:
        raise InvalidSpec(f"{what} is an artifact without files")
    return found


def _checked(name: str, what: str, reserved: str) -> str:
    parts = name.split("/")
    is_reserved = bool(reserved) and parts[0] == reserved
    if name.startswith("/") or re.search(r"[\0-\x1f]", name) or {"", ".", ".."} & set(parts) or is_reserved:
        raise InvalidSpec(f"{what}: a layer is named {name[:80]!r}", hint="nothing was written")
    return name
